"""Reading on in one log: what was appended, through rotations, cuts and gaps, within limits."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from apps.joblogs.domain import LogState, begin_again, follow, leave_gap, peek
from apps.joblogs.finding import Finder, Found
from apps.joblogs.models import LogFile
from apps.joblogs.ports import FileStamp
from apps.workspaces.config import LogsConfig

CHUNK = 1 << 20
MAX_NOTES = 10


class Budget:
    """What a pass may still read: bytes and seconds, asked between chunks."""

    def __init__(self, limits: LogsConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.left = limits.max_bytes_per_pass
        self._clock = clock
        self._until = clock() + limits.seconds_per_pass

    @property
    def spent(self) -> bool:
        return self.left <= 0 or self._clock() >= self._until

    def spend(self, count: int) -> None:
        self.left -= count


@dataclass
class Reading:
    """One log in one pass. Its methods change ``row`` and ``state`` and return the run ids whose traces changed."""

    row: LogFile
    found: Found
    state: LogState
    finder: Finder
    limits: LogsConfig
    budget: Budget

    @property
    def path(self) -> Path:
        return Path(self.row.path)

    def read_on(self) -> set[str]:
        """Read what was appended, first to a file that was renamed, then to the one that is there now."""
        stamp = self.found.stamp
        changed: set[str] = set()
        moved = stamp is None or bool(self.row.inode and self.row.inode != stamp.inode)
        old = self._old_file() if moved else None
        if old is not None:
            changed |= self._consume(*old)
            empty = stamp is None or stamp.size == 0  # whoever holds the old file open still writes there
            if empty or self.row.behind:
                return changed
        if stamp is None:
            return changed
        if old is not None and self.state.rest:
            changed |= follow(self.state, b"", at=old[1].modified_at, max_line=self.limits.max_line_bytes, last=True)
        if moved or self._was_rewritten(stamp):
            self._begin_again(keeps_run=old is not None, was_cut=not moved)
        self.row.inode = stamp.inode
        return changed | self._consume(self.path, stamp)

    def _old_file(self) -> tuple[Path, FileStamp] | None:
        path = self.finder.renamed(self.path, self.row.inode)
        stamp = self.finder.store.stamp(path) if path is not None else None
        if path is None or stamp is None or stamp.inode != self.row.inode or stamp.size < self.row.offset:
            return None
        return path, stamp

    def _was_rewritten(self, stamp: FileStamp) -> bool:
        """Tell whether the file was cut short, even if it has grown again beyond what was read.

        Zeros before the offset are a hole: the writer went on at its own offset after the cut.
        """
        if stamp.size < self.row.offset:
            return True
        mark = self.state.mark
        if not mark or not self.row.offset:
            return False
        before = self.finder.store.read(self.path, self.row.offset - len(mark), len(mark))
        return before != mark and bool(before.strip(b"\x00"))

    def _begin_again(self, *, keeps_run: bool, was_cut: bool) -> None:
        """The run goes on in a new file after a rotation; in a file that was cut short it starts again."""
        run_id = self.state.run_id
        begin_again(self.state, same_run=was_cut)
        if keeps_run:
            self.state.run_id, self.state.closed = run_id, False
        self.row.offset = 0

    def _consume(self, path: Path, stamp: FileStamp) -> set[str]:
        changed: set[str] = set()
        self._plan_gap(stamp.size)
        while self.row.offset < stamp.size and not self.budget.spent:
            if self.row.offset == self.state.gap_at:
                self._leave_gap(stamp.size)
            stop = min(stamp.size, self.state.gap_at or stamp.size, self.row.offset + min(CHUNK, self.budget.left))
            chunk = self.finder.store.read(path, self.row.offset, stop - self.row.offset)
            if not chunk:
                break
            self.budget.spend(len(chunk))
            begins, most = self.row.offset, self.limits.max_line_bytes
            self.row.offset += len(chunk)
            changed |= follow(self.state, chunk, at=stamp.modified_at, max_line=most, offset=begins)
        self.row.behind = self.row.offset < stamp.size
        return changed | self._last_line(stamp.modified_at)

    def _last_line(self, at: datetime) -> set[str]:
        """Nobody ends the last line of a job that has ended."""
        if self.found.ended and not self.row.behind and self.state.rest:
            return follow(self.state, b"", at=at, max_line=self.limits.max_line_bytes, last=True)
        return peek(self.state, at=at)

    def _plan_gap(self, size: int) -> None:
        if self.state.gap_at is None and size - self.row.offset > self.limits.max_bytes_per_log:
            self.state.gap_at = self.row.offset + self.limits.max_bytes_per_log // 2

    def _leave_gap(self, size: int) -> None:
        """Jump to where the tail begins, and note what was left out."""
        target = max(self.row.offset, size - (self.limits.max_bytes_per_log - self.limits.max_bytes_per_log // 2))
        skipped = target - self.row.offset
        self.state.gap_at = None
        if not skipped:
            return
        text = (
            f"{skipped} bytes from byte {self.row.offset} on were not read: the log grew faster than the limits allow."
        )
        note = {"class": "gap", "line": self.state.line + 1 if self.state.numbered else 0, "text": text}
        self.row.notes = [*self.row.notes, note][-MAX_NOTES:]
        self.row.skipped_bytes += skipped
        self.row.offset = target
        leave_gap(self.state)
