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
            if any(_matches(one.path.relative_to(root), pattern) for pattern in patterns)
        ]


def _matches(path: Path, pattern: str) -> bool:
    """`match` alone would let a pattern begin at any folder."""
    return len(path.parts) == len(PurePosixPath(pattern).parts) and path.match(pattern)
