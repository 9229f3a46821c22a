"""Cancelling jobs and steering sweeps: named attempts only, on a fresh look, to one truthful end, whoever dies."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from apps.audit.models import AuditEvent
from apps.core.errors import AlreadyDone, Permanent, Transient
from apps.slurm.models import Job
from apps.stopping.domain import AGAIN, PATIENCE, SETTLE
from apps.stopping.models import CancelRequest, SweepRequest
from apps.stopping.selectors import lines_of, live_jobs_of
from apps.stopping.services import ask_to_cancel
from apps.stopping.writing import LEASE, unfinished
from apps.sweeps.models import Sweep
from tests.factories.rows import JobFactory, RunFactory
from tests.factories.stopping import Lab
from tests.integration.test_resume_deaths import Deadly, Death, Killer, deadly_database

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_configuration(settings: Any) -> None:
    settings.CONFIG_FILE = ""


@pytest.fixture
def lab(db: None, tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def audit() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))


def said_of(request: CancelRequest | SweepRequest) -> str:
    request.refresh_from_db()
    return request.said


def test_a_line_names_the_job_its_run_its_progress_and_what_would_be_lost(lab: Lab) -> None:
    (line,) = lines_of(live_jobs_of(lab.sweep), lab.now)
    assert (line.job.job_id, line.job.name, line.job.nodes, line.job.state) == (lab.job_id, "agent", "g07", "RUNNING")
    assert (line.elapsed, line.run, line.sweep_id, line.refusal) == (5 * 3600, lab.run, "swp1", "")
    assert line.loss == (
        "Since the checkpoint of 1 h 00 min ago: 1 epoch, 100 steps, 1 h 00 min of training (2.0 GPU hours)."
    )


def test_from_the_press_to_the_look_that_confirms_it(lab: Lab) -> None:
    request = lab.ask()
    assert (request.submit_at, request.run_id, request.sweep_id) == (lab.job.submit_at, "aaa", "swp1")
    assert lab.drive(request) == "sent"
    assert lab.state_of(lab.job_id) == ["CANCELLED"]
    lab.later(seconds=5)
    assert lab.drive(request) == "done"
    assert said_of(request) == f"Slurm says CANCELLED of job {lab.job_id}."
    assert audit() == ["job.cancel.requested", "job.cancel.done"]
    event = AuditEvent.objects.earliest("pk")
    assert (event.actor, event.subject, event.detail["run"]) == ("mia", f"job memory/{lab.job_id}", "aaa")
    assert "GPU hours" in event.detail["loss"]


def test_only_the_named_job_is_cancelled(lab: Lab) -> None:
    other = lab.submit()
    lab.scheduler.start(other)
    lab.drive(lab.ask())
    assert (lab.state_of(lab.job_id), lab.state_of(other)) == (["CANCELLED"], ["RUNNING"])


def test_a_second_press_and_a_job_that_has_ended_are_left_out_with_a_sentence(lab: Lab) -> None:
    lab.ask()
    ended = JobFactory(state="COMPLETED", job_id="77")
    asked, left_out = ask_to_cancel(jobs=[lab.job, ended], actor="ben", now=lab.now)
    assert asked == []
    assert left_out == [
        f"Job {lab.job_id} is being cancelled already; nothing was done a second time.",
        "Job 77 has ended as COMPLETED: there is nothing to cancel.",
    ]
    assert CancelRequest.objects.count() == 1


def test_an_attempt_that_was_requeued_since_is_left_alone(lab: Lab) -> None:
    request = lab.ask()
    lab.scheduler.requeue(lab.job_id)
    assert lab.drive(request) == "refused"
    assert said_of(request).startswith(f"Job {lab.job_id} was requeued at 2026-11-23 12:00:00 UTC")
    assert lab.state_of(lab.job_id) == ["REQUEUED", "PENDING"]


def test_an_id_that_slurm_gave_to_another_job_is_left_alone(lab: Lab) -> None:
    Job.objects.update(submit_at=lab.now - timedelta(days=300))
    request = lab.ask(Job.objects.get())
    assert lab.drive(request) == "refused"
    assert lab.state_of(lab.job_id) == ["RUNNING"]


def test_a_job_that_ended_by_itself_is_not_touched(lab: Lab) -> None:
    request = lab.ask()
    lab.scheduler.finish(lab.job_id)
    assert lab.drive(request) == "done"
    assert said_of(request) == "It ended by itself as COMPLETED; nothing was done."


def test_a_waiting_job_of_which_slurm_keeps_no_record_is_cancelled(lab: Lab) -> None:
    waiting = lab.submit()
    request = lab.ask(lab.job_of(waiting))
    assert request.loss == "Nothing but its place in the queue: it has not started."
    lab.drive(request)
    lab.scheduler.attempts = [one for one in lab.scheduler.attempts if one.job_id != waiting]
    assert lab.drive(request) == "sent"
    lab.later(seconds=SETTLE.total_seconds())
    assert lab.drive(request) == "done"


def test_a_job_that_does_not_die_is_told_again_and_then_given_up(lab: Lab) -> None:
    class Stubborn:
        told = 0

        def __getattr__(self, name: str) -> Any:
            return getattr(lab.scheduler, name)

        def cancel(self, job_id: str) -> None:
            self.told += 1

    stubborn, request = Stubborn(), lab.ask()
    for _ in range(2):
        assert lab.drive(request, stubborn) == "sent"
        lab.later(seconds=20)
        assert lab.drive(request, stubborn) == "sent"
        lab.later(seconds=AGAIN.total_seconds())
    assert stubborn.told == 2
    lab.later(seconds=PATIENCE.total_seconds())
    assert lab.drive(request, stubborn) == "failed"
    assert "is still RUNNING" in said_of(request)
    assert request.error_id


def test_a_silent_slurm_cancels_nothing_and_is_waited_for(lab: Lab) -> None:
    request = lab.ask()
    lab.scheduler.down = True
    assert lab.drive(request) == "asked"
    lab.later(seconds=PATIENCE.total_seconds())
    assert lab.drive(request) == "failed"
    assert said_of(request) == "The scheduler does not answer. Nothing was done."


def test_an_scancel_that_times_out_is_looked_after(lab: Lab) -> None:
    class Slow:
        def __getattr__(self, name: str) -> Any:
            return getattr(lab.scheduler, name)

        def cancel(self, job_id: str) -> None:
            lab.scheduler.cancel(job_id)
            raise Transient("scancel did not answer within 20 seconds.")

    request = lab.ask()
    assert lab.drive(request, Slow()) == "sent"
    lab.later(seconds=10)
    assert lab.drive(request) == "done"


def test_a_death_at_any_place_cancels_one_job_and_ends_in_the_same_truth(tmp_path: Path) -> None:
    number, died = 0, True
    while died:
        number += 1
        with transaction.atomic():
            lab = Lab(tmp_path)
            bystander = lab.submit()
            request, killer = lab.ask(), Killer(number)
            for _ in range(6):
                try:
                    with deadly_database(killer):
                        lab.drive(request, Deadly(lab.scheduler, killer))
                    lab.later(seconds=5)
                except Death:
                    lab.later(seconds=LEASE.total_seconds() + 1)
            died = killer.passed >= number
            request.refresh_from_db()
            told = (request.state, lab.state_of(lab.job_id), lab.state_of(bystander), audit())
            ends = ["job.cancel.requested", "job.cancel.done"]
            assert told == ("done", ["CANCELLED"], ["PENDING"], ends), number
            transaction.set_rollback(True)
    assert number > 12


def test_a_press_that_dies_leaves_a_whole_request_or_none(tmp_path: Path) -> None:
    number, died = 0, True
    while died:
        number += 1
        with transaction.atomic():
            lab, killer = Lab(tmp_path), Killer(number)
            try:
                with deadly_database(killer):
                    lab.ask()
            except Death:
                pass
            died = killer.passed >= number
            assert CancelRequest.objects.count() == AuditEvent.objects.count(), number
            transaction.set_rollback(True)
    assert number > 4


def test_a_worker_that_was_overtaken_writes_nothing(lab: Lab) -> None:
    request = lab.ask()

    class Overtaken:
        def __getattr__(self, name: str) -> Any:
            return getattr(lab.scheduler, name)

        def cancel(self, job_id: str) -> None:
            lab.scheduler.cancel(job_id)
            lab.later(seconds=LEASE.total_seconds() + 1)
            assert lab.drive(request) == "done"

    lab.drive(request, Overtaken())
    assert said_of(request) == f"Slurm says CANCELLED of job {lab.job_id}."
    assert unfinished(CancelRequest, lab.now) == []


@pytest.mark.django_db(transaction=True)
def test_ten_presses_at_once_are_one_wish(lab: Lab) -> None:
    outcomes: list[int] = []
    start = threading.Barrier(10)

    def press() -> None:
        start.wait()
        try:
            outcomes.append(len(ask_to_cancel(jobs=[lab.job], actor="mia", now=lab.now)[0]))
        finally:
            connection.close()

    people = [threading.Thread(target=press) for _ in range(10)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(outcomes) == [0] * 9 + [1]
    assert CancelRequest.objects.count() == 1


@pytest.mark.parametrize("wish", ["pause", "stop", "cancel"])
def test_a_sweep_is_steered_and_a_second_look_confirms_it(lab: Lab, wish: str) -> None:
    request = lab.steer(wish)
    assert lab.drive(request) == "sent"
    assert lab.drive(request) == "done"
    assert lab.control.done == [f"{wish} swp1"]
    assert said_of(request) == f"W&B says {lab.project.sweeps[0].state}."
    assert audit() == ["sweep.control.requested", "sweep.control.done"]


def test_a_sweep_is_steered_once_at_a_time_and_only_where_it_can_go(lab: Lab) -> None:
    with pytest.raises(Permanent, match="there is nothing to resume"):
        lab.steer("resume")
    with pytest.raises(Permanent, match="nothing that can be done"):
        lab.steer("delete")
    lab.steer("pause")
    with pytest.raises(AlreadyDone, match="already; wait for its end"):
        lab.steer("stop")
    assert SweepRequest.objects.count() == 1


def test_a_sweep_that_ended_meanwhile_is_refused_with_w_and_bs_word(lab: Lab) -> None:
    request = lab.steer("pause")
    lab.control.set_state("team/glue", "swp1", "stop")
    assert lab.drive(request) == "refused"
    assert said_of(request) == "W&B says FINISHED of the sweep: it cannot be paused from there."


def test_what_was_done_already_is_said_and_a_silent_w_and_b_is_waited_for(lab: Lab) -> None:
    request = lab.steer("pause")
    lab.control.failure = Transient("W&B does not answer.")
    assert lab.drive(request) == "sent"
    lab.control.failure = None
    assert lab.drive(request) == "sent"  # nobody knew whether it had been done: it is done now
    assert lab.drive(request) == "done"
    Sweep.objects.update(state="RUNNING")
    again = lab.steer("pause")
    assert lab.drive(again) == "done"
    assert said_of(again) == "W&B said PAUSED already; nothing was done."
    assert lab.control.done == ["pause swp1"]


def test_a_death_while_a_sweep_is_steered_ends_in_the_same_truth(tmp_path: Path) -> None:
    number, died = 0, True
    while died:
        number += 1
        with transaction.atomic():
            lab = Lab(tmp_path)
            request, killer = lab.steer("pause"), Killer(number)
            for _ in range(5):
                try:
                    with deadly_database(killer):
                        lab.drive(request)
                except Death:
                    lab.later(seconds=LEASE.total_seconds() + 1)
            died = killer.passed >= number
            request.refresh_from_db()
            assert (request.state, lab.control.done) == ("done", ["pause swp1"]), number
            transaction.set_rollback(True)
    assert number > 5


def test_a_run_that_only_a_comment_names_is_shown_unless_two_projects_know_one_of_that_id(lab: Lab) -> None:
    waiting = [lab.job_of(lab.submit(comment="sweepboard:run=bbb")) for _ in range(2)]
    run = RunFactory(run_id="bbb", sweep=lab.sweep, state="crashed")
    assert [line.run for line in lines_of(waiting, lab.now)] == [run, run]
    RunFactory(run_id="bbb", project="other", sweep=None)
    assert [line.run for line in lines_of(waiting, lab.now)] == [None, None]
