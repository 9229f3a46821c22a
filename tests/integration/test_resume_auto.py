"""Resuming without a person: the same gate and the same press, a switch that is seen, and an end that is told."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction
from django.test import Client

from apps.audit.models import AuditEvent
from apps.core.errors import AlreadyDone
from apps.resume.auto import ACTOR
from apps.resume.automatic import in_force, look_after_runs, switch_auto
from apps.resume.checking import drive_check, unfinished_checks
from apps.resume.models import AutoResume, GateCheck, ResumeRequest
from apps.sweeps.models import Run
from tests.factories.resume import Lab
from tests.factories.rows import RunFactory, RunStatusFactory
from tests.integration.test_resume_deaths import Death, Killer, deadly_database

pytestmark = pytest.mark.django_db
ON = {"policy": {"auto_resume": {"on": True, "backoff_minutes": 1, "max_attempts": 2}}}


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    made = Lab(workspace_root)
    made.workspace.config = {**made.workspace.config, **ON}
    made.workspace.save()
    return made


def beat(lab: Lab) -> dict[str, str]:
    """One pass of the task, with workers that do at once what it sends."""

    def check(asked: GateCheck) -> None:
        drive_check(check_pk=asked.pk, tools=lab.tools, clock=lambda: lab.now)

    return look_after_runs(now=lab.now, send_check=check, send_resume=lambda request: None)


def run_of(lab: Lab) -> Run:
    return Run.objects.select_related("sweep").get(pk=lab.run.pk)


def test_a_preempted_run_is_resumed_by_the_same_gate_and_the_same_press(lab: Lab) -> None:
    assert [beat(lab), beat(lab), beat(lab)] == [{"aaa": "look"}, {"aaa": "press"}, {"aaa": "wait"}]
    request = ResumeRequest.objects.get()
    assert (request.asked_by, request.state, GateCheck.objects.get().state) == (ACTOR, "asked", "used")
    assert AuditEvent.objects.latest("pk").actor == ACTOR
    assert lab.resumes_to_the_end(request) == "confirmed"
    assert lab.jobs == ["1"]


def test_it_is_off_by_default(workspace_root: Path, settings: Any) -> None:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root)
    assert beat(lab) == {}
    assert (GateCheck.objects.count(), ResumeRequest.objects.count()) == (0, 0)


def test_a_beat_asks_three_questions_where_it_is_off_however_many_runs_wait(
    workspace_root: Path, settings: Any, django_assert_num_queries: Any
) -> None:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root)
    for _ in range(5):
        RunStatusFactory(run=RunFactory(sweep=lab.run.sweep), crash_class="preemption", verdict="resume")
    with django_assert_num_queries(3):
        beat(lab)


def test_a_shut_gate_is_not_pressed_and_said(lab: Lab) -> None:
    lab.wandb(state="running")
    beat(lab)
    assert beat(lab) == {"aaa": "wait"}
    assert ResumeRequest.objects.count() == 0
    assert in_force(run_of(lab)).said.startswith("The gate is shut. W&B run is not finished")


def test_a_silent_source_presses_nothing(lab: Lab) -> None:
    lab.scheduler.down = True
    beat(lab)
    assert beat(lab) == {"aaa": "wait"}
    assert ResumeRequest.objects.count() == 0


def test_a_persons_press_comes_first_and_is_never_doubled(lab: Lab) -> None:
    beat(lab)
    lab.ask(GateCheck.objects.get())
    assert beat(lab) == {"aaa": "wait"}
    with pytest.raises(AlreadyDone):
        lab.ask(actor=ACTOR)
    assert list(ResumeRequest.objects.values_list("asked_by", flat=True)) == ["mia"]


def test_it_stops_itself_after_repeated_failure_says_why_and_begins_anew_when_switched_on(lab: Lab) -> None:
    for _ in range(2):
        for _ in range(2):
            beat(lab)
        ResumeRequest.objects.update(state="failed", finished_at=lab.now, checkpoint_step=400)
        lab.later(minutes=5)
    assert beat(lab) == {"aaa": "stop"}
    assert beat(lab) == {}
    force = in_force(run_of(lab))
    assert (force.on, force.stopped) == (True, "The last 2 attempts failed.")
    assert AuditEvent.objects.filter(type="resume.auto.stopped", actor=ACTOR).count() == 1
    switch_auto(subject=run_of(lab), on=True, actor="mia", now=lab.now)
    assert (in_force(run_of(lab)).stopped, in_force(run_of(lab)).by) == ("", "mia")
    assert beat(lab) in ({"aaa": "look"}, {"aaa": "press"}, {"aaa": "wait"})


def test_no_progress_between_attempts_stops_it(lab: Lab) -> None:
    beat(lab)
    beat(lab)
    ResumeRequest.objects.update(state="confirmed", finished_at=lab.now)
    lab.later(minutes=5)
    assert [beat(lab), beat(lab)] == [{"aaa": "look"}, {"aaa": "stop"}]
    assert in_force(run_of(lab)).stopped.endswith("the newest checkpoint is still that of step 500.")


def test_a_switch_of_the_run_wins_over_that_of_its_sweep_and_over_the_policy(lab: Lab) -> None:
    run = run_of(lab)
    assert run.sweep is not None
    switch_auto(subject=run.sweep, on=False, actor="ben", now=lab.now)
    assert (in_force(run).on, in_force(run).by, beat(lab)) == (False, "ben", {})
    switch_auto(subject=run, on=True, actor="mia", now=lab.now)
    assert (in_force(run).on, in_force(run).by, beat(lab)) == (True, "mia", {"aaa": "look"})
    types = list(AuditEvent.objects.order_by("pk").values_list("type", "actor", "subject"))
    assert types == [("resume.auto.off", "ben", "sweep swp1"), ("resume.auto.on", "mia", "run aaa")]


def test_a_pass_that_dies_anywhere_is_made_good_by_the_next_and_makes_one_request(workspace_root: Path) -> None:
    number, died = 0, True
    while died:
        number += 1
        with transaction.atomic():
            lab, killer = Lab(workspace_root), Killer(number)
            switch_auto(subject=run_of(lab), on=True, actor="mia", now=lab.now)
            for _ in range(6):
                try:
                    with deadly_database(killer):
                        look_after_runs(now=lab.now, send_check=lambda _: None, send_resume=lambda _: None)
                except Death:
                    lab.later(minutes=4)
                _drive_what_waits(lab)
            died = killer.passed >= number
            asked = ResumeRequest.objects.values_list("asked_by", "state")
            assert list(asked) == [(ACTOR, "asked")], number
            transaction.set_rollback(True)
    assert number > 20


def _drive_what_waits(lab: Lab) -> None:
    """The other pass of beat: looks that nobody has in hand are driven."""
    for check_pk in unfinished_checks(lab.now):
        drive_check(check_pk=check_pk, tools=lab.tools, clock=lambda: lab.now)


@pytest.mark.usefixtures("noon")
def test_the_switch_stands_on_both_pages_and_the_board_says_what_it_does(
    operator: Client, viewer: Client, lab: Lab, redis_server: str
) -> None:
    run, sweep = f"/runs/{lab.run.pk}/resume", f"/sweeps/{lab.run.sweep_id}/resume"
    assert 'id="auto-off"' in operator.get(run).content.decode()
    assert "Auto-resume is off." in operator.post(f"{sweep}/auto/off", follow=True).content.decode()
    assert "Switched off by" in operator.get(run).content.decode()
    assert "Auto-resume is on." in operator.post(f"{run}/auto/on", follow=True).content.decode()
    assert operator.post(f"{run}/auto/perhaps").status_code == 404
    assert viewer.post(f"{run}/auto/off").status_code == 403
    assert 'id="auto-off"' not in viewer.get(run).content.decode()
    board = f"/?open={lab.run.sweep_id}"
    assert "auto-resume on" in operator.get(board).content.decode()
    beat(lab)
    assert "auto-resume: Looks at the gate for attempt 1 of 2." in operator.get(board).content.decode()
    AutoResume.objects.update(stopped_at=lab.now + timedelta(hours=1), stopped_why="The last 2 attempts failed.")
    assert "auto-resume stopped itself" in operator.get(board).content.decode()
    assert "The last 2 attempts failed." in operator.get(run).content.decode()
