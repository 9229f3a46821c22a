"""Where checkpoints are. Listing only: nothing here opens one.

``Transient`` when the filesystem does not answer, when ``root`` itself is not there, or when a folder may not be
listed: nothing is known then. Below a root that answers, a folder that is not there holds no checkpoints.
"""

from collections.abc import Sequence
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


class CheckpointStore(Protocol):
    def find(self, root: Path, patterns: Sequence[str]) -> list[FoundCheckpoint]:
        """Every checkpoint below ``root`` that matches a pattern; none outside of ``root``."""
