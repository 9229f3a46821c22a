"""Closing a zombie in W&B: a wish is driven to one truthful end, on fresh evidence, whoever dies on the way."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.audit.models import AuditEvent
from apps.closing.confirming import STILL_LIVE, confirm_closings
from apps.closing.models import CloseRequest
from apps.closing.selectors import can_close, check_can_close, evidence_of
from apps.closing.services import LEASE, PATIENCE, WINDOW, unfinished_closings
from apps.core.errors import AlreadyDone, Permanent, SweepboardError, Transient
from apps.flags.models import RunStatus
from apps.slurm.adapters.memory import MemoryScheduler
from apps.slurm.models import Job
from apps.sweeps.adapters.memory_closer import MemoryCloser
from apps.sweeps.models import Run
from apps.sweeps.ports import Closed
from tests.factories.closing import Lab
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    AgentLinkFactory,
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    SyncPassFactory,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _no_configuration(settings: Any) -> None:
    settings.CONFIG_FILE = ""


@pytest.fixture
def lab(db: None, tmp_path: Path) -> Lab:
    return Lab(tmp_path)


def audit() -> list[str]:
    return list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))


def test_a_wish_is_a_row_with_its_evidence_and_an_audit_event(lab: Lab) -> None:
    request = lab.ask()
    assert (request.state, request.asked_by, unfinished_closings(NOW)) == ("queued", "mia", [request.pk])
    event = AuditEvent.objects.get()
    assert (event.type, event.actor, event.subject) == ("run.close.requested", "mia", "run aaa")
    assert event.detail["sweep"] == "swp1"
    assert event.detail["shows"] == "failed"
    assert "Slurm says FAILED of job 4711." in event.detail["evidence"]
    assert request.evidence == event.detail["evidence"]


def test_from_the_press_to_the_pass_that_confirms_it(lab: Lab) -> None:
    request = lab.ask()
    assert lab.drive(request) == "closed"
    assert confirm_closings(now=lab.now) == {}  # no pass since
    lab.later(seconds=30)
    lab.sync()
    assert confirm_closings(now=lab.now) == {request.pk: "verified"}
    request.refresh_from_db()
    assert (request.shows, request.said) == (
        "failed",
        f"W&B shows failed: the pass of {lab.now:%H:%M:%S} UTC confirms it.",
    )
    assert audit() == ["run.close.requested", "run.close.done", "run.close.verified"]
    assert lab.closer.closed == ["aaa"]


def test_a_second_press_changes_nothing_and_says_so(lab: Lab) -> None:
    request = lab.ask()
    for drive in (False, True):
        if drive:
            lab.drive(request)
        with pytest.raises(AlreadyDone, match="under way already"):
            lab.ask()
    assert CloseRequest.objects.count() == 1
    assert audit() == ["run.close.requested", "run.close.done"]


def test_a_message_that_comes_twice_closes_once(lab: Lab) -> None:
    request = lab.ask()
    assert [lab.drive(request), lab.drive(request)] == ["closed", "closed"]
    assert lab.closer.closed == ["aaa"]


def test_a_run_that_ended_meanwhile_is_left_as_it_is(lab: Lab) -> None:
    request = lab.ask()
    lab.wandb(state="finished")
    assert lab.drive(request) == "verified"
    request.refresh_from_db()
    assert request.said == "It ended by itself as finished; nothing was done."
    assert (request.shows, request.acted_at, lab.closer.closed) == ("finished", None, [])


def test_a_job_that_lives_again_refuses_it(lab: Lab) -> None:
    request = lab.ask()
    job_id = lab.submit("sweepboard:run=aaa")
    lab.scheduler.start(job_id)
    assert lab.drive(request) == "refused"
    request.refresh_from_db()
    assert request.said == f"Job {job_id} is RUNNING: the run is not a zombie."
    assert lab.closer.closed == []
    assert audit() == ["run.close.requested", "run.close.refused"]
    assert AuditEvent.objects.first().detail["reason"] == request.said  # type: ignore[union-attr]  # there are two


def test_a_requeued_job_and_a_job_that_w_and_b_was_told_of_count_as_the_runs(lab: Lab) -> None:
    job_id = lab.submit()
    Run.objects.update(slurm_jobs=[{"raw_id": int(job_id)}], slurm_raw_id=int(job_id))
    assert lab.drive(lab.ask()) == "refused"
    lab.scheduler.cancel(job_id)
    Run.objects.update(slurm_jobs=[], slurm_raw_id=None)
    again = lab.submit()
    Job.objects.update(job_id=again)
    assert lab.drive(lab.ask()) == "refused"
    assert lab.closer.closed == []


def test_a_heartbeat_that_came_since_the_press_refuses_it(lab: Lab) -> None:
    request = lab.ask()
    lab.wandb(heartbeat_at=before(seconds=3))
    assert lab.drive(request) == "refused"
    request.refresh_from_db()
    assert "something still logs" in request.said


def test_a_run_that_is_gone_from_w_and_b_is_refused(lab: Lab) -> None:
    request = lab.ask()
    lab.project.runs.clear()
    assert lab.drive(request) == "refused"
    request.refresh_from_db()
    assert request.said == "W&B no longer knows run aaa of team/glue."


def test_a_silent_source_is_waited_for_and_then_given_up(lab: Lab) -> None:
    request = lab.ask()
    lab.failure = Transient("W&B does not answer.")
    assert lab.drive(request) == "queued"
    request.refresh_from_db()
    assert (request.said, unfinished_closings(lab.now)) == ("W&B does not answer.", [request.pk])
    lab.later(seconds=PATIENCE.total_seconds())
    assert lab.drive(request) == "failed"
    request.refresh_from_db()
    assert request.error_id
    assert AuditEvent.objects.get(type="run.close.failed").detail["error_id"] == request.error_id
    assert lab.closer.closed == []


def test_a_slurm_that_does_not_answer_closes_nothing(lab: Lab) -> None:
    class Silent(MemoryScheduler):
        def queue(self, users: Any = ()) -> Any:
            raise Transient("slurmctld does not answer.")

    request = lab.ask()
    lab.scheduler = Silent(now=NOW)
    assert lab.drive(request) == "queued"
    assert lab.closer.closed == []
    lab.scheduler = MemoryScheduler(now=NOW)
    assert lab.drive(request) == "closed"


def test_accounting_that_contradicts_the_queue_closes_nothing(lab: Lab) -> None:
    class Torn(MemoryScheduler):
        def queue(self, users: Any = ()) -> Any:
            return []

    lab.scheduler = Torn(now=NOW)
    job_id = lab.submit()
    lab.scheduler.start(job_id)
    Job.objects.update(job_id=job_id)
    request = lab.ask()
    assert lab.drive(request) == "queued"
    request.refresh_from_db()
    assert (
        request.said == f"Unknown whether job {job_id} is alive: it is not in the queue, and accounting says RUNNING."
    )


def test_what_w_and_b_refuses_fails_with_its_sentence_and_may_be_asked_again(lab: Lab) -> None:
    lab.closer.failure = Permanent("W&B refuses the key.")
    assert lab.drive(lab.ask()) == "failed"
    lab.closer.failure = None
    assert lab.drive(lab.ask()) == "closed"


def test_a_defect_of_ours_fails_with_a_reference(lab: Lab) -> None:
    class Broken(MemoryCloser):
        def close(self, project_path: str, run_id: str) -> Closed:
            raise ZeroDivisionError

    request = lab.ask()
    assert lab.drive(request, Broken({})) == "failed"
    request.refresh_from_db()
    assert "ZeroDivisionError" in request.said
    assert request.error_id


class Death(BaseException):
    """A worker that is killed: nothing of it runs on."""


@pytest.mark.parametrize("acts", [False, True])
def test_a_worker_that_dies_with_the_client_is_taken_over_when_its_lease_ends(lab: Lab, acts: bool) -> None:
    class Dying(MemoryCloser):
        def close(self, project_path: str, run_id: str) -> Closed:
            if acts:
                super().close(project_path, run_id)
            raise Death

    request = lab.ask()
    with pytest.raises(Death):
        lab.drive(request, Dying({"team/glue": lab.project}, clock=lambda: lab.now))
    assert lab.drive(request) == "running"
    assert unfinished_closings(lab.now) == []
    lab.later(seconds=LEASE.total_seconds() + 1)
    assert unfinished_closings(lab.now) == [request.pk]
    assert lab.drive(request) == "closed"
    assert lab.closer.closed == ([] if acts else ["aaa"])
    lab.later(seconds=30)
    lab.sync()
    assert confirm_closings(now=lab.now) == {request.pk: "verified"}


def test_the_heartbeat_of_a_client_that_died_while_it_was_attached_does_not_refuse_the_next_try(lab: Lab) -> None:
    class Dying(MemoryCloser):
        def close(self, project_path: str, run_id: str) -> Closed:
            lab.wandb(heartbeat_at=lab.now + WINDOW / 2)
            raise Death

    request = lab.ask()
    with pytest.raises(Death):
        lab.drive(request, Dying({}))
    lab.later(seconds=LEASE.total_seconds() + 1)
    assert lab.drive(request) == "closed"


def test_two_workers_at_once_are_one(lab: Lab) -> None:
    request = lab.ask()

    class Slow(MemoryCloser):
        def close(self, project_path: str, run_id: str) -> Closed:
            assert lab.drive(request) == "running"
            return super().close(project_path, run_id)

    assert lab.drive(request, Slow({"team/glue": lab.project})) == "closed"
    request.refresh_from_db()
    assert request.attempts == 1


def test_a_worker_that_was_overtaken_writes_nothing(lab: Lab) -> None:
    request = lab.ask()

    class Overtaken(MemoryCloser):
        def close(self, project_path: str, run_id: str) -> Closed:
            lab.later(seconds=LEASE.total_seconds() + 1)
            assert lab.drive(request) == "closed"
            raise Permanent("W&B says no to the slow one.")

    lab.drive(request, Overtaken({}))
    request.refresh_from_db()
    assert (request.state, request.attempts) == ("closed", 2)
    assert audit() == ["run.close.requested", "run.close.done"]


def test_a_run_that_w_and_b_still_calls_running_was_not_closed(lab: Lab) -> None:
    request = lab.ask()
    lab.drive(request)
    lab.wandb(state="running", heartbeat_at=lab.now)
    lab.later(minutes=1)
    lab.sync()
    assert confirm_closings(now=lab.now) == {}
    lab.later(seconds=STILL_LIVE.total_seconds())
    lab.sync()
    assert confirm_closings(now=lab.now) == {request.pk: "failed"}
    request.refresh_from_db()
    assert request.said.startswith("W&B says running more than 10 minutes after the closing")
    assert audit()[-1] == "run.close.failed"


def test_a_pass_that_failed_confirms_nothing(lab: Lab) -> None:
    lab.drive(lab.ask())
    Run.objects.update(state="failed")
    lab.later(minutes=1)
    SyncPassFactory(started_at=lab.now, finished_at=lab.now, error="W&B fails with HTTP 500.")
    assert confirm_closings(now=lab.now) == {}
    lab.later(days=1)
    assert list(confirm_closings(now=lab.now).values()) == ["failed"]
    assert "no pass over team/glue came since" in CloseRequest.objects.get().said


def test_the_closing_is_no_sign_of_life_of_the_run(lab: Lab) -> None:
    lab.drive(lab.ask())
    lab.later(minutes=1)
    lab.sync()
    run = Run.objects.get(pk=lab.run.pk)
    assert (run.state, run.heartbeat_at, run.ended_at) == ("failed", NOW, before(hours=1))
    lab.later(minutes=20)
    lab.wandb(state="running", heartbeat_at=lab.now)  # a job resumed it
    lab.sync()
    lab.wandb(state="finished", heartbeat_at=lab.now)
    lab.sync()
    run.refresh_from_db()
    assert run.ended_at == lab.now


def test_a_run_outside_a_sweep_keeps_its_heartbeat(tmp_path: Path) -> None:
    lab = Lab(tmp_path, in_sweep=False)
    lab.drive(lab.ask())
    lab.later(minutes=1)
    lab.sync()
    assert Run.objects.get().ended_at == before(hours=1)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda lab: Run.objects.update(offline=True), "only in its folder"),
        (lambda lab: Run.objects.update(state="crashed"), "W&B says crashed"),
        (lambda lab: Run.objects.update(heartbeat_at=before(minutes=2)), "2 min ago"),
        (lambda lab: Job.objects.update(state="RUNNING"), "Job 4711 is"),
        (lambda lab: RunStatus.objects.update(slurm_state="UNKNOWN"), "Unknown whether a job is alive"),
        (lambda lab: RunStatus.objects.update(slurm_state="PREEMPTED"), "wait for W&B's time-out"),
        (lambda lab: RunStatus.objects.all().delete(), "was not compared"),
        (lambda lab: lab.later(minutes=8), "Slurm was not read well since 2026-11-23 12:00 UTC"),
        (
            lambda lab: SyncPassFactory(source="slurm", scope="memory", error="slurmctld is down.", finished_at=NOW),
            "slurmctld is down",
        ),
    ],
)
def test_a_press_is_refused_with_a_sentence_and_noted(lab: Lab, change: Any, sentence: str) -> None:
    change(lab)
    run = Run.objects.get()
    assert not can_close(run, lab.now)
    with pytest.raises(SweepboardError, match=sentence):
        lab.ask()
    assert (CloseRequest.objects.count(), audit()) == (0, ["run.close.refused"])


def test_an_agents_job_of_which_nobody_knows_the_run_refuses_it(lab: Lab) -> None:
    RunStatus.objects.update(job=None, slurm_state="NO JOB")
    check_can_close(Run.objects.get(), NOW)
    agent = JobFactory(state="RUNNING", job_id="77")
    AgentLinkFactory(sweep=lab.run.sweep, job=agent)
    with pytest.raises(Transient, match="Job 77 works for the run's sweep"):
        check_can_close(Run.objects.get(), NOW)
    RunLinkFactory(run=RunFactory(run_id="other", sweep=lab.run.sweep), job=agent)
    check_can_close(Run.objects.get(run_id="aaa"), NOW)


def test_the_evidence_says_how_the_job_is_known(lab: Lab) -> None:
    RunStatus.objects.update(job_how="log", job_evidence="a log of job 4711 names run aaa")
    assert evidence_of(Run.objects.get(), NOW) == [
        "W&B says running, last heartbeat 1 h ago.",
        "Slurm says FAILED of job 4711.",
        "Job 4711 ended 58 min ago and is known to carry the run because a log of job 4711 names run aaa.",
        "Slurm was last read well just now.",
    ]


@pytest.mark.django_db(transaction=True)
def test_ten_presses_at_once_are_one_wish(lab: Lab) -> None:
    FlagFactory(run=lab.run)
    outcomes: list[str] = []
    start = threading.Barrier(10)

    def press() -> None:
        start.wait()
        try:
            lab.ask()
            outcomes.append("asked")
        except AlreadyDone:
            outcomes.append("already")
        finally:
            connection.close()

    people = [threading.Thread(target=press) for _ in range(10)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(outcomes) == ["already"] * 9 + ["asked"]
    assert CloseRequest.objects.count() == 1


def test_a_request_whose_run_is_forgotten_is_gone(lab: Lab) -> None:
    request = lab.ask()
    Run.objects.all().delete()
    assert lab.drive(request) == "gone"
