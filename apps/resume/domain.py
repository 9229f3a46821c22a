"""The words of a resume: what is known of a run, the lines of the gate, and why it stays shut. Pure.

Practice: 'Checkpoint verification before a resume' and 'Favor resumes over restarts' of docs/practice.md.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from apps.core.errors import Permanent
from apps.workspaces.domain import Policy


class Refused(Permanent):
    """The gate does not let the run through; the sentence says why."""


class LineState(StrEnum):
    PASS = "pass"  # noqa: S105 - a word of the gate, no password
    FAIL = "fail"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class GateLine:
    """One check: ``evidence`` in a sentence with numbers, ``action`` what to do where it does not pass.

    ``overridable``: an admin may let this one through with a written reason.
    """

    id: str
    title: str
    state: LineState
    evidence: str
    action: str = ""
    overridable: bool = False

    @property
    def passes(self) -> bool:
        return self.state is LineState.PASS


@dataclass(frozen=True, slots=True)
class CheckpointFact:
    """A checkpoint as listed, and what reading it proved: ``sound`` is pass, fail, unknown or unsafe."""

    path: str
    step: int | None
    epoch: float | None
    bytes: int
    modified_at: datetime
    sound: str = "unknown"
    reason: str = "it was not read"

    @property
    def words(self) -> str:
        """``step 500`` or ``epoch 3``; its file's name where it tells neither."""
        if self.step is not None:
            return f"step {self.step}"
        return f"epoch {self.epoch:g}" if self.epoch is not None else self.path.rpartition("/")[2]


@dataclass(frozen=True, slots=True)
class GateFacts:
    """What was found out about one run at ``now``. A ``…_problem`` says why that source told nothing.

    ``checkpoints`` are in the order in which they would be resumed from, None where they could not be listed; those
    behind the first good one are not read. ``trained_at`` is the run's last sign of training. ``wandb_state`` is empty
    where W&B does not know the run. ``live_job`` names a job that carries the run now, empty for none, None for
    unknown. ``sweep_state`` is empty outside of a sweep. ``crash_class`` and ``resumable`` are the verdict's.
    ``change`` says what was chosen to be changed; ``lacks`` why the workspace cannot continue a run.
    """

    run_id: str
    now: datetime
    policy: Policy = field(default_factory=Policy)
    checkpoints: tuple[CheckpointFact, ...] | None = None
    checkpoints_problem: str = ""
    trained_at: datetime | None = None
    disk_config: Mapping[str, Any] | None = None
    disk_run_id: str = ""
    config_path: str = ""
    config_problem: str = ""
    wandb_state: str | None = None
    wandb_config: Mapping[str, Any] = field(default_factory=dict)
    not_intended: tuple[str, ...] = ()  # values that lie outside what the sweep's YAML allows
    wandb_summary: Mapping[str, Any] = field(default_factory=dict)
    wandb_problem: str = ""
    live_job: str | None = None
    slurm_problem: str = ""
    crash_class: str = ""
    resumable: str = ""
    epoch: float | None = None
    target_epochs: float | None = None
    change: str = ""
    free_bytes: int | None = None
    sweep_id: str = ""
    sweep_state: str | None = None
    sweep_problem: str = ""
    lacks: str = ""
    how: str = ""

    @property
    def newest(self) -> CheckpointFact | None:
        return self.checkpoints[0] if self.checkpoints else None


def check_can_resume(lines: list[GateLine], override: str = "") -> None:
    """Raise ``Refused`` unless every line passes, save the one named by ``override`` where that may be overridden."""
    if override and not any(line.id == override and line.overridable for line in lines):
        raise Refused(f"'{override}' is no check that anybody may override here.")
    shut = [line for line in lines if not line.passes and not (line.id == override and line.overridable)]
    if not lines:
        raise Refused("The gate was not checked yet.")
    if shut:
        said = "; ".join(f"{line.title}: {line.state} ({line.evidence.rstrip('.')})" for line in shut[:2])
        more = f", and {len(shut) - 2} more" if len(shut) > 2 else ""
        raise Refused(f"The gate is shut. {said}{more}.")


def can_resume(lines: list[GateLine], override: str = "") -> bool:
    try:
        check_can_resume(lines, override)
    except Refused:
        return False
    return True
