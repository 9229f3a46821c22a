"""How far a run got, source by source."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from apps.checkpoints.models import Checkpoint
from apps.joblogs.models import LogTrace
from apps.sweeps.domain import summary_epoch, summary_step
from apps.sweeps.models import Run


@dataclass(frozen=True, slots=True)
class SourceProgress:
    """What one source says: epochs trained, training steps, when it was written; None for what it does not tell."""

    source: str
    where: str
    epoch: float | None
    step: int | None
    target: float | None
    at: datetime | None
    loss: float | None = None


def progress_by_source(run: Run, traces: Iterable[LogTrace]) -> list[SourceProgress]:
    """Return a line a source, in the practice's order of trust: logs (newest first), checkpoint, W&B's summary."""
    logged = [one for one in traces if one.epoch is not None or one.step is not None]
    lines = [
        SourceProgress(
            "log", one.log.path.rpartition("/")[2], one.epoch, one.step, one.target_epochs, one.progress_at, one.loss
        )
        for one in reversed(logged)
    ]
    checkpoint: Checkpoint | None = getattr(run, "checkpoint", None)
    if checkpoint is not None:
        name = checkpoint.path.rpartition("/")[2]
        lines.append(
            SourceProgress("checkpoint", name, checkpoint.epoch, checkpoint.step, None, checkpoint.modified_at)
        )
    epoch, step = summary_epoch(run.summary), summary_step(run.summary)
    lines.append(SourceProgress("W&B's summary", "summary", epoch, step, None, run.heartbeat_at))
    return lines
