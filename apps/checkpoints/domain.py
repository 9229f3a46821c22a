"""What a checkpoint's name says. Pure."""

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Protocol, TypeVar

from apps.core.units import whole

_STEP = re.compile(r"(?<![a-z])(?:checkpoint|global_?step|step)[-_=]?(\d+)", re.IGNORECASE)
_EPOCH = re.compile(r"(?<![a-z])(?:epoch|ep)[-_=]?(\d+(?:\.\d+)?)", re.IGNORECASE)


class _Dated(Protocol):
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
    """Return the checkpoint with the highest step; by time where steps are missing or equal."""
    return max(checkpoints, key=lambda one: (one.step if one.step is not None else -1, one.modified_at), default=None)
