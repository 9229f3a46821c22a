"""Checkpoints held in memory, for unit tests."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path, PurePosixPath

from apps.checkpoints.ports import ConfigFile, FoundCheckpoint


class MemoryCheckpointStore:
    """A list of checkpoints that answers as the filesystem would."""

    def __init__(self, *checkpoints: FoundCheckpoint) -> None:
        self.checkpoints = list(checkpoints)
        self.configs: dict[Path, tuple[str, datetime]] = {}

    def find(self, root: Path, patterns: Sequence[str], also: Sequence[Path] = ()) -> list[FoundCheckpoint]:
        below = [one for one in self.checkpoints if one.path.is_relative_to(root)]
        return [
            one
            for one in sorted(below, key=lambda one: one.path)
            if any(_matches(one.path.relative_to(root), pattern) for pattern in patterns)
        ]

    def find_config(self, root: Path, patterns: Sequence[str], also: Sequence[Path] = ()) -> ConfigFile | None:
        for pattern in patterns:
            for path, (text, at) in sorted(self.configs.items()):
                if path.is_relative_to(root) and _matches(path.relative_to(root), pattern):
                    return ConfigFile(path, len(text.encode()), at)
        return None

    def read_text(self, path: Path, limit: int) -> str:
        return self.configs[path][0][:limit]


def _matches(path: Path, pattern: str) -> bool:
    """`match` alone would let a pattern begin at any folder."""
    return len(path.parts) == len(PurePosixPath(pattern).parts) and path.match(pattern)
