"""What the weekly review costs in queries and time as a week has more runs."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    few, many = (20, 200) if smoke else (200, 10_000)
    _fill(0, few)
    few_queries, _, few_seconds = _review()
    _fill(few, many)
    many_queries, queries_seconds, many_seconds = _review()
    yield f"queries with {few} runs in the week", str(few_queries)
    yield f"queries with {many} runs in the week", str(many_queries)
    yield f"seconds with {many} runs, of them in the database", f"{many_seconds:.2f}, {queries_seconds:.2f}"
    yield f"time per run with {many} runs, as a multiple of {few}", f"{(many_seconds / many) / (few_seconds / few):.2f}"


def _review() -> tuple[int, float, float]:
    from apps.review.domain.weeks import week_at
    from apps.review.reading.meeting import review_of

    now = datetime.now(tz=UTC)
    week = week_at(now).previous
    with CaptureQueriesContext(connection) as queries:
        review_of(week, workspace="", now=now)
    began = time.perf_counter()
    review_of(week, workspace="", now=now)
    return len(queries), sum(float(one["time"]) for one in queries.captured_queries), time.perf_counter() - began


def _fill(start: int, stop: int) -> None:
    from apps.flags.models import Flag, RunStatus
    from apps.links.models import RunLink
    from apps.review.domain.weeks import week_at
    from apps.slurm.models import Job
    from apps.sweeps.models import Run, Sweep

    begin = week_at(datetime.now(tz=UTC)).previous.start
    hour = timedelta(hours=1)
    sweep, _ = Sweep.objects.get_or_create(
        entity="e", project="p", sweep_id="s", defaults={"name": "s", "state": "RUNNING", "metric_name": "loss"}
    )
    numbers = range(start, stop)
    runs = Run.objects.bulk_create(
        Run(
            entity="e", project="p", run_id=f"r{n}", sweep=sweep, state="crashed" if n % 7 == 0 else "finished",
            metric_value=n, created_at=begin + hour, heartbeat_at=begin + 3 * hour,
        )
        for n in numbers
    )  # fmt: skip
    jobs = Job.objects.bulk_create(
        Job(
            cluster="c", job_id=str(n), raw_id=n, submit_at=begin, start_at=begin + hour, end_at=begin + 3 * hour,
            state="COMPLETED", gpus=1, user=f"user{n % 9}",
        )
        for n in numbers
    )  # fmt: skip
    pairs = list(zip(runs, jobs, strict=True))
    RunLink.objects.bulk_create(RunLink(run=run, job=job, how="log", evidence="x") for run, job in pairs)
    RunStatus.objects.bulk_create(RunStatus(run=run, verdict="done", runtime_seconds=7200) for run in runs)
    Flag.objects.bulk_create(
        Flag(rule="zombie", severity="critical", run=run, sweep=sweep, evidence="x", action="y", opened_at=begin + hour)
        for run in runs[::20]
    )
