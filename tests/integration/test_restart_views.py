"""The page of a restart: what it shows, who may press, and what opens the guard."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.core.permissions import Role
from apps.restart.models import RestartRequest
from apps.sweeps.models import Run
from tests.factories.restart import PROOF, Lab
from tests.integration.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


@pytest.fixture
def lab(workspace_root: Path, settings: Any, redis_server: str) -> Lab:
    settings.CONFIG_FILE = ""
    return Lab(workspace_root)


def page(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def button(text: str, name: str) -> str:
    return text.split(f'id="{name}"')[1].split(">")[0]


def test_the_page_shows_the_loss_the_way_and_shuts_each_button_with_its_sentence(operator: Client, lab: Lab) -> None:
    path = f"/sweeps/{lab.sweep.pk}/restart"
    text = page(operator, path)
    assert "5 epochs and 500 steps of 1 run" in text
    assert "To relaunch agents into the same sweep" in text
    assert "disabled" not in button(text, "relaunch")
    assert "would lose 5 epochs" in button(text, "make-sweep")
    lab.checkpoint()
    text = page(operator, path)
    assert "To resume" in text
    assert "would lose 5 epochs" in button(text, "relaunch")


def test_a_press_asks_once_and_its_progress_follows(operator: Client, lab: Lab) -> None:
    path = f"/sweeps/{lab.sweep.pk}/restart"
    text = operator.post(f"{path}/press", {"wish": "relaunch", "agents": "2"}, follow=True).content.decode()
    assert "Agents will be relaunched." in text
    assert "every 2s" in text
    assert (RestartRequest.objects.get().agents, RestartRequest.objects.get().asked_by) != (0, "")
    again = operator.post(f"{path}/press", {"wish": "relaunch", "agents": "2"}, follow=True).content.decode()
    assert "under way already" in again
    for odd in ({"wish": "explode"}, {"wish": "relaunch", "agents": "x"}):
        assert "Say what is to be done" in operator.post(f"{path}/press", odd, follow=True).content.decode()


def test_an_operator_names_a_config_error_and_only_an_admin_writes_a_reason(operator: Client, lab: Lab) -> None:
    lab.checkpoint()
    path = f"/sweeps/{lab.sweep.pk}/restart"
    text = page(operator, path)
    assert PROOF.replace("'", "&#x27;") in text
    assert 'id="reason"' not in text
    form = {"wish": "new-sweep", "agents": "0", "reason": "because"}
    assert "Only an admin" in operator.post(f"{path}/press", form, follow=True).content.decode()
    assert RestartRequest.objects.count() == 0
    admin = client_of(Role.ADMIN)
    assert 'id="reason"' in page(admin, path)
    assert "A new sweep will be made." in admin.post(f"{path}/press", form, follow=True).content.decode()
    assert RestartRequest.objects.get().opened_by == "reason"


def test_a_run_outside_a_sweep_says_that_nobody_knows_how_it_was_begun(operator: Client, lab: Lab) -> None:
    Run.objects.filter(run_id="aaa").update(sweep=None)
    path = f"/runs/{lab.runs['aaa'].pk}/restart"
    assert "Submit its own script again" in page(operator, path)
    form = {"wish": "relaunch", "agents": "1"}
    assert "belongs to no sweep" in operator.post(f"{path}/press", form, follow=True).content.decode()


def test_a_viewer_sees_and_presses_nothing_and_the_commands_are_there_without_a_recipe(
    viewer: Client, operator: Client, lab: Lab
) -> None:
    path = f"/sweeps/{lab.sweep.pk}/restart"
    assert "needs the role" in page(viewer, path)
    assert viewer.post(f"{path}/press", {"wish": "relaunch"}).status_code == 403
    lab.workspace.config["agent"] = {}
    lab.workspace.save()
    text = page(operator, path)
    assert "<code>wandb agent team/glue/swp1</code>" in text
    assert "disabled" in button(text, "relaunch")


def test_an_unread_checkpoint_leads_to_its_verification(operator: Client, lab: Lab) -> None:
    lab.checkpoint(sound="")
    text = page(operator, f"/runs/{lab.runs['aaa'].pk}/restart")
    assert "Not known: Checkpoint step_500.pt of run aaa is unread" in text
    assert f'href="/runs/{lab.runs["aaa"].pk}/checkpoints"' in text
    assert "disabled" in button(text, "relaunch")
