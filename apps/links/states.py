"""The W&B state beside the Slurm state, and what the pair means. Pure.

The table is the practice's, in 'Cross-reference W&B with Slurm' of docs/practice.md; one signal is never
trusted alone.
"""

from dataclasses import dataclass
from enum import StrEnum

from apps.slurm.ports import ENDED_STATES

NO_JOB = "NO JOB"  # a Slurm that answered knows no job of this run
UNKNOWN = "UNKNOWN"  # Slurm did not answer, or was never asked
MOVED_ON = "NEXT RUN"  # the agent's job lives, but carries another run by now


class Pair(StrEnum):
    """What a W&B state and a Slurm state mean together."""

    NORMAL = "normal"
    ZOMBIE = "zombie"
    STALE = "stale heartbeat"
    WAITING = "waiting to come back"
    DONE_PERHAPS = "done, perhaps"
    WRONGLY_FINISHED = "W&B is wrong, probably incomplete"
    ENDED_BADLY = "the clean-up ran, training did not end well"
    DEAD_BUT_ALIVE = "dead in W&B, alive in Slurm"
    HOST_MEMORY = "out of the job's memory"
    PREEMPTED = "preempted"
    ENDED = "ended"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Meaning:
    """``agree`` is True or False, or None where one side is unknown."""

    pair: Pair
    action: str
    agree: bool | None


_RUNNING = {
    "RUNNING": Meaning(Pair.NORMAL, "monitor", True),
    "COMPLETING": Meaning(Pair.NORMAL, "monitor", True),
    "SUSPENDED": Meaning(Pair.WAITING, "wait: the job is suspended", True),
    "PREEMPTED": Meaning(Pair.STALE, "wait for W&B's time-out, then resume", False),
    "PENDING": Meaning(Pair.WAITING, "wait: the job is requeued and comes back", True),
    "REQUEUED": Meaning(Pair.WAITING, "wait: the job is requeued and comes back", True),
    "CONFIGURING": Meaning(Pair.WAITING, "wait: the job's nodes get ready", True),
}
_ZOMBIE = Meaning(Pair.ZOMBIE, "mark the run crashed in W&B; then resume it if it has progress", False)
_INCOMPLETE = Meaning(Pair.WRONGLY_FINISHED, "read the log; resume if below target", False)
_DEAD_ALIVE = Meaning(Pair.DEAD_BUT_ALIVE, "wait one heartbeat, then investigate", False)
_LIVE_JOB = frozenset({"RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING"})
_CUT_SHORT = frozenset({"PREEMPTED", "TIMEOUT", "CANCELLED", "DEADLINE", "NODE_FAIL", "BOOT_FAIL"})
_OVER = ENDED_STATES | {"GONE", NO_JOB, MOVED_ON}
_NOT_KNOWN_YET = Meaning(Pair.UNKNOWN, "look at the job in Slurm", None)


def meaning(wandb: str, slurm: str) -> Meaning:
    """Return what the two states mean together; states that nobody knows yet mean 'unknown'.

    ``wandb`` in lower case as W&B spells it; ``slurm`` is Slurm's long name in capitals, or NO_JOB,
    UNKNOWN or MOVED_ON.
    """
    if slurm == "OUT_OF_MEMORY":  # whatever W&B says
        return Meaning(Pair.HOST_MEMORY, "raise the job's memory, then resume", wandb not in ("running", "finished"))
    if wandb in ("preempting", "preempted"):
        return Meaning(Pair.PREEMPTED, "resume to the same run id", None if slurm == UNKNOWN else True)
    if slurm == UNKNOWN:
        return Meaning(Pair.UNKNOWN, "wait for Slurm to answer", None)
    if slurm not in _OVER and slurm not in _RUNNING:
        return _NOT_KNOWN_YET  # one signal is never trusted alone, least of all one that we cannot read
    if wandb == "running":
        return _RUNNING.get(slurm, _ZOMBIE)
    if wandb == "finished":
        return _finished(slurm)
    if wandb in ("crashed", "failed", "killed"):
        return _ended_badly(wandb, slurm)
    if wandb == "pending":
        return Meaning(Pair.WAITING, "wait: the run has not started", True)
    return Meaning(Pair.UNKNOWN, "look at the run in W&B", None)


def _finished(slurm: str) -> Meaning:
    if slurm in _CUT_SHORT:
        return _INCOMPLETE
    return Meaning(Pair.DONE_PERHAPS, "check that the epochs reach the target", slurm != "FAILED")


def _ended_badly(wandb: str, slurm: str) -> Meaning:
    if slurm in _LIVE_JOB:
        return _DEAD_ALIVE
    if slurm in ("PENDING", "REQUEUED"):
        return Meaning(Pair.WAITING, "wait: the job is requeued and comes back", True)
    if slurm == "PREEMPTED":
        return Meaning(Pair.PREEMPTED, "resume to the same run id", True)
    if slurm == "COMPLETED":
        return Meaning(Pair.ENDED_BADLY, "read the log for the real error", False)
    return Meaning(Pair.ENDED, "read the log for the real error", True)
