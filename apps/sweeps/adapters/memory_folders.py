"""Run folders held in memory, and an uploader that only notes what it was asked, for tests."""

from collections.abc import Callable
from pathlib import Path

from apps.core.errors import Permanent, SweepboardError
from apps.sweeps.ports import FolderStamp, LocalRun


class MemoryRunFolders:
    """A dict of folders; ``failure`` makes every call raise it."""

    def __init__(self) -> None:
        self.requests = 0
        self.folders: dict[FolderStamp, LocalRun] = {}
        self.failure: SweepboardError | None = None

    def list(self, root: Path) -> list[FolderStamp]:
        self._perhaps_fail()
        inside = [stamp for stamp in self.folders if stamp.path.is_relative_to(root / "wandb")]
        return sorted(inside, key=lambda stamp: stamp.modified_at, reverse=True)

    def read(self, path: Path) -> LocalRun:
        self.requests += 1
        self._perhaps_fail()
        for stamp, local in self.folders.items():
            if stamp.path == path:
                return local
        raise Permanent(f"W&B's client cannot read {path}.")

    def _perhaps_fail(self) -> None:
        if self.failure is not None:
            raise self.failure


class MemoryUploader:
    """Says ``lines`` and ends, or raises ``failure``; ``uploaded`` and ``projects`` list what it was asked for."""

    def __init__(self, *lines: str, failure: SweepboardError | None = None) -> None:
        self.lines = lines
        self.failure = failure
        self.uploaded: list[Path] = []
        self.projects: list[str] = []

    def upload(self, path: Path, say: Callable[[str], None], project: str = "") -> None:
        for line in self.lines:
            say(line)
        if self.failure is not None:
            raise self.failure
        self.uploaded.append(path)
        self.projects.append(project)
