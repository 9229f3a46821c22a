"""What the planner of cherry-picks asks git, and the scratch worktree in which it tries them."""

import fcntl
import os
import re
import shutil
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import structlog

from apps.core.errors import Permanent, SweepboardError
from apps.core.git import Git, GitRefused
from apps.worktrees.adapters.drivers import without_drivers
from apps.worktrees.adapters.git_cli import GitCli
from apps.worktrees.adapters.parsing import status_in
from apps.worktrees.domain.facts import shown
from apps.worktrees.domain.picking import SCRATCH, Change, Commit, Trial, is_scratch

log = structlog.get_logger(__name__)
_HUNK = re.compile(rb"@@ -(\d+)(?:,(\d+))? \+\d+(?:,(\d+))? @@")
_SHA = re.compile(rb"[0-9a-f]{40,64}\n")
DRIVER_ASKED = "driver-asked"
_NAME = re.compile(r"[0-9a-f]{40,64}")
_BLAMED = re.compile(r"^([0-9a-f]{40,64}) \d+ \d+", re.MULTILINE)
# Nobody's own: what is tried is thrown away, and nothing of anybody's configuration may stop it.
_NOBODY = ("-c", "user.name=Sweepboard", "-c", "user.email=sweepboard@localhost", "-c", "commit.gpgSign=false",
           "-c", "rerere.enabled=false", "-c", "advice.detachedHead=false")  # fmt: skip


class GitPicks(GitCli):
    """``step`` is told what is about to happen, so that a test can end the process there."""

    def __init__(
        self, *, seconds: float = 30.0, budget: float = 120.0, program: str = "git",
        step: Callable[[str], None] = lambda step: None,
    ) -> None:  # fmt: skip
        super().__init__(seconds=seconds, program=program)
        self._budget, self._step = budget, step

    def commits(self, root: Path, source: str, target: str) -> list[Commit]:
        form = "%H%x00%P%x00%an <%ae>%x00%s%x00%b"
        text = self.git.ask(root, ["log", "--no-show-signature", "--topo-order", "--reverse", "-z", f"--format={form}",
                                   "--end-of-options", source, f"^{target}"])  # fmt: skip
        return _commits(text)

    def changes(self, root: Path, shas: Sequence[str]) -> Mapping[str, tuple[Change, ...]]:
        if not shas:
            return {}
        told = "".join(f"{sha}\n" for sha in shas).encode()
        common = ["diff-tree", "--stdin", "-r", "--root", "-M", "--no-ext-diff", "--no-textconv", "--no-color"]
        files = _files(self.git.ask(root, [*common, "--raw", "-z"], stdin=told), set(shas))
        spans = _spans(self.git.lines(root, [*common, "-p", "-U0"], stdin=told))
        return {sha: _changes(files.get(sha, []), spans.get(sha, [])) for sha in shas}

    def own_changes_of_merge(self, root: Path, sha: str) -> tuple[str, ...]:
        text = self.git.ask(root, ["diff-tree", "--cc", "--name-only", "-r", "-z", "--no-commit-id", sha])
        return tuple(name for name in text.split("\0") if name)

    def origins(self, root: Path, sha: str, path: str, ranges: Sequence[tuple[int, int]], since: str) -> set[str]:
        spans = [part for start, end in ranges for part in ("-L", f"{start},{end}")]
        told = ["blame", "--porcelain", "--no-textconv", *spans, sha, f"^{since}", "--", path]
        try:
            return set(_BLAMED.findall(self.git.ask(root, told)))
        except GitRefused:
            return set()  # an empty file has no lines

    def try_picks(self, root: Path, target: str, shas: Sequence[str]) -> Mapping[str, Trial]:
        self.sweep(root)
        over = time.monotonic() + self._budget
        found: dict[str, Trial] = {}
        with self._scratch(root, target) as (git, folder):
            for sha in shas:
                if time.monotonic() > over:
                    found[sha] = Trial("unknown", why=f"There was no time left after {self._budget:g} seconds.")
                    continue
                self._step(f"pick {sha}")
                found[sha] = _tried(git, folder, sha)
        return found

    @contextmanager
    def _scratch(self, root: Path, target: str) -> Iterator[tuple[Git, Path]]:
        """A detached worktree in a temporary folder; its objects are written there too, and all of it is removed.

        The lock dies with this process: by it the next one knows what a killed one left.
        """
        base = Path(tempfile.mkdtemp(prefix=SCRATCH))
        folder = base / "tree"
        (base / "objects").mkdir()
        held = (self._common(root) / "objects").resolve()
        own = {"GIT_OBJECT_DIRECTORY": str(base / "objects"), "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(held)}
        git = Git(seconds=self._seconds, program=self._program, environment=own)
        descriptor = os.open(base / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            self._step("scratch")
            git.ask(
                root, ["worktree", "add", "--quiet", "--detach", "--lock", "--reason", _reason(), str(folder), target]
            )
            own |= without_drivers(git, folder, base / DRIVER_ASKED)
            yield Git(seconds=self._seconds, program=self._program, environment=own), folder
        finally:
            self._remove(root, folder)
            os.close(descriptor)
            shutil.rmtree(base, ignore_errors=True)

    def sweep(self, root: Path) -> int:
        """Remove what planners that were killed left behind on this machine; return how many."""
        count = 0
        for entry in self.entries(root):
            if is_scratch(entry.path) and entry.locked == _reason() and _is_left(entry.path.parent):
                self._remove(root, entry.path)
                shutil.rmtree(entry.path.parent, ignore_errors=True)
                log.info("worktrees.scratch.swept", path=str(entry.path))
                count += 1
        return count

    def _remove(self, root: Path, folder: Path) -> None:
        try:
            self.git.run(root, ["worktree", "remove", "--force", "--force", str(folder)])
        except SweepboardError as error:
            log.warning("worktrees.scratch.stays", path=str(folder), error=str(error))


def _commits(text: str) -> list[Commit]:
    """Read five fields for each commit, ended by NUL, which no message can hold; ``Permanent`` where they are not."""
    fields = text.split("\0")[:-1]
    rows = [fields[at : at + 5] for at in range(0, len(fields), 5)]
    if any(len(row) != 5 or not _NAME.fullmatch(row[0]) for row in rows):
        raise Permanent("What git log said cannot be read, so that no plan would be whole.")
    return [_commit(row) for row in rows]


def _commit(row: list[str]) -> Commit:
    author, subject, body = (shown(one) for one in row[2:])
    return Commit(row[0], tuple(row[1].split()), author, subject, body.strip())


def _reason() -> str:
    return f"sweepboard tries cherry-picks on {socket.gethostname()}"


def _is_left(base: Path) -> bool:
    """Tell whether nobody holds the scratch folder any more."""
    try:
        descriptor = os.open(base / "lock", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


def _tried(git: Git, folder: Path, sha: str) -> Trial:
    driver_asked = folder.parent / DRIVER_ASKED
    try:
        driver_asked.unlink(missing_ok=True)
        said = git.run(folder, [*_NOBODY, "cherry-pick", "-x", sha])
        if not said.status:
            return Trial("clean", why="It was picked without a conflict.")
        status = status_in(git.ask(folder, ["status", "--porcelain=v2", "-z", "--untracked-files=no"]))
        unmerged = git.ask(folder, ["diff", "--name-only", "--diff-filter=U", "-z"])
        git.ask(folder, ["reset", "--quiet", "--hard", "HEAD"])
    except SweepboardError as error:
        return Trial("unknown", why=str(error))
    if driver_asked.exists():
        return Trial("unknown", why="A merge driver of the repository would decide it, and is not run here.")
    files = tuple(dict.fromkeys(shown(name) for name in unmerged.split("\0") if name))
    if files or status.changes.conflicted:
        return Trial("conflict", files or status.dirty, f"It conflicts in {', '.join(files or status.dirty)}.")
    if not status.changes.total:
        return Trial("empty", why="Nothing is left of it on the target: what it does is there already.")
    return Trial("unknown", why=f"git cherry-pick said: {said.words}.")


def _files(text: str, shas: set[str]) -> dict[str, list[tuple[str, str, str]]]:
    """Read ``--raw -z``: for each commit its files as (kind, path before, path)."""
    found: dict[str, list[tuple[str, str, str]]] = {}
    parts, sha = iter(text.split("\0")), ""
    for part in parts:
        told = part.strip("\n")
        if told in shas:
            sha = told
        elif told.startswith(":"):
            kind = told.rsplit(" ", 1)[-1][:1]
            before = next(parts, "")
            after = next(parts, "") if kind in ("R", "C") else before
            found.setdefault(sha, []).append((kind, before if kind in ("R", "C") else "", after))
    return found


def _spans(lines: Iterator[bytes]) -> dict[str, list[tuple[int | None, list[tuple[int, int]]]]]:
    """Read ``-p -U0``: for each commit and file in order the number of lines, and where the hunks stand."""
    found: dict[str, list[tuple[int | None, list[tuple[int, int]]]]] = {}
    here: list[tuple[int | None, list[tuple[int, int]]]] = []
    for line in lines:
        if _SHA.fullmatch(line):
            here = found.setdefault(line.decode().strip(), [])
        elif line.startswith(b"diff --git "):
            here.append((0, []))
        elif line.startswith(b"Binary files ") and here:
            here[-1] = (None, [])
        elif (hunk := _HUNK.match(line)) and here:
            count, spans = here[-1]
            gone, new = int(hunk[2] or 1), int(hunk[3] or 1)
            here[-1] = ((count or 0) + gone + new, [*spans, _stands_on(int(hunk[1]), gone)])
    return found


def _stands_on(start: int, gone: int) -> tuple[int, int]:
    """The lines that a hunk takes, and one on each side: git cannot part a change from its neighbours."""
    if gone == 0:
        return max(1, start), start + 1
    return max(1, start - 1), start + gone


def _changes(
    files: Sequence[tuple[str, str, str]], spans: Sequence[tuple[int | None, list[tuple[int, int]]]]
) -> tuple[Change, ...]:
    if len(spans) != len(files):
        spans = [(0, [])] * len(files)
    return tuple(
        Change(path, kind, before, count, tuple(ranges))
        for (kind, before, path), (count, ranges) in zip(files, spans, strict=True)
    )
