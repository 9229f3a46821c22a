"""What cancelling a job would lose, and what a look at Slurm means for a wish to cancel it. Pure.

Practice: 'Favor resumes over restarts' of docs/practice.md: every epoch is valuable, so a cancel names its jobs and
says what goes with each. An attempt is (cluster, job id, submit time): one that was requeued is another
than the one that was seen.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from apps.core.errors import Permanent
from apps.core.units import ago, count, duration, number
from apps.slurm.ports import JobAttempt

SETTLE = timedelta(seconds=30)  # accounting hears of an end a little later than the queue forgets the job
AGAIN = timedelta(minutes=1)  # a job that lives so long after scancel is told once more
PATIENCE = timedelta(minutes=15)


class Refused(Permanent):
    """It may not be cancelled; the sentence says why."""


@dataclass(frozen=True, slots=True)
class LossFacts:
    """What is known of one job and of the run that it carries. ``started_at`` is None for a job that waits.

    ``run`` is empty where no run is known in the job. Checkpoint fields are None where there is none, or where it does
    not say.
    """

    now: datetime
    started_at: datetime | None
    gpus: int = 0
    run: str = ""
    epoch: float | None = None
    step: int | None = None
    checkpoint_at: datetime | None = None
    checkpoint_step: int | None = None
    checkpoint_epoch: float | None = None


def loss_of(facts: LossFacts) -> str:
    """Return in a sentence what goes when the job is cancelled: what was trained since its newest checkpoint."""
    if facts.started_at is None:
        return "Nothing but its place in the queue: it has not started."
    if not facts.run:
        return f"Not known: no run is known in it, and it runs for {duration(facts.now - facts.started_at)}."
    if facts.checkpoint_at is None:
        return f"All of it: {_reached(facts)}, {_time_since(facts, facts.started_at)}; there is no checkpoint."
    since = max(facts.checkpoint_at, facts.started_at)
    told = [part for part in (_epochs_since(facts), _steps_since(facts), _time_since(facts, since)) if part]
    return f"Since the checkpoint of {ago(facts.now - facts.checkpoint_at)}: {', '.join(told)}."


def _reached(facts: LossFacts) -> str:
    if facts.epoch is not None:
        return f"epoch {number(facts.epoch)}"
    return f"step {facts.step}" if facts.step is not None else "nobody knows which epoch"


def _epochs_since(facts: LossFacts) -> str:
    if facts.epoch is None or facts.checkpoint_epoch is None:
        return ""
    since = max(0.0, facts.epoch - facts.checkpoint_epoch)
    return f"{number(since)} {'epoch' if since == 1 else 'epochs'}"


def _steps_since(facts: LossFacts) -> str:
    if facts.step is None or facts.checkpoint_step is None:
        return ""
    return count(max(0, facts.step - facts.checkpoint_step), "step")


def _time_since(facts: LossFacts, since: datetime) -> str:
    spent = max(timedelta(), facts.now - since)
    hours = f" ({facts.gpus * spent / timedelta(hours=1):.1f} GPU hours)" if facts.gpus else ""
    return f"{duration(spent)} of training{hours}"


class Next(StrEnum):
    """What a look at Slurm leads to."""

    ACT = "act"
    WAIT = "wait"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Seen:
    """One look at Slurm. ``lives`` are the attempts of the job by queue and accounting, both of which answered.

    ``tried_at`` is when Slurm was last told to cancel it, None for never.
    """

    now: datetime
    job_id: str
    submit_at: datetime
    asked_at: datetime
    tried_at: datetime | None
    lives: tuple[JobAttempt, ...]


def judge(seen: Seen) -> tuple[Next, str]:
    """Return what is to be done with a wish to cancel one attempt, and a sentence."""
    later = [one for one in seen.lives if one.submit_at > seen.submit_at]
    if later:
        return Next.REFUSED, (
            f"Job {seen.job_id} was requeued at {later[-1].submit_at:%Y-%m-%d %H:%M:%S} UTC: that is another attempt "
            "than the one that was seen, and it was left alone. Look at it, and cancel that one if it must go."
        )
    own = [one for one in seen.lives if one.submit_at == seen.submit_at]
    if not own:
        return _absent(seen)
    attempt = max(own, key=lambda one: one.ended)  # accounting may know the end while the queue still cleans up
    if attempt.ended and seen.tried_at is None:
        return Next.DONE, f"It ended by itself as {attempt.state}; nothing was done."
    if attempt.ended:
        return Next.DONE, f"Slurm says {attempt.state} of job {seen.job_id}."
    return _living(seen, attempt)


def _absent(seen: Seen) -> tuple[Next, str]:
    if seen.tried_at is None:
        return Next.REFUSED, f"Slurm knows no such attempt of job {seen.job_id} any more; nothing was done."
    if seen.now - seen.tried_at < SETTLE:
        return Next.WAIT, f"Slurm was told to cancel job {seen.job_id}; waiting for accounting."
    return Next.DONE, f"Slurm knows job {seen.job_id} no longer: of one that had not started it may keep no record."


def _living(seen: Seen, attempt: JobAttempt) -> tuple[Next, str]:
    if seen.tried_at is None:
        return Next.ACT, f"Job {seen.job_id} is {attempt.state}."
    if seen.now - seen.asked_at > PATIENCE:
        return Next.FAILED, (
            f"Job {seen.job_id} is still {attempt.state}, {duration(seen.now - seen.asked_at)} after it was to be "
            "cancelled. Look at its node."
        )
    if seen.now - seen.tried_at > AGAIN:
        return Next.ACT, f"Job {seen.job_id} is still {attempt.state}."
    return Next.WAIT, f"Slurm was told to cancel job {seen.job_id}; it is {attempt.state}."
