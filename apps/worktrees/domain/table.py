"""The practice's table of what is local in a worktree and what is shared ('Use worktrees, not clones'). Pure."""

from collections.abc import Sequence
from fnmatch import fnmatchcase

OWN = ("CLAUDE.md", "CLAUDE")
LOCAL = ("outputs", "wandb", "logs")
SHARED = (".env", ".envrc", ".python-version", "node_modules", ".cache", "*_cache")
EITHER = (".venv", "venv")
# What a tool makes again by itself: it goes with the worktree and is no loss. A cache or an environment of the checkout
# lies at its root; a folder of such a name further down may hold what nobody makes again.
MADE_AGAIN = (
    "__pycache__", "*.pyc", "*.pyo", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".ipynb_checkpoints", ".DS_Store",
    ".coverage", ".hypothesis",
)  # fmt: skip
MADE_AGAIN_AT_ROOT = ("*.egg-info", "src/*.egg-info", ".venv", "venv", "node_modules", ".cache")


def is_shared(name: str) -> bool:
    """Tell whether a name at a checkout's root is shared by a link. As in a shell `*` stands for no leading dot."""
    return any(
        fnmatchcase(name, pattern) and (not name.startswith(".") or pattern.startswith(".")) for pattern in SHARED
    )


def is_either(name: str) -> bool:
    """Tell whether a name may be a link or a copy."""
    return name in EITHER


def is_of_the_table(name: str) -> bool:
    return name in OWN or name in LOCAL or is_either(name) or is_shared(name)


def is_made_again(path: str) -> bool:
    """Tell whether a path, relative to a checkout's root, is something that a tool makes again.

    Nothing that runs write is, whatever its name.
    """
    parts = [part for part in path.split("/") if part]
    if not parts or parts[0] in LOCAL:
        return False
    return any(_begins(parts, pattern.split("/")) for pattern in MADE_AGAIN_AT_ROOT) or any(
        fnmatchcase(part, pattern) for part in parts for pattern in MADE_AGAIN
    )


def _begins(parts: Sequence[str], patterns: Sequence[str]) -> bool:
    return len(parts) >= len(patterns) and all(map(fnmatchcase, parts, patterns))
