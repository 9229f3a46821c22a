"""What is known of a job's end, and what may be told of it. Pure; what is told of it decides ``crashes``."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Resume(StrEnum):
    """Whether a run can be resumed, for machines."""

    YES = "yes"
    AFTER_CHANGE = "after-change"
    NO = "no"
    LOOK_FIRST = "look-first"


UNKNOWN, NONE = "unknown", "none"
RESUMABLE: dict[str, Resume] = {
    "preemption": Resume.YES,
    "time-limit": Resume.YES,
    "cuda-oom": Resume.AFTER_CHANGE,
    "host-oom": Resume.AFTER_CHANGE,
    "config-error": Resume.NO,
    "missing-dependency": Resume.NO,
    "data-error": Resume.LOOK_FIRST,
    "diverged": Resume.LOOK_FIRST,
    "nccl-timeout": Resume.YES,
    "node-failure": Resume.YES,
    "python-error": Resume.LOOK_FIRST,
    UNKNOWN: Resume.LOOK_FIRST,
    NONE: Resume.NO,
}
BY_STATE = {
    "PREEMPTED": "preemption",
    "TIMEOUT": "time-limit",
    "DEADLINE": "time-limit",
    "OUT_OF_MEMORY": "host-oom",
    "NODE_FAIL": "node-failure",
    "BOOT_FAIL": "node-failure",
}
BAD_STATES = frozenset({*BY_STATE, "FAILED", "CANCELLED", "GONE"})
BAD_IN_WANDB = frozenset({"crashed", "failed", "killed", "preempted"})
SLURMS = frozenset({"preemption", "time-limit", "node-failure"})  # what Slurm itself does to a job
ALIVE = frozenset({"RUNNING", "COMPLETING", "PENDING", "REQUEUED", "CONFIGURING", "SUSPENDED"})
# A run that met one of these would not have reached its target: it was caught, or another attempt followed.
STOPS_AT_ONCE = frozenset({"config-error", "missing-dependency", "preemption", "node-failure"})


@dataclass(frozen=True, slots=True)
class Clue:
    """One line of a log that shows why training ended; ``line`` from 1, 0 where nobody counted.

    ``crash_class`` may be a ``Sign`` too. ``went_on`` says whether training went on after it in the same file, None
    where that file tells of no training. ``chained``: raised while the one before it was handled, or from it.
    ``loss``: a loss that was no number, after which training may go on.
    """

    crash_class: str
    file: str
    line: int
    text: str
    went_on: bool | None = None
    chained: bool = False
    loss: bool = False


def clue_from(item: Mapping[str, Any], file: str, *, trains: bool, finished: bool = False) -> Clue:
    """Return a line of a trace's evidence as a clue; ``trains`` tells whether the file tells of training at all.

    What torch says of an exception that nobody caught stands, whatever other ranks print after it, unless the run
    ``finished`` in that file: then it was another attempt's.
    """
    went_on = True if item.get("went_on") else False if trains or item.get("fatal") else None
    return Clue(
        str(item["class"]),
        file,
        int(item["line"]),
        str(item["text"]),
        went_on=True if finished and item.get("fatal") else went_on,
        chained=bool(item.get("chained")),
        loss=bool(item.get("loss")),
    )


@dataclass(frozen=True, slots=True)
class Ending:
    """What is known of a job's end; empty or None where it is not.

    ``clues`` are those of the run's last start, each file's in the order of its lines. ``job_state`` is Slurm's long
    name in capitals. ``has_checkpoint`` is None where nobody looked, ``readable`` False where the logs say nothing.
    """

    clues: tuple[Clue, ...] = ()
    job_state: str = ""
    exit_code: int | None = None
    exit_signal: int | None = None
    wandb_state: str = ""
    epoch: float | None = None
    target_epochs: float | None = None
    has_checkpoint: bool | None = None
    readable: bool = True

    @property
    def reached_target(self) -> bool:
        return bool(self.target_epochs) and self.epoch is not None and self.epoch >= (self.target_epochs or 0)

    @property
    def went_badly(self) -> bool:
        """Whether accounting or W&B says so."""
        by_exit = self.job_state not in ALIVE and bool(self.exit_code or self.exit_signal)
        return self.wandb_state in BAD_IN_WANDB or self.job_state in BAD_STATES or by_exit


@dataclass(frozen=True, slots=True)
class Decision:
    """``proof`` are the lines that show it, the deciding one first; ``reason`` is a sentence for people."""

    crash_class: str
    resumable: Resume
    proof: tuple[Clue, ...] = ()
    reason: str = ""

    @property
    def failed(self) -> bool:
        return self.crash_class != NONE
