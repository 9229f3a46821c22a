"""What one line can say of a run's progress, and the register of those who read it. Pure."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any

from apps.core.units import whole

MAX_LINE = 4000  # bytes; of a longer line only this beginning is looked at, unless the settings say otherwise


@dataclass(frozen=True, slots=True)
class Place:
    """Which epoch a line speaks of, in its own numbers: the epoch ``printed``, batch ``n`` of ``batches`` in it.

    ``first`` is the number that the first epoch has (0 or 1), ``sure`` whether that is known or only likely.
    ``batches`` is 0 where the line speaks of the epoch as a whole, which then has been trained.
    """

    printed: int
    first: int = 1
    sure: bool = False
    n: int = 0
    batches: int = 0

    def epoch(self, first: int, batches: int) -> float:
        """Return how many epochs have been trained."""
        if not self.batches:
            return float(max(0, self.printed - first + 1))
        return max(0, self.printed - first) + min(1.0, self.n / batches)

    def step(self, first: int, batches: int) -> int | None:
        """Return how many batches have been trained in all epochs; None where the line tells of none."""
        return whole(max(0, self.printed - first) * batches + self.n) if self.batches else None


@dataclass(frozen=True, slots=True)
class LineProgress:
    """Progress in one line; None where the line does not say.

    ``epoch`` counts what has been trained, ``step`` and ``total_steps`` count from the start of training, in
    batches where a bar tells them: with gradient accumulation the optimizer took fewer. Rates are per second.
    ``place`` and ``bar`` are for whoever follows several lines: where the epoch was read from a number that the
    line printed, and whether the step is a bar's, which may begin again.
    """

    epoch: float | None = None
    step: int | None = None
    target_epochs: float | None = None
    loss: float | None = None
    total_steps: int | None = None
    steps_per_second: float | None = None
    samples_per_second: float | None = None
    place: Place | None = field(default=None, compare=False)
    bar: bool = field(default=False, compare=False)


Parser = Callable[[str], LineProgress | None]
PARSERS: list[Parser] = []


def parser(function: Parser) -> Parser:
    PARSERS.append(function)
    return function


def progress_at(place: Place, **said: Any) -> LineProgress:
    """Return the progress at ``place``, as far as one line alone can tell; ``said`` is what else it says."""
    target = said.get("target_epochs")
    return LineProgress(
        epoch=place.epoch(place.first, place.batches),
        **{"step": place.step(place.first, place.batches)} | said,
        total_steps=whole(target * place.batches) if target and place.batches else None,
        place=place,
    )


def progress_in(line: str) -> LineProgress | None:
    """Return what the parsers read in a line, together: a bar may stand before a dict in one line.

    The client's own summary at the end of a run (``wandb:  epoch 3``) repeats what the training said.
    """
    if line.startswith("wandb:"):
        return None
    found = [one for read in PARSERS if (one := read(line)) is not None]
    return _merged(found) if found else None


def _merged(found: list[LineProgress]) -> LineProgress:
    """What is said first of a figure holds."""
    if len(found) == 1:
        return found[0]
    said: dict[str, Any] = {}
    for one in reversed(found):
        said |= {item.name: value for item in fields(one) if (value := getattr(one, item.name)) is not None}
    # These belong to whoever read the epoch or the step.
    said["place"] = next((one.place for one in found if one.epoch is not None), None)
    said["bar"] = next((one.bar for one in found if one.step is not None), False)
    return LineProgress(**said)


def number(value: Any) -> float | None:
    """A number, or a string that is one: transformers 5 prints its figures as strings."""
    if isinstance(value, bool):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def finite(value: Any) -> float | None:
    found = number(value)
    return found if found is not None and math.isfinite(found) else None


def rate(value: Any) -> float | None:
    """A rate that means something: finite and more than nothing."""
    found = finite(value)
    return found if found is not None and found > 0 else None
