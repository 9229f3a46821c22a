"""What a sweep's page, its charts and its CSV cost as it has more runs, the first page of its table on the screen."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import connection
from django.test.utils import CaptureQueriesContext

SORTED = "?sort=-config.model.depth&range=config.lr~0.001~0.5&c=config.lr"
CHARTS = ("curves", "best", "cost", "spread", "timeline", "parallel")


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    from django.contrib.auth.models import User
    from django.test import Client

    small, large = (20, 200) if smoke else (200, 10_000)
    client = Client(headers={"host": "localhost"})
    client.force_login(User.objects.create_superuser("bench-reader"), "django.contrib.auth.backends.ModelBackend")
    sweep = made_sweep("paged")
    fill(sweep, 0, small)
    few = _page(client, f"/sweeps/{sweep.pk}")
    fill(sweep, small, large)
    many, narrowed = _page(client, f"/sweeps/{sweep.pk}"), _page(client, f"/sweeps/{sweep.pk}{SORTED}")
    yield f"queries of the page with {small} and with {large} runs", f"{few[0]}, {many[0]}"
    yield f"the page with {large} runs, as a multiple of {small}", f"{many[1] / few[1]:.1f} ({many[1]:.2f} s)"
    yield "sorted by a key of the configs and narrowed by a range", f"{narrowed[1] / many[1]:.1f} ({narrowed[1]:.2f} s)"
    for name in CHARTS:
        queries, seconds = _page(client, f"/sweeps/{sweep.pk}/charts/{name}.json")
        yield f"chart '{name}' in seconds, queries", f"{seconds:.2f}, {queries}"
    queries, seconds = _page(client, f"/sweeps/{sweep.pk}/runs.csv")
    yield "all runs as CSV in seconds, queries", f"{seconds:.2f}, {queries}"


def made_sweep(name: str) -> Any:
    from apps.sweeps.models import Sweep

    return Sweep.objects.create(
        entity="e", project="p", sweep_id=name, name=name, state="RUNNING", metric_name="loss",
        metric_goal="minimize", config={"parameters": {"lr": {"min": 0, "max": 1}, "model.depth": {"values": [1, 2]}}},
    )  # fmt: skip


def _page(client: Any, path: str) -> tuple[int, float]:
    """Return the queries of a page and its seconds to the last byte; the better of two, as the first one warms up."""
    found = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as queries:
            began = time.perf_counter()
            answer = client.get(path)
            size = len(b"".join(answer.streaming_content)) if answer.streaming else len(answer.content)
            found.append((len(queries), time.perf_counter() - began))
        if answer.status_code != 200 or not size:
            raise SystemExit(f"{path} was answered with {answer.status_code}")
    return min(found, key=lambda one: one[1])


def fill(sweep: Any, start: int, stop: int) -> None:
    from apps.flags.models import RunStatus
    from apps.links.models import RunLink
    from apps.slurm.models import Job
    from apps.sweeps.models import Run, RunHistory

    now, minute = datetime.now(tz=UTC), timedelta(minutes=1)
    runs = Run.objects.bulk_create(
        Run(
            entity="e", project="p", run_id=f"{sweep.sweep_id}{n}", name=f"calm-{n}", sweep=sweep, state="finished",
            created_at=now - n * minute, heartbeat_at=now - n * minute + 30 * minute, metric_value=1 / (n % 97 + 1),
            config={"lr": n % 100 / 100, "model": {"depth": n % 24}, "seed": n}, summary={"loss": n % 7, "epoch": 9},
        )
        for n in range(start, stop)
    )  # fmt: skip
    jobs = Job.objects.bulk_create(
        Job(
            cluster="c", job_id=f"{sweep.pk}8{n}", raw_id=80_000 * (sweep.pk + 1) + n,
            state="COMPLETED", gpus=1, submit_at=now - n * minute,
            start_at=now - n * minute, end_at=now - n * minute + 30 * minute,
        )
        for n in range(start, stop)
    )  # fmt: skip
    pairs = zip(runs, jobs, strict=True)
    RunLink.objects.bulk_create(RunLink(run=run, job=job, how="log", evidence="x") for run, job in pairs)
    RunStatus.objects.bulk_create(
        RunStatus(run=run, verdict="done", epoch=9, runtime_seconds=1800, gpu_seconds=1800) for run in runs
    )
    points = [[step, 1 / (step + 1)] for step in range(0, 2000, 20)]
    RunHistory.objects.bulk_create(RunHistory(run=run, metric=points, beat_at=now) for run in runs)
