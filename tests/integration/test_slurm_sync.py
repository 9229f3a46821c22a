"""Pulling jobs and their attempts: apart by submit time, and gone only when both answers say so."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import SyncPass
from apps.audit.selectors import freshness
from apps.core.errors import Transient
from apps.slurm import services
from apps.slurm.adapters.memory import MemoryScheduler
from apps.slurm.models import Job
from apps.slurm.ports import JobAttempt, Submission
from apps.slurm.services import JobChanges, sync_jobs
from tests.factories.moments import NOW
from tests.factories.rows import SyncPassFactory

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


# nothing happened, nothing is written


def writes(queries: CaptureQueriesContext) -> list[str]:
    statements = (query["sql"].split() for query in queries)
    return [" ".join(words[:3]) for words in statements if words[0] not in {"SELECT", "SAVEPOINT", "RELEASE", "BEGIN"}]


def test_a_pass_that_finds_nothing_changed_writes_its_own_row_and_no_other(
    scheduler: MemoryScheduler, script: Path
) -> None:
    running, ended, waiting = (submit(scheduler, script) for _ in range(3))
    scheduler.start(running)
    scheduler.start(ended)
    scheduler.now += timedelta(minutes=1)
    scheduler.finish(ended)
    sync(scheduler)
    scheduler.attempts = [
        replace(one, elapsed_seconds=one.elapsed_seconds + 20 * (not one.ended)) for one in scheduler.attempts
    ]
    scheduler.now += timedelta(seconds=20)
    with CaptureQueriesContext(connection) as queries:
        assert sync(scheduler).jobs == set()
    assert writes(queries) == ["INSERT INTO " + connection.ops.quote_name(SyncPass._meta.db_table)]
    assert states(waiting) == ["PENDING"]


def test_how_long_a_job_has_run_is_known_without_storing_it(scheduler: MemoryScheduler, script: Path) -> None:
    job_id = submit(scheduler, script)
    scheduler.start(job_id)
    scheduler.attempts = [replace(one, elapsed_seconds=600) for one in scheduler.attempts]
    sync(scheduler)
    job = Job.objects.get()
    assert (job.elapsed_seconds, job.elapsed(NOW + timedelta(minutes=10))) == (0, 600)
    scheduler.now += timedelta(minutes=15)
    scheduler.finish(job_id)
    sync(scheduler)
    job.refresh_from_db()
    assert (job.elapsed_seconds, job.elapsed(scheduler.now + timedelta(days=1))) == (900, 900)


# jobs that accounting hears of late


def test_an_end_that_accounting_hears_of_long_afterwards_is_learnt_all_the_same(
    scheduler: MemoryScheduler, script: Path
) -> None:
    job_id = submit(scheduler, script)
    scheduler.start(job_id)
    sync(scheduler)
    scheduler.unheard.add(job_id)
    scheduler.finish(job_id, "TIMEOUT")
    scheduler.now += timedelta(minutes=1)
    sync(scheduler)
    assert states(job_id) == ["GONE"]
    assert Job.objects.get().gone_at == scheduler.now
    for _ in range(3):
        scheduler.now += timedelta(minutes=10)
        assert sync(scheduler).jobs == set()
    scheduler.unheard.clear()
    assert len(sync(scheduler).jobs) == 1
    assert states(job_id) == ["TIMEOUT"]
    assert Job.objects.get().gone_at is None
    assert sync(scheduler).jobs == set()


def test_a_live_job_that_no_window_of_time_holds_is_asked_for_before_it_is_called_gone(
    scheduler: MemoryScheduler, script: Path
) -> None:
    job_id = submit(scheduler, script)
    scheduler.start(job_id)
    sync(scheduler)
    scheduler.now += timedelta(minutes=1)
    scheduler.finish(job_id, "FAILED", 3)
    # Accounting hears of the end when the overlap is over: the next window begins behind it.
    SyncPassFactory(source="slurm", scope="memory", cursor={"until": (NOW + timedelta(hours=1)).isoformat()})
    scheduler.now += timedelta(hours=1)
    sync(scheduler)
    assert states(job_id) == ["FAILED"]


def test_a_job_that_stays_unheard_of_for_a_day_is_asked_for_no_more(scheduler: MemoryScheduler, script: Path) -> None:
    job_id = submit(scheduler, script)
    sync(scheduler)
    scheduler.attempts.clear()
    asked: list[list[str]] = []
    answer = scheduler.attempts_of

    def attempts_of(job_ids: Sequence[str], since: datetime) -> list[JobAttempt]:
        asked.append(list(job_ids))
        return answer(job_ids, since)

    scheduler.attempts_of = attempts_of  # type: ignore[method-assign]  # the adapter answers; we only listen
    sync(scheduler)
    scheduler.now += timedelta(hours=23)
    sync(scheduler)
    scheduler.now += timedelta(hours=2)
    sync(scheduler)
    assert asked == [[job_id], [job_id]]


def test_no_pass_concludes_more_than_it_asked_for(
    scheduler: MemoryScheduler, script: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "MOST_MISSING", 2)
    job_ids = [submit(scheduler, script) for _ in range(3)]
    sync(scheduler)
    scheduler.attempts.clear()
    assert len(sync(scheduler).jobs) == 2
    assert [states(job_id) for job_id in job_ids] == [["GONE"], ["GONE"], ["PENDING"]]
    assert len(sync(scheduler).jobs) == 1


def test_without_an_answer_about_single_jobs_nothing_is_concluded(scheduler: MemoryScheduler, script: Path) -> None:
    job_id = submit(scheduler, script)
    sync(scheduler)
    scheduler.attempts.clear()

    def attempts_of(job_ids: Sequence[str], since: datetime) -> list[JobAttempt]:
        raise Transient("slurmdbd has just gone.")

    scheduler.attempts_of = attempts_of  # type: ignore[method-assign]
    assert not sync(scheduler).ok
    assert states(job_id) == ["PENDING"]
    assert "accounting was not: slurmdbd has just gone." in SyncPass.objects.all()[0].error


def test_what_was_learnt_of_memory_and_requeues_is_not_forgotten(scheduler: MemoryScheduler, script: Path) -> None:
    job_id = submit(scheduler, script)
    scheduler.start(job_id)
    scheduler.preempt(job_id)
    scheduler.start(job_id)
    sync(scheduler)
    scheduler.finish(job_id, max_rss_bytes=5 << 30)
    sync(scheduler)
    scheduler.attempts = [replace(one, requeue_count=0, max_rss_bytes=None) for one in scheduler.attempts]
    assert sync(scheduler).jobs == set()
    last = Job.objects.order_by("submit_at").last()
    assert last is not None
    assert (last.requeue_count, last.max_rss_bytes) == (1, 5 << 30)


# several clusters


def test_each_cluster_is_passed_over_by_itself(script: Path) -> None:
    north, south = (MemoryScheduler(now=NOW, name=name) for name in ("north", "south"))
    jobs = {one.cluster(): submit(one, script) for one in (north, south)}
    for one in (north, south):
        sync(one, scope=one.cluster())
    assert jobs == {"north": "1", "south": "1"}
    south.down = True
    north.attempts.clear()
    assert sync(north, scope="north").ok
    assert not sync(south, scope="south").ok
    assert {(job.cluster, job.state) for job in Job.objects.all()} == {("north", "GONE"), ("south", "PENDING")}
    assert {one.scope: one.ok for one in freshness()} == {"north": True, "south": False}
