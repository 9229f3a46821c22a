"""What W&B and the schedulers say of a run at this moment, asked at driving time: nothing is closed on stored words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from apps.closing.domain import ClosingFacts, Refused
from apps.links.live import live_attempt_now
from apps.slurm.ports import JobAttempt, Scheduler
from apps.sweeps.asking import run_now
from apps.sweeps.models import Run
from apps.sweeps.ports import RunCloser, RunRecord, SweepSource


@dataclass(frozen=True)
class Tools:
    """How to reach W&B and the schedulers. Each is made when it is needed, because making one may fail."""

    source: Callable[[], SweepSource]
    schedulers: Callable[[], Mapping[str, Scheduler]]
    closer: Callable[[], RunCloser]


def wandb_now(tools: Tools, run: Run, now: datetime) -> RunRecord:
    """Return the run as W&B has it now; ``Refused`` where W&B no longer knows it."""
    record = run_now(tools.source, run, now)
    if record is None:
        raise Refused(f"W&B no longer knows run {run.run_id} of {run.project_path}.")
    return record


def with_fresh(facts: ClosingFacts, record: RunRecord, attempt: JobAttempt | None, now: datetime) -> ClosingFacts:
    """Return the facts with what was just asked in place of what was stored; ``attempt`` is a live one of the run."""
    facts = replace(
        facts,
        wandb_state=record.state,
        judged_state=record.state,
        heartbeat_at=record.heartbeat_at,
        slurm_read_at=now,
        slurm_problem="",
    )
    if attempt is None:
        return facts
    return replace(facts, slurm_state=attempt.state, job_id=attempt.job_id, job_ended=False)


def live_attempt(tools: Tools, run: Run, now: datetime) -> JobAttempt | None:
    """Return a queued or running attempt that is or may be the run's; see ``live_attempt_now``."""
    return live_attempt_now(tools.schedulers().values(), run, now)
