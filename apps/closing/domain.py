"""Whether a run may be closed in W&B, and the words that say so. Pure.

Practice: 'Cross-reference W&B with Slurm' of docs/practice.md; a run that W&B calls running and that no Slurm job
carries is marked crashed. Evidence that is missing is unknown, and unknown never closes anything.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.errors import AlreadyDone, Permanent, Transient
from apps.core.units import ago, duration
from apps.links.states import MOVED_ON, NO_JOB, UNKNOWN, Pair, meaning
from apps.sweeps.ports import CLOSED_STATE, LIVE_RUN_STATES

WILL_SHOW = (
    f"W&B will show '{CLOSED_STATE}': it has no way to set 'crashed'. No step is added, and history, summary and "
    "config stay as they are. A resume afterwards goes on in the same run."
)


class Refused(Permanent):
    """The state of the run does not allow it; the sentence says why."""


class NotKnown(Transient):
    """Whether the run may be closed cannot be told now: a source is silent, or too old."""


@dataclass(frozen=True, slots=True)
class ClosingFacts:
    """What is known of one run. ``judged_state`` is the W&B state from which ``slurm_state`` was concluded.

    ``job_ended`` is None where no job is known. ``idle_jobs`` are live jobs of the run's sweep of which nobody knows
    the run. ``slurm_read_at`` is when every cluster that could have a job of it had answered, None for never;
    ``slurm_problem`` why the last look failed. ``slurm_patience`` and ``stale_after`` are spans of time.
    ``closing_until``: heartbeats up to then may be an earlier attempt's of ours to close the run.
    """

    run_id: str
    wandb_state: str
    judged_state: str
    slurm_state: str
    slurm_read_at: datetime | None
    slurm_patience: timedelta
    stale_after: timedelta
    offline: bool = False
    heartbeat_at: datetime | None = None
    created_at: datetime | None = None
    job_id: str = ""
    job_ended: bool | None = None
    next_run: str = ""
    idle_jobs: tuple[str, ...] = ()
    slurm_problem: str = ""
    closing_until: datetime | None = None


def check_facts(facts: ClosingFacts, now: datetime) -> None:
    """Raise with a sentence for people unless the run is a zombie beyond doubt.

    ``AlreadyDone`` when it has ended, ``Refused`` when something speaks against it, ``NotKnown`` when a source is
    silent or too old.
    """
    _check_wandb_side(facts)
    _check_slurm_was_read(facts, now)
    _check_no_job_lives(facts)
    _check_heart_is_still(facts, now)


def _check_wandb_side(facts: ClosingFacts) -> None:
    if facts.offline:
        raise Refused(f"Run {facts.run_id} is only in its folder: W&B does not know it, so there is nothing to close.")
    if facts.wandb_state not in LIVE_RUN_STATES:
        raise AlreadyDone(
            f"W&B says {facts.wandb_state or 'nothing'} of run {facts.run_id}: there is nothing to close."
        )
    if facts.judged_state != facts.wandb_state:
        raise NotKnown(f"Run {facts.run_id} was not compared with Slurm since W&B's last word; wait for the next pass.")


def _check_slurm_was_read(facts: ClosingFacts, now: datetime) -> None:
    read_at = facts.slurm_read_at
    if read_at is None:
        raise NotKnown("Unknown whether a job is alive: Slurm was never read well.")
    if facts.slurm_problem or now - read_at > facts.slurm_patience:
        why = f" ({facts.slurm_problem})" if facts.slurm_problem else ""
        raise NotKnown(f"Unknown whether a job is alive: Slurm was not read well since {clock(read_at)} UTC{why}.")
    if facts.slurm_state == UNKNOWN:
        raise NotKnown("Unknown whether a job is alive: Slurm's side of this run is not known yet.")


def _check_no_job_lives(facts: ClosingFacts) -> None:
    if facts.slurm_state == MOVED_ON and facts.job_ended is not True:
        raise Refused(
            f"Job {facts.job_id} is alive: it went on to run {facts.next_run}, and a process of this run may be left "
            "in it. Close the run when that job has ended."
        )
    if facts.job_ended is False:
        raise Refused(f"Job {facts.job_id} is {facts.slurm_state}: the run is not a zombie.")
    if facts.job_ended is None and facts.slurm_state != NO_JOB:
        raise NotKnown(f"Unknown whether a job is alive: nobody knows the job that is {facts.slurm_state}.")
    if facts.slurm_state == NO_JOB and facts.idle_jobs:
        raise NotKnown(
            f"Job {', '.join(facts.idle_jobs[:3])} works for the run's sweep, and nobody knows on which run: "
            "it may be this one."
        )
    told = meaning(facts.wandb_state, facts.slurm_state)
    if told.pair is not Pair.ZOMBIE:
        raise Refused(
            f"W&B says {facts.wandb_state}, Slurm says {facts.slurm_state}: {told.pair}. Next: {told.action}."
        )


def _check_heart_is_still(facts: ClosingFacts, now: datetime) -> None:
    last = facts.heartbeat_at or facts.created_at
    if last is None:
        raise NotKnown("Unknown since when W&B has heard nothing of the run.")
    if facts.closing_until is not None and last <= facts.closing_until:
        return
    if now - last <= facts.stale_after:
        raise Refused(
            f"W&B heard of the run {ago(now - last)} (a heartbeat is stale after {duration(facts.stale_after)}): "
            "something still logs to it."
        )


def clock(moment: datetime) -> str:
    """``14:03``, and the day before it where that is not obvious."""
    return f"{moment:%Y-%m-%d %H:%M}"
