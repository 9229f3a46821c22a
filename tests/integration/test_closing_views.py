"""The page on which a zombie is marked as failed, who may press, the links to it, and the command line."""

from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client

from apps.audit.models import AuditEvent
from apps.closing.models import CloseRequest
from apps.flags.models import RunStatus
from apps.sweeps.models import Run
from tests.factories.moments import before
from tests.factories.records import run_record
from tests.factories.rows import (
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepFactory,
    both_sources_answered,
)
from tests.integration.conftest import client_of
from tests.services.memory import World

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
CHAIN = ["W&B says running, last heartbeat 1 h ago.", "Slurm says FAILED of job 4711.", "The log's last is epoch 3."]
HTMX = {"HX-Request": "true", "HX-Target": "closing"}


@pytest.fixture
def zombie(world: World, settings: Any) -> Run:
    settings.RUN_CLOSER = "tests.services.memory.closer"
    both_sources_answered()
    run = RunFactory(run_id="aaa", sweep=SweepFactory(sweep_id="swp1"), heartbeat_at=before(hours=1))
    job = JobFactory(state="FAILED", end_at=before(minutes=58), job_id="4711", raw_id=4711)
    RunLinkFactory(run=run, job=job)
    RunStatusFactory(
        run=run, job=job, pair="zombie", agree=False, chain=CHAIN, verdict="mark crashed", job_how="log",
        job_evidence="a log of job 4711 names run aaa",
    )  # fmt: skip
    FlagFactory(run=run)
    world.glue.runs.append(run_record("aaa", heartbeat_at=before(hours=1)))
    return run


def page(client: Client, run: Run) -> str:
    return client.get(f"/runs/{run.pk}/close").content.decode()


def test_the_page_shows_the_evidence_and_which_state_w_and_b_will_show(operator: Client, zombie: Run) -> None:
    text = page(operator, zombie)
    for said in (
        "last heartbeat 1 h ago", "Slurm says FAILED of job 4711.", "a log of job 4711 names run aaa", "epoch 3",
        "W&amp;B will show &#x27;failed&#x27;", "No step is added", "goes on in the same run", "calm-aaa",
    ):  # fmt: skip
        assert said in text, said
    assert 'id="close-run"' in text
    assert "disabled" not in text.split('id="close-run"')[1].split(">")[0]


def test_a_press_asks_once_and_says_so(operator: Client, zombie: Run) -> None:
    first = operator.post(f"/runs/{zombie.pk}/close/press", follow=True).content.decode()
    assert "Run aaa will be marked as failed in W&amp;B." in first
    assert "Waiting for a worker" in first
    second = operator.post(f"/runs/{zombie.pk}/close/press", headers=HTMX).content.decode()
    assert "under way already" in second
    assert "<html" not in second
    assert CloseRequest.objects.count() == 1


def test_a_viewer_sees_the_evidence_and_no_button(viewer: Client, zombie: Run) -> None:
    text = page(viewer, zombie)
    assert "Slurm says FAILED" in text
    assert 'id="close-run"' not in text
    assert "needs the role 'operator'" in text
    assert viewer.post(f"/runs/{zombie.pk}/close/press").status_code == 403
    assert CloseRequest.objects.count() == 0


def test_nobody_sees_it_without_logging_in_and_a_get_does_not_close(operator: Client, zombie: Run) -> None:
    assert client_of(None).get(f"/runs/{zombie.pk}/close").status_code == 302
    assert operator.get(f"/runs/{zombie.pk}/close/press").status_code == 405
    assert operator.get("/runs/999999/close").status_code == 404
    strict = Client(enforce_csrf_checks=True)
    strict.cookies = operator.cookies
    assert strict.post(f"/runs/{zombie.pk}/close/press").status_code == 403
    assert CloseRequest.objects.count() == 0


def test_the_button_is_disabled_with_the_sentence_of_the_refusal(operator: Client, zombie: Run) -> None:
    Run.objects.update(heartbeat_at=before(minutes=2))
    text = page(operator, zombie)
    assert "disabled" in text.split('id="close-run"')[1].split(">")[0]
    assert "Not now: W&amp;B heard of the run 2 min ago" in text
    said = operator.post(f"/runs/{zombie.pk}/close/press", follow=True).content.decode()
    assert "W&amp;B heard of the run 2 min ago" in said
    assert AuditEvent.objects.get().type == "run.close.refused"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"state": "running"}, "Asking W&amp;B and Slurm"),
        ({"state": "queued", "attempts": 2, "said": "W&B does not answer."}, "Waiting to try again"),
        ({"state": "closed"}, "waiting for the next pass over W&amp;B"),
        ({"state": "verified", "shows": "failed"}, "W&amp;B shows failed"),
        ({"state": "refused", "said": "Job 9 is RUNNING."}, "Job 9 is RUNNING."),
        ({"state": "failed", "said": "W&B says no.", "error_id": "3f9c21ab77d0"}, "3f9c21ab77d0"),
    ],
)
def test_every_state_of_the_wish_has_its_words(viewer: Client, zombie: Run, values: dict[str, Any], said: str) -> None:
    CloseRequest.objects.create(run=zombie, asked_by="mia", asked_at=before(minutes=1), **values)
    assert said in page(viewer, zombie)


def test_a_zombie_has_a_link_on_the_board_and_in_the_inbox_and_others_have_none(viewer: Client, zombie: Run) -> None:
    other = RunFactory(run_id="bbb", sweep=zombie.sweep)
    RunStatusFactory(run=other)
    FlagFactory(run=other, rule="stale-heartbeat", severity="warning")
    for path in (f"/?open={zombie.sweep_id}", "/flags"):
        text = viewer.get(path).content.decode()
        assert text.count("Mark crashed…") == 1, path
        assert f'href="/runs/{zombie.pk}/close"' in text


def test_the_command_shows_the_evidence_and_does_nothing_without_yes(zombie: Run, capsys: Any) -> None:
    call_command("close_run", "aaa")
    said = capsys.readouterr().out
    assert "- Slurm says FAILED of job 4711." in said
    assert "W&B will show 'failed'" in said
    assert "Nothing was done" in said
    assert CloseRequest.objects.count() == 0


def test_the_command_closes_with_yes_as_the_unix_user(zombie: Run, world: World, capsys: Any) -> None:
    call_command("close_run", "aaa", "--yes", "--project", "team/glue")
    assert "Closed: W&B says failed" in capsys.readouterr().out
    assert world.glue.runs[0].state == "failed"
    assert {event.actor.endswith(" (command line)") for event in AuditEvent.objects.all()} == {True}


def test_the_command_refuses_like_the_page(zombie: Run, world: World) -> None:
    with pytest.raises(CommandError, match="No run 'zzz' is known"):
        call_command("close_run", "zzz")
    RunFactory(run_id="aaa", project="other")
    with pytest.raises(CommandError, match="Several projects have a run 'aaa'"):
        call_command("close_run", "aaa")
    world.scheduler.down = True
    with pytest.raises(SystemExit) as waits:
        call_command("close_run", "aaa", "--yes", "--project", "team/glue")
    assert waits.value.code == 3
    CloseRequest.objects.all().delete()
    RunStatus.objects.update(slurm_state="RUNNING")
    with pytest.raises(CommandError, match="Slurm says RUNNING"):
        call_command("close_run", "aaa", "--project", "team/glue")
