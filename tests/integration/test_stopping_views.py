"""The pages on which jobs are cancelled and sweeps are steered: who sees what, who may press, what a press asks for."""

from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.core.permissions import Role
from apps.stopping.models import CancelRequest, SweepRequest
from tests.factories.rows import SweepFactory
from tests.factories.stopping import Lab
from tests.integration.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
HTMX = {"HX-Request": "true", "HX-Target": "cancel-jobs"}


@pytest.fixture
def lab(tmp_path: Path, settings: Any, redis_server: str) -> Lab:
    settings.CONFIG_FILE = ""
    return Lab(tmp_path)


def page(client: Client, path: str) -> str:
    return client.get(path).content.decode()


def button(text: str, name: str) -> str:
    return text.split(f'id="{name}"')[1].split(">")[0]


def test_the_page_names_every_job_and_what_would_go_with_it(operator: Client, lab: Lab) -> None:
    other = lab.job_of(lab.submit())
    text = page(operator, f"/jobs/cancel?job={lab.job.pk}&job={other.pk}&job=999999&job=x")
    for said in (
        "Cancel 2 jobs",
        "g07",
        "calm-aaa",
        "epoch 5/10",
        "step 400",
        "2.0 GPU hours",
        "its place in the queue",
    ):
        assert said in text, said
    assert "disabled" not in button(text, "cancel")


def test_a_press_without_the_box_does_nothing(operator: Client, lab: Lab) -> None:
    text = operator.post("/jobs/cancel/press", {"job": lab.job.pk}, follow=True).content.decode()
    assert "Tick the box first: nothing was done." in text
    assert CancelRequest.objects.count() == 0


def test_a_press_asks_for_exactly_the_named_jobs_and_its_progress_follows(operator: Client, lab: Lab) -> None:
    other = lab.job_of(lab.submit())
    form = {"job": lab.job.pk, "confirm": "yes"}
    text = operator.post("/jobs/cancel/press", form, follow=True).content.decode()
    assert "1 job will be cancelled." in text
    assert "every 2s" in text
    assert CancelRequest.objects.get().job_id == lab.job_id != other.job_id
    again = operator.post("/jobs/cancel/press", form, headers=HTMX).content.decode()
    assert "already; nothing was done a second time" in again
    assert "<html" not in again


def test_no_job_named_is_none_cancelled(operator: Client, lab: Lab) -> None:
    assert "No job is named" in page(operator, "/jobs/cancel")
    operator.post("/jobs/cancel/press", {"confirm": "yes"})
    assert CancelRequest.objects.count() == 0


def test_jobs_and_their_sweep_are_stopped_together(operator: Client, lab: Lab) -> None:
    form = {"job": lab.job.pk, "confirm": "yes", "sweep": lab.sweep.pk, "wandb": "stop"}
    text = operator.post("/jobs/cancel/press", form, follow=True).content.decode()
    assert "W&amp;B is told to stop the sweep." in text
    assert (SweepRequest.objects.get().wish, CancelRequest.objects.count()) == ("stop", 1)


def test_a_job_that_has_ended_has_a_dead_button_that_says_why(operator: Client, lab: Lab) -> None:
    lab.scheduler.finish(lab.job_id)
    job = lab.job_of(lab.job_id)
    text = page(operator, f"/jobs/cancel?job={job.pk}")
    assert 'disabled title="None of these jobs' in button(text, "cancel")
    assert f"Job {lab.job_id} has ended as COMPLETED" in text


def test_a_viewer_sees_it_all_and_presses_nothing(viewer: Client, lab: Lab) -> None:
    assert "needs the role &#x27;operator&#x27;" in page(viewer, f"/jobs/cancel?job={lab.job.pk}").replace(
        "'", "&#x27;"
    )
    assert "needs the role" in page(viewer, f"/sweeps/{lab.sweep.pk}/stop")
    assert viewer.post("/jobs/cancel/press", {"job": lab.job.pk, "confirm": "yes"}).status_code == 403
    assert viewer.post(f"/sweeps/{lab.sweep.pk}/stop/pause").status_code == 403


def test_a_sweep_is_steered_on_its_page_and_each_dead_lever_says_why(operator: Client, lab: Lab) -> None:
    path = f"/sweeps/{lab.sweep.pk}/stop"
    text = page(operator, path)
    assert "disabled title" in button(text, "resume-sweep")
    assert "disabled" not in button(text, "pause-sweep")
    assert f'id="job-{lab.job.pk}"' in text
    assert "Tick the box" in operator.post(f"{path}/cancel", follow=True).content.decode()
    text = operator.post(f"{path}/pause", follow=True).content.decode()
    assert "W&amp;B is told to pause the sweep." in text
    assert "wait for its end" in button(text, "stop-sweep")
    assert SweepRequest.objects.get().wish == "pause"
    assert "nothing that can be done" in operator.post(f"{path}/explode", follow=True).content.decode()


def test_the_board_and_the_resume_page_lead_there(operator: Client, lab: Lab) -> None:
    board = page(operator, f"/?open={lab.sweep.pk}")
    assert f'href="/jobs/cancel?job={lab.job.pk}"' in board
    assert f'href="/sweeps/{lab.sweep.pk}/stop"' in board
    assert f'href="/sweeps/{lab.sweep.pk}/stop"' in page(operator, f"/sweeps/{lab.sweep.pk}/resume")


def test_a_sweep_of_which_no_job_is_known_says_so(operator: Client, lab: Lab) -> None:
    assert "No queued or running job is known" in page(operator, f"/sweeps/{SweepFactory().pk}/stop")


def test_an_admin_may_too(lab: Lab) -> None:
    assert client_of(Role.ADMIN).post("/jobs/cancel/press", {"job": lab.job.pk, "confirm": "yes"}).status_code == 302
    assert CancelRequest.objects.count() == 1


def test_the_commands_show_and_with_yes_do(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("cancel_jobs", "sweep_control"):
        monkeypatch.setattr(f"apps.stopping.management.commands.{name}.tools", lambda: lab.tools)
    said = StringIO()
    call_command("cancel_jobs", lab.job_id, stdout=said)
    assert "Nothing was done" in said.getvalue()
    assert "2.0 GPU hours" in said.getvalue()
    call_command("sweep_control", "swp1", "pause", "--yes", stdout=said)
    assert "Done: W&B says PAUSED." in said.getvalue()
    call_command("cancel_jobs", lab.job_id, "--yes", stdout=said)
    assert lab.state_of(lab.job_id) == ["CANCELLED"]
    with pytest.raises(CommandError, match="No job 4711 is known"):
        call_command("cancel_jobs", "4711", stdout=said)
    with pytest.raises(CommandError, match="No sweep 'nothere' is known"):
        call_command("sweep_control", "nothere", "pause", stdout=said)
