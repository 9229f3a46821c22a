"""One value for how far a run got, with its source, its pace, and what the other sources say. Pure.

Practice: 'Always check logs for actual epoch count': the log is believed before the checkpoint, and both before
W&B's summary, which has been wrong before. The target is never assumed.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.core.units import number
from apps.flags.domain import Progress, ProgressSource
from apps.links.domain import JobTime

LEAST_SECONDS = 60.0  # a pace over less is a guess
TOLERANCE = 0.05  # of the target, and one epoch at least: sources are read at different moments


@dataclass(frozen=True, slots=True)
class Reading:
    """What one source says. ``at`` is when it was written; ``steps_per_second`` is the source's own figure."""

    source: ProgressSource
    epoch: float | None = None
    step: int | None = None
    total_steps: int | None = None
    steps_per_second: float | None = None
    at: datetime | None = None

    @property
    def says_something(self) -> bool:
        return self.epoch is not None or self.step is not None


def progress_from(readings: Sequence[Reading], target_epochs: float | None, time: JobTime, *, live: bool) -> Progress:
    """Return the progress of the first reading that says something; ``readings`` are in the order of trust.

    An epoch that the trusted source lacks is not borrowed from another one: two sources make no one figure.
    """
    told = [one for one in readings if one.says_something]
    if not told:
        return Progress(target_epochs=target_epochs)
    best = told[0]
    return Progress(
        epoch=best.epoch,
        step=best.step,
        target_epochs=target_epochs,
        source=best.source,
        total_steps=best.total_steps,
        steps_per_second=best.steps_per_second,
        epochs_per_hour=_pace(best, time),
        at=best.at,
        disagreement=disagreement(told, target_epochs, live=live),
    )


def _pace(best: Reading, time: JobTime) -> float | None:
    """Epochs an hour over all the time in jobs up to the reading; work that was lost and redone counts as time."""
    if not best.epoch or best.at is None:
        return None
    seconds = time.seconds_at(best.at)
    return best.epoch / seconds * 3600 if seconds >= LEAST_SECONDS else None


def disagreement(told: Sequence[Reading], target_epochs: float | None, *, live: bool) -> str:
    """Return in a sentence where the sources contradict each other; empty where they do not.

    While a run lives its checkpoint is older than its log, and its summary may lag: only what is ahead of the
    trusted source is odd then. After its end, a summary that stayed behind is odd as well.
    """
    best, slack = told[0], max(1.0, TOLERANCE * (target_epochs or 0))
    odd = []
    for other in told[1:]:
        if best.epoch is None or other.epoch is None:
            continue
        ahead = other.epoch - best.epoch
        behind = not live and other.source is ProgressSource.SUMMARY and -ahead > slack
        if ahead > slack or behind:
            odd.append(f"the {other.source} says epoch {number(other.epoch)}")
    return f"The {best.source} says epoch {number(best.epoch)}, {' and '.join(odd)}." if odd else ""
