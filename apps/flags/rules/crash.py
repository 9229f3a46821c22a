"""Why a run died, and whether it can be resumed. Pure.

Practice: 'Favor resumes over restarts' and 'Cross-reference W&B with Slurm'. What decides is
``apps.joblogs.crashes``, for the command line too; here a run's facts are put to it.
"""

from dataclasses import dataclass

from apps.flags.domain import Evidence, Resumable, RunFacts
from apps.joblogs.crashes import decide
from apps.joblogs.endings import BAD_IN_WANDB, BAD_STATES, Decision, Ending
from apps.joblogs.endings import RESUMABLE as BY_CLASS
from apps.links.states import MOVED_ON, NO_JOB, UNKNOWN

RESUMABLE: dict[str, Resumable] = {slug: Resumable[value.name] for slug, value in BY_CLASS.items()}
ENDED_BADLY = BAD_IN_WANDB
__all__ = ["BAD_STATES", "ENDED_BADLY", "RESUMABLE", "Failure", "failure_of"]


@dataclass(frozen=True, slots=True)
class Failure:
    """``crash_class`` is empty where nothing failed; ``reason`` is a sentence for people."""

    crash_class: str = ""
    resumable: Resumable | None = None
    proof: Evidence | None = None
    reason: str = ""


def failure_of(facts: RunFacts) -> Failure:
    """Return the crash class of a run that ended badly, with the log line that proves it where there is one."""
    return failure_from(decide(_ending(facts)))


def failure_from(decision: Decision) -> Failure:
    """Return a decision on a log as rules and verdicts know it."""
    if not decision.failed:
        return Failure()
    proof = decision.proof[0] if decision.proof else None
    return Failure(decision.crash_class, Resumable[decision.resumable.name], proof, decision.reason)


def _ending(facts: RunFacts) -> Ending:
    job, no_job = facts.job, facts.slurm_state in (NO_JOB, UNKNOWN, MOVED_ON)
    return Ending(
        clues=facts.evidence,
        job_state="" if no_job else facts.slurm_state,
        exit_code=None if job is None or no_job else job.exit_code,
        exit_signal=None if job is None or no_job else job.exit_signal,
        wandb_state=facts.wandb_state,
        epoch=facts.progress.epoch,
        target_epochs=facts.progress.target_epochs,
        has_checkpoint=facts.checkpoint_at is not None,
    )
