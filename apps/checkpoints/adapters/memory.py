"""Checkpoints held in memory, for unit tests."""

from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from apps.checkpoints.ports import FoundCheckpoint


class MemoryCheckpointStore:
    """A list of checkpoints that answers as the filesystem would."""

    def __init__(self, *checkpoints: FoundCheckpoint) -> None:
        self.checkpoints = list(checkpoints)

    def find(self, root: Path, patterns: Sequence[str]) -> list[FoundCheckpoint]:
        below = [one for one in self.checkpoints if one.path.is_relative_to(root)]
        return [
            one
            for one in sorted(below, key=lambda one: one.path)
            if any(PurePosixPath(one.path.relative_to(root)).match(pattern) for pattern in patterns)
        ]
