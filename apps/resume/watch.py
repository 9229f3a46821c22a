"""What has become of a resume, from what Slurm and W&B say now. Pure.

W&B's own ``_step`` counts log calls: that it moved proves that something was logged. How far training is, only the
logged ``global_step`` and ``epoch`` tell.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from apps.sweeps.domain import finite, summary_epoch, summary_step
from apps.sweeps.ports import LIVE_RUN_STATES
from apps.workspaces.domain import Policy

LAG = timedelta(minutes=3)  # W&B and accounting may hear of a job's end so much later
WANDB_SILENT = timedelta(days=1)
VANISHED = timedelta(minutes=10)  # accounting hears of a job within that time, or never


@dataclass(frozen=True, slots=True)
class Mark:
    """How far a run's log was: the time of its last log call (seconds since 1970) and W&B's count of calls."""

    logged_at: float | None = None
    calls: float | None = None


def mark_of(summary: Mapping[str, Any]) -> Mark:
    return Mark(finite(summary.get("_timestamp")), finite(summary.get("_step")))


@dataclass(frozen=True, slots=True)
class Seen:
    """What was seen of a resume at ``now``. ``job_state`` is empty where Slurm knows no such job.

    ``asked_at`` is when it was submitted, ``started_at`` and ``ended_at`` the job's own times. ``before`` is the run's
    log before the resume. ``wandb_state`` is None where W&B did not answer, and empty where it does not know the run.
    ``first`` is the lowest step or epoch that was logged since, None where nobody looked: a training that started over
    may have passed the checkpoint by now. ``other_run`` is another run that this job opened.
    """

    now: datetime
    submitted_at: datetime
    job_id: str
    job_state: str
    job_ended: bool
    reason: str = ""
    exit_code: int | None = None
    exit_signal: int | None = None
    log_path: str = ""
    started_at: datetime | None = None
    ended_at: datetime | None = None
    wandb_state: str | None = None
    heartbeat_at: datetime | None = None
    summary: Mapping[str, Any] | None = None
    before: Mark = Mark()
    checkpoint_step: int | None = None
    checkpoint_epoch: float | None = None
    first: float | None = None
    other_run: str = ""
    policy: Policy = field(default_factory=Policy)


@dataclass(frozen=True, slots=True)
class Judgement:
    """``state`` is that of the request; ``stop`` asks for the job to be cancelled, loudly."""

    state: str
    said: str
    stop: bool = False


def judge(seen: Seen) -> Judgement:
    """Return where a resume is: submitted, running, confirmed or failed, and a sentence with the next action."""
    if logged := _logged_since(seen):
        return _progress(seen, logged)
    if seen.other_run:
        return Judgement("failed", f"WRONG RUN: job {seen.job_id} logs to W&B run {seen.other_run}, not to this one. "
                         "Its script ignores WANDB_RUN_ID: mend it before you try again.", stop=True)  # fmt: skip
    if not seen.job_state:
        return _vanished(seen)
    if seen.job_ended:
        return _ended(seen)
    if seen.started_at is None or seen.job_state == "PENDING":
        return _pending(seen)
    return _silent(seen)


def _logged_since(seen: Seen) -> Mapping[str, Any] | None:
    """The run's summary, if this job has logged to it: the run's heart beat, and its log moved."""
    if seen.started_at is None or seen.summary is None or seen.heartbeat_at is None:
        return None
    # A heartbeat is written in whole seconds, and clocks differ a little.
    if seen.heartbeat_at < seen.started_at - timedelta(seconds=2):
        return None
    mark = mark_of(seen.summary)
    if mark.logged_at is not None and seen.before.logged_at is not None:
        return seen.summary if mark.logged_at > seen.before.logged_at else None
    return seen.summary if mark.calls is not None and mark.calls != seen.before.calls else None


def _progress(seen: Seen, summary: Mapping[str, Any]) -> Judgement:
    """The job logs to the run: from the checkpoint on it is resumed, from below it has started over."""
    step, epoch, calls = summary_step(summary), summary_epoch(summary), mark_of(summary).calls
    if step is not None and seen.checkpoint_step is not None:
        first = step if seen.first is None else min(step, seen.first)
        fine, said = first >= seen.checkpoint_step, f"step {first:g}, the checkpoint's was {seen.checkpoint_step}"
    elif epoch is not None and seen.checkpoint_epoch is not None:
        first = epoch if seen.first is None else min(epoch, seen.first)
        fine, said = first >= seen.checkpoint_epoch, f"epoch {first:g}, the checkpoint's was {seen.checkpoint_epoch:g}"
    elif calls is not None and seen.before.calls is not None and calls < seen.before.calls:
        fine, said = False, "from the run's first entry on, over what was logged"
    else:
        return Judgement("failed", f"Job {seen.job_id} logs to the run, and nothing tells from which step: neither "
                         "global_step nor epoch is known of both. Look at the run before you trust it.")  # fmt: skip
    if not fine:
        return Judgement("failed", f"STARTED OVER: job {seen.job_id} logs {said}. It ignores the checkpoint: mend its "
                         "script before you try again.", stop=True)  # fmt: skip
    if seen.wandb_state in LIVE_RUN_STATES:
        return Judgement("confirmed", f"W&B says {seen.wandb_state} of the same run, at {said}.")
    return Judgement("confirmed", f"The same run went on to {said}; W&B says {seen.wandb_state} by now.")


def _pending(seen: Seen) -> Judgement:
    if seen.now - seen.submitted_at > timedelta(hours=seen.policy.resume_pending_hours):
        return Judgement("failed", f"Job {seen.job_id} still waits in the queue ({seen.reason or 'nobody says why'}), "
                         "and is watched no longer. It was not cancelled: look why it waits.")  # fmt: skip
    return Judgement("submitted", f"Job {seen.job_id} waits in the queue: {seen.reason or 'Slurm tells no reason'}.")


def _silent(seen: Seen) -> Judgement:
    """The job runs and W&B has heard nothing yet; before it was asked nothing is concluded from that."""
    if seen.wandb_state is None and seen.now - (seen.started_at or seen.submitted_at) > WANDB_SILENT:
        return Judgement("failed", f"Job {seen.job_id} runs, and W&B has not answered for so long that nobody knows "
                         "whether the run went on. The job was not stopped: look at the run.")  # fmt: skip
    if seen.started_at is not None and seen.wandb_state is not None:
        waited = seen.now - seen.started_at
        if waited > timedelta(minutes=seen.policy.resume_confirm_minutes):
            return Judgement("failed", f"Job {seen.job_id} runs for {waited // timedelta(minutes=1)} min, and W&B has "
                             f"heard nothing of the run. The job was not stopped; read {_log(seen)}.")  # fmt: skip
    return Judgement("running", f"Job {seen.job_id} runs; waiting for W&B to hear of the run.")


def _ended(seen: Seen) -> Judgement:
    """W&B may hear of the last steps a little after the end, so it is asked for some more time."""
    ended_at = seen.ended_at or seen.submitted_at
    patience = LAG if seen.wandb_state is not None else WANDB_SILENT
    if seen.now - ended_at < patience:
        return Judgement("running", f"Job {seen.job_id} ended {seen.job_state}; waiting for W&B's last word.")
    code = f" with exit code {seen.exit_code}:{seen.exit_signal}" if seen.exit_code is not None else ""
    said = f"Job {seen.job_id} ended {seen.job_state}{code} before W&B heard of the run. Next: read {_log(seen)}."
    return Judgement("failed", said)


def _vanished(seen: Seen) -> Judgement:
    if seen.now - seen.submitted_at < VANISHED:
        return Judgement("submitted", f"Job {seen.job_id} was submitted; Slurm does not tell of it yet.")
    return Judgement("failed", f"Slurm accepted job {seen.job_id} and knows it no longer. Look for it by its number.")


def _log(seen: Seen) -> str:
    return seen.log_path or "its log"
