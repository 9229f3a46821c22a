"""What a checkpoint's name says. Pure."""

import re
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from datetime import datetime
from itertools import accumulate
from pathlib import Path, PurePath
from typing import Protocol, TypeVar

from apps.core.units import whole

_STEP = re.compile(r"(?<![a-z])(?:checkpoint|global_?step|step|iter(?:ation)?)[-_=]?(\d+)", re.IGNORECASE)
_BEST = re.compile(r"(?<![a-z])best(?![a-z])", re.IGNORECASE)
SAME_SAVE = 60.0  # seconds: `last.ckpt` is written a moment after the file that bears the step, and holds the same
_EPOCH = re.compile(r"(?<![a-z])(?:epoch|ep)[-_=]?(\d+(?:\.\d+)?)", re.IGNORECASE)


class _Dated(Protocol):
    @property
    def path(self) -> Path | str: ...
    @property
    def step(self) -> int | None: ...
    @property
    def modified_at(self) -> datetime: ...


C = TypeVar("C", bound=_Dated)


def step_in_name(name: str) -> int | None:
    """Return the training step in a name such as ``checkpoint-5400`` or ``step=200.ckpt``."""
    found = _STEP.search(name)
    return whole(found[1]) if found else None


def epoch_in_name(name: str) -> float | None:
    """Return the epoch in a name such as ``epoch=3-step=200.ckpt``."""
    found = _EPOCH.search(name)
    return float(found[1].rstrip(".")) if found else None


def newest(checkpoints: Iterable[C]) -> C | None:
    """Return the checkpoint that holds the most training; see ``places``."""
    return next(iter(newest_first(checkpoints)), None)


def newest_first(checkpoints: Iterable[C]) -> list[C]:
    """Return checkpoints by how much training they hold, the most first; see ``places``."""
    every = list(checkpoints)
    ordered = places([(one.path, one.step, one.modified_at.timestamp()) for one in every])
    return [every[place] for place in ordered]


def places(told: Sequence[tuple[Path | str, int | None, float]]) -> list[int]:
    """Return the places in ``told`` (path, step, seconds of its last change), that of the newest checkpoint first.

    By step, then by time. One whose step nobody knows, such as ``last.ckpt``, stands by its time: above those of a
    known step that are older than it. A ``best`` without a step tells nothing of how far training came: it is last.
    """
    known = sorted((seconds, step) for _, step, seconds in told if step is not None)
    times = [seconds for seconds, _ in known]
    reached = list(accumulate((step for _, step in known), max))

    def key(place: int) -> tuple[int, float]:
        path, step, seconds = told[place]
        if step is not None:
            return step, seconds
        older = 0 if _BEST.search(PurePath(path).name) else bisect_left(times, seconds - SAME_SAVE)
        return reached[older - 1] if older else -1, seconds

    return sorted(range(len(told)), key=key, reverse=True)
