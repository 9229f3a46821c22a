"""Handover documents and the folders in which they lie: real git checkouts with worktrees."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

from apps.handovers.domain.document import Box, Check, Decision
from apps.handovers.domain.keys import key_in
from apps.handovers.domain.writing import Draft, write
from apps.workspaces.models import Workspace
from tests.factories.rows import WorkspaceFactory

KEY = "HO-20261103-1405-a1b2c3"
LATER = "HO-20261105-0910-d4e5f6"
AT = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)


def draft(key: str = KEY, **changes: object) -> Draft:
    """A whole document of a team that tunes a learning-rate schedule."""
    told: dict[str, object] = {
        "key": key,
        "date": told_by.at if (told_by := key_in(key)) and told_by.at else AT,
        "focus": "why the cosine schedule stalls",
        "next_actions": ("Resume run 8x2kq0ab from step 5400",),
        "agent": "coder-1",
        "branch": "feature/cosine",
        "changes": ("Warm-up is counted in steps, sweep swp00001 uses it",),
        "checks": (Check("pytest -q tests/unit", "212 passed"),),
        "pending": (Box("Rerun the ablation", False), Box("Log the seed", True)),
        "decisions": (Decision("Drop the cosine schedule", "no gain over linear at 3 seeds"),),
    }
    return Draft(**{**told, **changes})  # type: ignore[arg-type]  # the test's own values


def document(key: str = KEY, **changes: object) -> str:
    return write(draft(key, **changes))


def put(root: Path, name: str, text: str | bytes, *, archived: bool = False) -> Path:
    """Write one file into a checkout's `CLAUDE/`; return its path."""
    path = root / "CLAUDE" / ("archive" if archived else "") / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def workspace_at(root: Path, **changes: object) -> Workspace:
    root.mkdir(parents=True, exist_ok=True)
    return WorkspaceFactory(name="glue", root=str(root), **changes)


def git(folder: Path, *arguments: str) -> str:
    """Run git as nobody in particular; return what it said."""
    identity = ["-c", "user.name=Mia", "-c", "user.email=mia@example.org", "-c", "init.defaultBranch=main"]
    done = subprocess.run(
        ["git", *identity, "-C", str(folder), *arguments], capture_output=True, text=True, timeout=30, check=True
    )
    return done.stdout


def repository(root: Path) -> Path:
    """A checkout with one commit on main."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "-q")
    (root / "train.py").write_text("print('training')\n")
    git(root, "add", "train.py")
    git(root, "commit", "-q", "-m", "Begin")
    return root


def worktree(root: Path, branch: str) -> Path:
    """A worktree beside ``root`` with a branch of its own."""
    folder = root.parent / f"{root.name}-{branch.replace('/', '-')}"
    git(root, "worktree", "add", "-q", "-b", branch, str(folder))
    return folder
