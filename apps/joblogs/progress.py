"""Putting what a line says of progress onto what is known of its run. Pure."""

import math
from dataclasses import dataclass, replace
from datetime import datetime

from apps.core.units import whole
from apps.joblogs.parsers import LineProgress, Place
from apps.joblogs.trace import Trace


@dataclass
class Counters:
    """What one start's bars said until now: their total and where they stand, how often they ran through.

    ``batches`` is the most that an epoch had: the last epoch of a run that ends by steps has fewer.
    """

    total: int = 0
    n: int = 0
    laps: int = 0
    batches: int = 0


def note_progress(trace: Trace, counters: Counters, found: LineProgress, at: datetime | None) -> bool:
    """Take over what a line says; return whether it said anything of the training."""
    if found.bar and not _is_trainings(counters, found):
        found = replace(found, step=None, total_steps=None, steps_per_second=None, bar=False)
        if found == LineProgress(loss=found.loss):
            return False
    figures: dict[str, float | None] = {
        "target_epochs": found.target_epochs,
        "total_steps": found.total_steps,
        "steps_per_second": found.steps_per_second,
        "samples_per_second": found.samples_per_second,
        "epoch": found.epoch,
        "step": found.step,
    }
    if found.place is not None:
        figures |= _placed(trace, counters, found, found.place)
    if found.bar and found.step is not None:
        figures |= _counted(counters, found.step, found.total_steps)
    for name, value in figures.items():
        if value is not None:
            setattr(trace, name, value)
    if counters.laps:
        trace.total_steps = None
    _note_loss(trace, found.loss)
    trace.progress_at = at or trace.progress_at
    return True


def _note_loss(trace: Trace, loss: float | None) -> None:
    if loss is not None:
        trace.loss_is_finite = math.isfinite(loss)
        trace.loss = loss if trace.loss_is_finite else None


def _is_trainings(counters: Counters, found: LineProgress) -> bool:
    """Of several bars without a name the longest is the training's: the others evaluate."""
    return not counters.total or (found.total_steps is not None and found.total_steps >= counters.total)


def _counted(counters: Counters, n: int, total: int | None) -> dict[str, float | None]:
    """Count on when a full bar begins again: it is drawn anew for every epoch."""
    if total is None:
        return {"step": n}
    if total > counters.total:
        counters.total, counters.n, counters.laps = total, n, 0
    if n == 0 and counters.n >= total:
        counters.laps += 1
    counters.n = n
    return {"step": whole(counters.laps * total + n)}


def _placed(trace: Trace, counters: Counters, found: LineProgress, place: Place) -> dict[str, float | None]:
    """Read an epoch's number by what the run's first epoch was numbered, and by how long its epochs are."""
    _note_first(trace, found, place)
    first = place.first if place.sure or trace.zero_based is None else int(not trace.zero_based)
    counters.batches = max(counters.batches, place.batches)
    batches = counters.batches if place.batches else 0
    figures: dict[str, float | None] = {"epoch": place.epoch(first, batches)}
    if found.step == place.step(place.first, place.batches):  # the line tells no better one
        figures["step"] = place.step(first, batches)
    return figures


def _note_first(trace: Trace, found: LineProgress, place: Place) -> None:
    if place.sure:
        trace.zero_based = place.first == 0
    elif trace.zero_based is None and place.printed in (0, 1):
        trace.zero_based = place.printed == 0
    elif trace.zero_based and found.target_epochs is not None and place.printed >= found.target_epochs:
        # `Epoch 10/10` after `Epoch 0/10`: the 0 was before any training.
        trace.zero_based = False
