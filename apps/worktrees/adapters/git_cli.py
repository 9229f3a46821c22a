"""A repository by git's command line. Each answer is one process, for however many branches and worktrees."""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path

from apps.core.errors import Permanent, Transient
from apps.core.git import Git, GitRefused
from apps.handovers.adapters.checkouts import small_text
from apps.worktrees.adapters.drivers import without_drivers
from apps.worktrees.adapters.own_files import held, stamp_of_repository
from apps.worktrees.adapters.parsing import entries_in, overlooked_in, patch_ids, status_in
from apps.worktrees.domain.facts import shown
from apps.worktrees.domain.merging import History, Noted, noted_in
from apps.worktrees.ports import Entry, NoRepository, Ref, Status

SECONDS = 30.0
ACT_SECONDS = 300.0
MOST_COMMITS = 200_000
LOG_BYTES = 4 << 20
_BUSY = {
    "rebase-merge": "a rebase", "rebase-apply": "a rebase", "MERGE_HEAD": "a merge",
    "CHERRY_PICK_HEAD": "a cherry-pick", "REVERT_HEAD": "a revert", "BISECT_LOG": "a bisect",
}  # fmt: skip


class GitCli:
    def __init__(self, *, seconds: float = SECONDS, program: str = "git") -> None:
        self.git = Git(seconds=seconds, program=program)
        self._seconds, self._program = seconds, program

    def entries(self, root: Path) -> list[Entry]:
        try:
            common = self._common(root)
            text = self.git.ask(root, ["worktree", "list", "--porcelain", "-z"])
        except GitRefused as error:
            raise NoRepository(f"{root} is no checkout of git: {error}") from error
        return entries_in(text, _folders(common))

    def _common(self, root: Path) -> Path:
        """The folder that all worktrees share, read from git's own files."""
        own = root / ".git"
        if own.is_dir():
            return own
        told = small_text(own).removeprefix("gitdir:").strip()
        if not told:
            raise NoRepository(f"{root} is no checkout of git: it has no `.git`.")
        folder = (root / told).resolve()
        return (folder / (small_text(folder / "commondir") or ".")).resolve()

    def refs(self, root: Path) -> list[Ref]:
        form = "%(refname)%09%(objectname)%09%(upstream)%09%(symref)%09%(committerdate:unix)"
        text = self.git.ask(root, ["for-each-ref", f"--format={form}", "refs/heads", "refs/remotes"])
        rows = (line.split("\t") for line in text.splitlines())
        return [Ref(row[0], row[1], row[2], row[3], int(row[4] or 0)) for row in rows if len(row) == 5]

    def history(self, root: Path, tips: Sequence[str]) -> History:
        told = "\n".join(dict.fromkeys(tips)).encode()
        arguments = ["log", "--no-show-signature", "--format=%H %ct %P", f"--max-count={MOST_COMMITS}", "--stdin"]
        parents: dict[str, tuple[str, ...]] = {}
        times: dict[str, int] = {}
        for line in self.git.lines(root, arguments, stdin=told) if tips else ():
            sha, at, *above = line.decode().split()
            parents[sha], times[sha] = tuple(above), int(at)
        return History(parents, times)

    def patches(self, root: Path, shas: Iterable[str], sums: Iterable[tuple[str, str]] = ()) -> Mapping[str, str]:
        """Sums are asked backwards, so that what is printed before each begins with the name that differs."""
        wanted, backwards = list(dict.fromkeys(shas)), list(dict.fromkeys(sums))
        found: dict[str, str] = dict.fromkeys(wanted, "")
        found |= {f"{one}..{other}": "" for one, other in backwards}
        form = ["diff-tree", "--stdin", "-p", "-r", "--root", "--full-index", "--no-renames", "--no-ext-diff",
                "--no-textconv", "--no-color", "--no-prefix"]  # fmt: skip
        if wanted:
            found |= dict(patch_ids(self.git.lines(root, form, stdin=_lines(wanted))))
        by_tree: dict[str, list[str]] = {}
        for one, other in backwards:
            by_tree.setdefault(other, []).append(f"{one}..{other}")
        if backwards:
            trees = self._trees(root, [sha for pair in backwards for sha in pair])
            for start, names in _rounds(backwards, trees):
                told = dict(patch_ids(self.git.lines(root, [*form, "-R"], stdin=_lines(start))))
                found |= {f"{one}..{other}": told.get(trees[other], "") for one, other in names}
        return found

    def _trees(self, root: Path, shas: Sequence[str]) -> dict[str, str]:
        wanted = list(dict.fromkeys(shas))
        told = self.git.ask(
            root, ["cat-file", "--batch-check=%(objectname)"], stdin=_lines(f"{one}^{{tree}}" for one in wanted)
        )
        return dict(zip(wanted, told.split("\n"), strict=False))

    def adds_nothing(self, root: Path, base: str, tip: str) -> bool:
        common = self._common(root)
        with tempfile.TemporaryDirectory(prefix="sweepboard-objects-") as scratch:
            mark = Path(scratch) / "driver-asked"
            own = {
                "GIT_OBJECT_DIRECTORY": scratch,
                "GIT_ALTERNATE_OBJECT_DIRECTORIES": str((common / "objects").resolve()),
                **without_drivers(self.git, root, mark),
            }
            git = Git(seconds=self._seconds, program=self._program, environment=own)
            self.git.asked += 1
            # Without a work tree no attribute of it names a filter that would be run.
            said = git.run(
                root, [f"--git-dir={common}", "-c", "core.bare=true", "merge-tree", "--write-tree", base, tip]
            )
            if mark.exists():
                raise Permanent("A merge driver of the repository would decide it, and is not run here.")
        if said.status > 1:
            raise Transient(f"git merge-tree said: {said.words or 'nothing'}.")
        tree = said.text.split("\n", 1)[0].strip()
        return said.status == 0 and tree == self._trees(root, [base])[base]

    def tracked(self, root: Path, wanted: Iterable[tuple[str, str]]) -> set[tuple[str, str]]:
        pairs = [(sha, path) for sha, path in dict.fromkeys(wanted) if sha and "\n" not in path]
        if not pairs:
            return set()
        told = self.git.ask(root, ["cat-file", "--batch-check"], stdin=_lines(f"{sha}:{path}" for sha, path in pairs))
        return {pair for pair, line in zip(pairs, told.splitlines(), strict=False) if not line.endswith(" missing")}

    def status(self, checkout: Path) -> Status:
        told = ["status", "--porcelain=v2", "-z", "--untracked-files=normal", "--ignored=traditional",
                "--ignore-submodules=none", "--no-renames"]  # fmt: skip
        return status_in(self.git.ask(checkout, told))

    def overlooked(self, checkout: Path) -> tuple[str, ...]:
        names = overlooked_in(self.git.ask(checkout, ["ls-files", "-v", "-z"]))
        return tuple(name for name in names if os.path.lexists(checkout / name))

    def noted(self, entry: Entry) -> Noted:
        if entry.folder is None:
            return Noted()
        common = entry.folder if entry.is_main else entry.folder.parent.parent
        logs = [entry.folder / "logs" / "HEAD"]
        if entry.branch:
            logs = [common / "logs" / "refs" / "heads" / entry.branch]
        return noted_in("".join(_tail_of(log) for log in logs), entry.branch)

    def busy(self, entry: Entry) -> str:
        if entry.folder is None:
            return ""
        return next((what for name, what in _BUSY.items() if os.path.lexists(entry.folder / name)), "")

    def argv(self, root: Path, arguments: Sequence[str]) -> list[str]:
        return self.git.argv(root, arguments)

    def act(self, root: Path, arguments: Sequence[str]) -> str:
        return self.git.ask(root, arguments, seconds=max(ACT_SECONDS, self._seconds))

    def stamp(self, root: Path) -> str:
        return stamp_of_repository(self._common(root))

    def lock(self, root: Path) -> AbstractContextManager[None]:
        return held(self._common(root) / "sweepboard-worktrees.lock")

    def commit_of(self, root: Path, name: str) -> str:
        refused = f"'{shown(name)}' is no branch or commit of {root}."
        if not _can_be_told(name):
            raise GitRefused(refused)
        try:
            told = self.git.ask(root, ["rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}"])
        except GitRefused as error:
            raise GitRefused(refused) from error
        return told.strip()

    def may_be_branch(self, root: Path, name: str) -> bool:
        if not name.isprintable() or name.startswith("-"):
            return False
        said = self.git.run(root, ["check-ref-format", "--branch", name])
        return said.status == 0 and said.text.strip() == name  # of @{-1} it tells the branch that was left


def _can_be_told(name: str) -> bool:
    """Tell whether a text can be an argument of a program at all."""
    try:
        return b"\0" not in os.fsencode(name)
    except UnicodeEncodeError:
        return False


def _lines(texts: Iterable[str]) -> bytes:
    return "".join(f"{text}\n" for text in texts).encode("utf-8", "surrogateescape")


def _rounds(
    pairs: Sequence[tuple[str, str]], trees: Mapping[str, str]
) -> list[tuple[list[str], list[tuple[str, str]]]]:
    """Part the pairs so that in each round a tree is the later side of one pair only: by it the answer is known."""
    rounds: list[dict[str, tuple[str, str]]] = []
    for one, other in pairs:
        key = trees[other]
        for taken in rounds:
            if key not in taken:
                taken[key] = (one, other)
                break
        else:
            rounds.append({key: (one, other)})
    return [
        ([f"{trees[other]} {trees[one]}" for one, other in taken.values()], list(taken.values())) for taken in rounds
    ]


def _folders(common: Path) -> dict[str, Path]:
    """Git's own folder of every checkout, by the checkout's path as git lists it."""
    found = {str(common.parent): common} if common.name == ".git" else {}
    try:
        entries = [path for path in (common / "worktrees").iterdir() if path.is_dir()]
    except OSError:
        entries = []
    for entry in entries:
        told = small_text(entry / "gitdir")
        if told:
            found[str((entry / told).parent)] = entry
    return found


def _tail_of(log: Path) -> str:
    """The log, of a very long one its end; the first line then does not begin a branch."""
    try:
        size = log.stat().st_size
        with log.open("rb") as file:
            file.seek(max(0, size - LOG_BYTES))
            return file.read(LOG_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""
