"""A sweep with everything that its page and those of its runs show: parameters, curves, attempts, logs, flags."""

import math
import random
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.checkpoints.models import RunConfig, Verification
from apps.core.clock import utcnow
from apps.flags.models import RunStatus
from apps.joblogs.models import LogFile, LogTrace
from apps.links.models import RunLink
from apps.slurm.models import Job
from apps.sweeps.models import Run, RunHistory, RunStateChange, Sweep
from tests.factories.rows import (
    AgentLinkFactory,
    CheckpointFactory,
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepAgentFactory,
    SweepFactory,
    both_sources_answered,
)

SPACE = {
    "lr": {"min": 1e-5, "max": 1e-1, "distribution": "log_uniform_values"},
    "batch_size": {"values": [16, 32, 64]},
    "optimizer": {"values": ["adam", "sgd"]},
    "epochs": {"value": 10},
}


def charted_sweep(runs: int = 30, **values: Any) -> Sweep:
    """A sweep whose runs have parameters, a metric that ``lr`` decides, curves, jobs and what they took."""
    now, chance = utcnow(), random.Random(3)
    given = {
        "metric_name": "val/loss",
        "purpose": "Whether a warm-up helps.",
        "config": {"parameters": SPACE},
        **values,
    }
    sweep = SweepFactory(created_at=now - timedelta(days=3), expected_runs=runs + 5, **given)
    for place in range(runs):
        _run(sweep, place, runs, chance)
    SweepAgentFactory(sweep=sweep, heartbeat_at=now)
    return sweep


def _run(sweep: Sweep, place: int, total: int, chance: random.Random) -> Run:
    now = utcnow()
    rate = 10 ** chance.uniform(-5, -1)
    metric = abs(-2.5 - math.log10(rate)) * 0.2 + chance.uniform(0.1, 0.25)
    began = now - timedelta(hours=(total - place) * 2 + 6)
    hours = chance.uniform(0.5, 5)
    run = RunFactory(
        sweep=sweep,
        state="finished" if place % 5 else "running",
        created_at=began,
        metric_value=metric,
        heartbeat_at=began + timedelta(hours=hours) if place % 5 else now,
        config={
            "lr": rate,
            "batch_size": chance.choice([16, 32, 64]),
            "optimizer": chance.choice(["adam", "sgd"]),
            "epochs": 10,
            "seed": 7,
            "model": {"depth": 12},
        },
        summary={"val/loss": metric, "epoch": 8, "global_step": 4000},
    )
    ended = bool(place % 5)
    job = JobFactory(
        state="COMPLETED" if ended else "RUNNING",
        submit_at=began - timedelta(minutes=20),
        start_at=began - timedelta(minutes=1),
        end_at=began + timedelta(hours=hours) if ended else None,
        gpus=2,
    )
    if place % 7 == 0:
        earlier = began - timedelta(hours=3)
        lost = JobFactory(
            job_id=job.job_id,
            state="PREEMPTED",
            submit_at=earlier,
            start_at=earlier,
            gpus=2,
            end_at=began - timedelta(hours=1),
        )
        RunLinkFactory(run=run, job=lost)
    RunLinkFactory(run=run, job=job)
    AgentLinkFactory(sweep=sweep, job=job)
    RunStatusFactory(
        run=run,
        job=job,
        epoch=8,
        step=4000,
        target_epochs=10,
        percent=80,
        progress_source="log",
        runtime_seconds=hours * 3600,
        gpu_seconds=hours * 7200,
        verdict="healthy" if not ended else "done",
        verdict_reason="Both sides tell one story.",
        agreement="agree",
        agree=True,
        chain=["W&B says so.", "Slurm too."],
    )
    points = [[step, metric + 1.5 / (1 + step / 400) + chance.uniform(-0.02, 0.02)] for step in range(0, 4001, 200)]
    RunHistory.objects.create(run=run, metric=points, loss=points, beat_at=run.heartbeat_at)
    return run


def whole_run(folder: Path, sweep: Sweep | None = None) -> Run:
    """A run that crashed, with all that its page can show; its log lies in ``folder``."""
    now = utcnow()
    sweep = sweep or charted_sweep(3)
    run = RunFactory(
        sweep=sweep,
        name="ash-and-embers",
        state="crashed",
        created_at=now - timedelta(hours=9),
        heartbeat_at=now - timedelta(hours=1),
        metric_value=0.4,
        config={"lr": 0.001, "per_device_train_batch_size": 8, "gradient_accumulation_steps": 4, "bf16": True},
        summary={"val/loss": 0.4, "epoch": 5, "global_step": 2500},
    )
    for state, hours in [("running", 8.9), ("crashed", 5.9), ("running", 3.9), ("crashed", 0.9)]:
        RunStateChange.objects.create(run=run, state=state, seen_at=now - timedelta(hours=hours))
    first = JobFactory(
        state="PREEMPTED",
        submit_at=now - timedelta(hours=10),
        start_at=now - timedelta(hours=9),
        end_at=now - timedelta(hours=6),
        gpus=2,
        nodes="g03",
    )
    job = JobFactory(
        state="FAILED",
        submit_at=now - timedelta(hours=5),
        start_at=now - timedelta(hours=4),
        gpus=2,
        end_at=now - timedelta(hours=1),
        exit_code=1,
        nodes="g07",
        max_rss_bytes=12 << 30,
    )
    for one in (first, job):
        RunLinkFactory(run=run, job=one)
    RunStatusFactory(
        run=run,
        job=job,
        verdict="change-then-resume",
        verdict_reason="It ran out of GPU memory.",
        agreement="agree",
        verdict_change="a step of the OOM ladder",
        chain=["train.err line 3 says CUDA out of memory.", "A sound checkpoint is there."],
        crash_class="cuda-oom",
        resumable="after a change",
        epoch=5,
        step=2500,
        target_epochs=10,
        percent=50,
    )
    FlagFactory(
        run=run, rule="config-drift", severity="warning", evidence="lr: 0.01 on disk, 0.001 on W&B", action="look"
    )
    checkpoint = CheckpointFactory(run=run, step=2400, modified_at=now - timedelta(hours=2))
    Verification.objects.create(
        run=run,
        path=checkpoint.path,
        bytes=checkpoint.bytes,
        modified_at=checkpoint.modified_at,
        state="done",
        sound="fail",
        reason="Its end is cut off.",
        asked_by="mia",
        asked_at=now,
        checked_at=now,
        step=2400,
    )
    Verification.objects.create(
        run=run,
        path=f"{checkpoint.path}.older",
        bytes=9,
        modified_at=now - timedelta(hours=3),
        state="done",
        sound="pass",
        reason="every byte was read",
        asked_by="mia",
        asked_at=now,
        checked_at=now,
        step=2000,
        parameters=110_000_000,
    )
    RunConfig.objects.create(
        run=run,
        path="/shared/glue/outputs/config.yaml",
        bytes=10,
        modified_at=now,
        values={"lr": 0.01, "bf16": True, "seed": 3},
    )
    log_of(run, job, folder)
    return run


LINES = [f"step {place} loss {1 / (place + 1):.4f}" for place in range(3000)]
CAUSE = "torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB"


def log_of(run: Run, job: Job, folder: Path, lines: list[str] | None = None) -> LogFile:
    """A log of a job with one line of evidence in its middle, written to ``folder``."""
    told = lines or [*LINES, CAUSE, *LINES[:50]]
    path = folder / f"train_{job.job_id}.err"
    path.write_text("\n".join(told) + "\n")
    byte = path.read_bytes().index(CAUSE.encode()) if CAUSE in told else 0
    log = LogFile.objects.create(
        path=str(path), cluster=job.cluster, job_id=job.job_id, offset=path.stat().st_size, modified_at=utcnow()
    )
    evidence = (
        [{"class": "cuda-oom", "line": told.index(CAUSE) + 1, "byte": byte, "text": CAUSE}] if CAUSE in told else []
    )
    LogTrace.objects.create(
        log=log, run_id=run.run_id, epoch=5, step=2500, starts=1, evidence=evidence, progress_at=utcnow()
    )
    return log


def text_of(client: Client, url: str, status: int = 200, **options: Any) -> str:
    response = client.get(url, **options)
    assert response.status_code == status, (url, response.status_code)
    content = b"".join(response.streaming_content) if response.streaming else response.content  # type: ignore[attr-defined]
    return content.decode()


def queries(client: Client, url: str) -> int:
    client.get(url)  # the first answer also fills caches of the process
    with CaptureQueriesContext(connection) as told:
        text_of(client, url)
    return len(told)


__all__ = ["CAUSE", "RunLink", "RunStatus", "both_sources_answered", "charted_sweep", "log_of", "whole_run"]
