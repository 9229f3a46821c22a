"""What is left of a worktree whose removal git broke off: looked at, told truly, put right where that is safe."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from apps.core.errors import SweepboardError
from apps.worktrees.domain.facts import Facts, shown
from apps.worktrees.ports import Status
from apps.worktrees.services.looking import Tools

AT_ONCE = 500  # files of one `git checkout`, so that its arguments fit


@dataclass(frozen=True, slots=True)
class Remains:
    """``gone`` where nothing is left; ``said`` are sentences on what git took, empty where it took nothing."""

    gone: bool
    said: str = ""


def look_again(facts: Facts, main: Path, tools: Tools) -> Remains:
    """Look at what git left of a worktree; what git has and it took is checked out again where only that changed.

    Does not raise: what cannot be looked at is said.
    """
    path = Path(facts.path)
    try:
        is_listed = any(one.path == path for one in tools.git.entries(main))
        if is_listed and os.path.lexists(path):
            return Remains(False, _restored(path, tools))
        if is_listed:
            return Remains(False, "git removed its folder and left its record: `git worktree prune` forgets it.")
        left = sorted(one.name for one in path.iterdir()) if path.is_dir() else []
    except (SweepboardError, OSError) as error:
        return Remains(False, f"What git removed of it could not be looked at: {error}")
    if not os.path.lexists(path):
        return Remains(True)
    return Remains(
        False,
        f"git removed part of it, and its record. What is left lies in {path}: {_named(left) or 'nothing'}. "
        f"{facts.branch or facts.head[:12]} stays in the repository.",
    )


def _restored(path: Path, tools: Tools) -> str:
    if not (path / ".git").is_file():
        return "git removed part of it: `git worktree repair`, then `git checkout -- .` in it, bring that back."
    status = tools.git.status(path)
    missing = _missing(status, path)
    if not missing:
        return ""
    told = f"git removed part of it: {_named(missing)}; what it ignores may be gone too."
    if _is_changed(status, missing):
        return f"{told} Other files were changed meanwhile: `git checkout -- <file>` brings one of these back."
    for start in range(0, len(missing), AT_ONCE):
        tools.git.act(path, ["--literal-pathspecs", "checkout", "--", *missing[start : start + AT_ONCE]])
    return f"{told} What git has was checked out again."


def _missing(status: Status, path: Path) -> list[str]:
    return [one for one in status.dirty if not os.path.lexists(path / one)]


def _is_changed(status: Status, missing: Sequence[str]) -> bool:
    """Tell whether more was changed than that files went away; what git does not have stays as it is anyway."""
    expected = {*missing, *status.untracked}
    is_in_index = status.changes.staged > 0 or status.changes.conflicted > 0
    return is_in_index or any(one not in expected for one in status.dirty)


def _named(names: Sequence[str]) -> str:
    more = f" and {len(names) - 5} more" if len(names) > 5 else ""
    return shown(f"{', '.join(names[:5])}{more}")
