"""Pulling jobs and their attempts: apart by submit time, and gone only when both answers say so."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from apps.audit.models import SyncPass
from apps.audit.selectors import freshness
from apps.core.errors import Transient
from apps.slurm.adapters.memory import MemoryScheduler
from apps.slurm.models import Job
from apps.slurm.ports import JobAttempt, Submission
from apps.slurm.services import JobChanges, sync_jobs
from tests.factories.moments import NOW

pytestmark = pytest.mark.django_db


class WithoutAccounting(MemoryScheduler):
    """The queue answers, accounting does not."""

    def history(self, since: datetime, users: Sequence[str] = ()) -> list[JobAttempt]:
        raise Transient("slurmdbd is down.")


class NamedElsewhere(MemoryScheduler):
    """Its kind and its cluster's name differ, as a real Slurm's do."""

    kind = "slurm_cli"


@pytest.fixture
def scheduler() -> MemoryScheduler:
    return MemoryScheduler(now=NOW)


@pytest.fixture
def script(tmp_path: Path) -> Path:
    path = tmp_path / "train.sbatch"
    path.write_text("#!/bin/bash\n#SBATCH --job-name=train\ntrue\n")
    return path


def submit(scheduler: MemoryScheduler, script: Path, comment: str = "") -> str:
    return scheduler.submit(Submission(str(script), work_dir=str(script.parent), comment=comment))


def sync(scheduler: MemoryScheduler, **options: object) -> JobChanges:
    told = {"now": scheduler.now, "users": [], "history_days": 14, **options}
    return sync_jobs(scheduler=scheduler, **told)  # type: ignore[arg-type]


def states(job_id: str) -> list[str]:
    return list(Job.objects.filter(job_id=job_id).order_by("submit_at").values_list("state", flat=True))


def test_a_jobs_life_is_followed(scheduler: MemoryScheduler, script: Path) -> None:
    job_id = submit(scheduler, script, "sweepboard:run=8x2kq0")
    sync(scheduler)
    assert states(job_id) == ["PENDING"]
    scheduler.start(job_id)
    sync(scheduler)
    scheduler.now += timedelta(minutes=5)
    scheduler.finish(job_id, "FAILED", 3)
    assert len(sync(scheduler).jobs) == 1
    job = Job.objects.get()
    assert (job.state, job.exit_code, job.elapsed_seconds, job.run_hint) == ("FAILED", 3, 300, "8x2kq0")


def test_attempts_of_a_requeued_job_are_kept_apart(scheduler: MemoryScheduler, script: Path) -> None:
    job_id = submit(scheduler, script)
    scheduler.start(job_id)
    sync(scheduler)
    scheduler.now += timedelta(minutes=5)
    scheduler.preempt(job_id)
    sync(scheduler)
    assert states(job_id) == ["PREEMPTED", "PENDING"]
    assert Job.objects.order_by("submit_at")[1].requeue_count == 1


def test_a_pass_without_news_changes_nothing(scheduler: MemoryScheduler, script: Path) -> None:
    scheduler.start(submit(scheduler, script))
    sync(scheduler)
    assert sync(scheduler).jobs == set()


def test_a_job_that_neither_answer_knows_is_gone(scheduler: MemoryScheduler, script: Path) -> None:
    job_id = submit(scheduler, script)
    sync(scheduler)
    scheduler.attempts.clear()
    assert len(sync(scheduler).jobs) == 1
    assert states(job_id) == ["GONE"]
    assert sync(scheduler).jobs == set()


def test_without_accounting_the_queue_is_kept_and_nothing_is_concluded(script: Path) -> None:
    scheduler = MemoryScheduler(now=NOW)
    job_id = submit(scheduler, script)
    sync(scheduler)
    half = WithoutAccounting(now=NOW)
    other = [half.submit(Submission(str(script), work_dir="/")) for _ in range(2)][-1]
    half.attempts = half.attempts[1:]
    changes = sync(half)
    assert not changes.ok
    assert states(job_id) == ["PENDING"]
    assert states(other) == ["PENDING"]
    assert "The live queue was read, accounting was not: slurmdbd is down." in SyncPass.objects.all()[0].error


def test_a_silent_slurm_is_noted_and_nothing_is_concluded(scheduler: MemoryScheduler, script: Path) -> None:
    job_id = submit(scheduler, script)
    sync(scheduler)
    scheduler.down = True
    assert not sync(scheduler).ok
    assert states(job_id) == ["PENDING"]
    assert [(one.scope, one.ok) for one in freshness()] == [("memory", False)]


def test_a_slurm_that_was_silent_before_it_ever_told_its_name_is_forgotten_once_it_does() -> None:
    scheduler = NamedElsewhere(now=NOW)
    scheduler.down = True
    sync(scheduler)
    assert [one.ok for one in freshness()] == [False]
    scheduler.down = False
    sync(scheduler)
    assert [(one.scope, one.ok) for one in freshness()] == [("memory", True)]


def test_what_the_queue_said_stays_when_accounting_says_less(scheduler: MemoryScheduler, script: Path) -> None:
    from dataclasses import replace

    job_id = submit(scheduler, script, "sweepboard:run=8x2kq0")
    scheduler.start(job_id)
    sync(scheduler)
    scheduler.finish(job_id)
    scheduler.attempts = [
        replace(one, comment="", stdout_path="", stderr_path="", command="", work_dir="", nodes="", raw_id=None)
        for one in scheduler.attempts
    ]
    sync(scheduler)
    job = Job.objects.get()
    assert job.state == "COMPLETED"
    assert (job.comment, job.run_hint, job.nodes) == ("sweepboard:run=8x2kq0", "8x2kq0", "n1")
    assert job.stdout_path
    assert job.raw_id


def test_accounting_is_read_from_the_last_good_pass_less_an_overlap(scheduler: MemoryScheduler, script: Path) -> None:
    asked: list[datetime] = []
    answer = scheduler.history

    def history(since: datetime, users: Sequence[str] = ()) -> list[JobAttempt]:
        asked.append(since)
        return answer(since, users)

    scheduler.history = history  # type: ignore[method-assign]  # the adapter answers; we only listen
    sync(scheduler)
    scheduler.now += timedelta(minutes=10)
    sync(scheduler)
    sync(scheduler, full=True)
    assert asked == [NOW - timedelta(days=14), NOW - timedelta(minutes=2), scheduler.now - timedelta(days=14)]


def test_only_the_named_users_jobs_are_read(scheduler: MemoryScheduler, script: Path) -> None:
    submit(scheduler, script)
    sync(scheduler, users=["somebody-else"])
    assert Job.objects.count() == 0
