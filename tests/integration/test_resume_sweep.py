"""All resumable runs of a sweep: each with its own gate, one wish for each whose gate is open, none twice."""

from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import utcnow
from apps.resume.checking import ask_for_check, drive_check
from apps.resume.models import GateCheck, ResumeRequest
from apps.sweeps.models import Run
from tests.factories.resume import Lab
from tests.factories.rows import RunFactory, RunStatusFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    """Run aaa, whose gate is open, and run bbb of the same sweep, which has no checkpoint."""
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root)
    other = RunFactory(run_id="bbb", sweep=lab.run.sweep, state="crashed")
    RunStatusFactory(run=other, crash_class="preemption", resumable="yes", verdict="resume", epoch=2)
    RunStatusFactory(run=RunFactory(run_id="ccc", sweep=lab.run.sweep), verdict="healthy")
    return lab


def look(lab: Lab) -> None:
    """What the workers do with the looks that were asked for."""
    for check in GateCheck.objects.filter(state="queued"):
        drive_check(check_pk=check.pk, tools=lab.tools, clock=utcnow)


def page(client: Client, lab: Lab) -> str:
    return client.get(f"/sweeps/{lab.run.sweep_id}/resume").content.decode()


def test_each_run_has_its_own_gate_and_only_open_ones_are_resumed(lab: Lab, operator: Client) -> None:
    text = page(operator, lab)
    assert "2 runs" in text
    assert "ccc" not in text
    answer = operator.post(f"/sweeps/{lab.run.sweep_id}/resume/check", follow=True)
    assert "2 gates will be looked at." in answer.content.decode()
    look(lab)
    text = page(operator, lab)
    assert "✓ open" in text
    assert "There is no checkpoint" in text
    answer = operator.post(f"/sweeps/{lab.run.sweep_id}/resume/press", follow=True)
    assert "1 run will be resumed." in answer.content.decode()
    assert [one.run for one in ResumeRequest.objects.all()] == [lab.run]
    assert "asked by" in page(operator, lab)


def test_a_second_press_makes_no_second_wish(lab: Lab, operator: Client) -> None:
    ask_for_check(run=lab.run, actor="mira", now=utcnow())
    look(lab)
    for _ in range(2):
        operator.post(f"/sweeps/{lab.run.sweep_id}/resume/press")
    assert ResumeRequest.objects.count() == 1


def test_without_a_look_nothing_is_resumed(lab: Lab, operator: Client) -> None:
    answer = operator.post(f"/sweeps/{lab.run.sweep_id}/resume/press", follow=True)
    assert "No gate is open: look at the gates first." in answer.content.decode()
    assert ResumeRequest.objects.count() == 0


def test_a_viewer_sees_and_does_not_press(lab: Lab, viewer: Client) -> None:
    assert "needs the role" in page(viewer, lab)
    for what in ("check", "press"):
        assert viewer.post(f"/sweeps/{lab.run.sweep_id}/resume/{what}").status_code == 403
    Run.objects.update(sweep=None)
    assert "Nothing to resume" in viewer.get(f"/sweeps/{lab.run.sweep_id}/resume").content.decode()
    assert viewer.get("/sweeps/999999/resume").status_code == 404


def test_the_page_costs_the_same_however_many_runs_can_be_resumed(
    lab: Lab, operator: Client, django_assert_num_queries: Any
) -> None:
    page(operator, lab)
    with CaptureQueriesContext(connection) as few:
        page(operator, lab)
    for number in range(20):
        run = RunFactory(run_id=f"r{number}", sweep=lab.run.sweep, state="crashed")
        RunStatusFactory(run=run, crash_class="cuda-oom", resumable="after a change", verdict="change-then-resume")
        ask_for_check(run=run, actor="mira", now=utcnow())
    look(lab)
    with django_assert_num_queries(len(few)):
        assert "22 runs" in page(operator, lab)
