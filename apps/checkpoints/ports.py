"""Where checkpoints and the runs' own configs are. Listing only: nothing here opens a checkpoint.

``Transient`` when the filesystem does not answer, when ``root`` itself is not there, or when a folder may not be
listed: nothing is known then. Below a root that answers, a folder that is not there holds no checkpoints.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True, slots=True)
class FoundCheckpoint:
    """A checkpoint file or folder as listed. ``bytes`` counts everything in a folder."""

    path: Path
    kind: str  # "pt", "ckpt", "safetensors", "folder"
    step: int | None
    epoch: float | None
    bytes: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A run's config file as listed; ``bytes`` is its size."""

    path: Path
    bytes: int
    modified_at: datetime


class CheckpointStore(Protocol):
    def find(self, root: Path, patterns: Sequence[str], also: Sequence[Path] = ()) -> list[FoundCheckpoint]:
        """Every checkpoint below ``root`` that matches a pattern.

        One that a link leads to counts where it lies in ``root`` or in one of ``also``, and nowhere else.
        """

    def find_config(self, root: Path, patterns: Sequence[str], also: Sequence[Path] = ()) -> ConfigFile | None:
        """The first regular file below ``root`` that matches a pattern, in their order; links as in ``find``."""

    def read_text(self, path: Path, limit: int) -> str:
        """At most ``limit`` bytes of a file as text; what is no UTF-8 is replaced."""


@dataclass(frozen=True, slots=True)
class Proof:
    """What was found out about one checkpoint by reading it, without ever unpickling it.

    ``sound`` is pass, fail, unknown or unsafe; ``reason`` a sentence for people. ``step`` and ``epoch`` are those
    that it holds itself, None where it does not tell.
    """

    sound: str
    reason: str
    step: int | None = None
    epoch: float | None = None


class Prover(Protocol):
    def prove(self, path: Path, heard: Callable[[int], None]) -> Proof:
        """What is in a checkpoint file or folder; whatever goes wrong is a ``Proof`` too, of unknown soundness.

        ``heard`` is told how many bytes were read, time and again: reading a large one takes minutes.
        """
