"""The sample workspace as a git repository: a branch under way in a worktree, and one that was merged and left."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path

IGNORED = "CLAUDE.md\nCLAUDE/\nlogs/\noutputs/\nwandb/\n__pycache__/\n"
WARM_UP = """# Warm-up from none to two epochs, on three seeds.
method: grid
parameters:
  warmup_epochs: {values: [0, 1, 2]}
  seed: {values: [1, 2, 3]}
"""


def make_repository(root: Path, now: datetime) -> None:
    """Make the repository once; what a later start finds there is left as it is. Without git there is none."""
    if (root / ".git").exists() or shutil.which("git") is None:
        return
    begun = _Git(root, now - timedelta(days=5), "Mia")
    begun("init", "-q", "-b", "main")
    (root / ".gitignore").write_text(IGNORED)
    begun("add", ".")
    begun("commit", "-q", "-m", "Train on digits, and the sweeps that search it")
    _merged(root, now)
    _under_way(root, now)


def _merged(root: Path, now: datetime) -> None:
    """A branch that came into main as one commit, and whose worktree nobody cleaned up."""
    path, at = root.parent / "digits-seeds", now - timedelta(days=3)
    _Git(root, at, "coder-1")("worktree", "add", "-q", "-b", "fix/seeds", str(path))
    (path / "NOTES.md").write_text("# Seeds\n\nEvery run logs the seed of Python, NumPy and PyTorch.\n")
    there = _Git(path, at, "coder-1")
    there("add", "NOTES.md")
    there("commit", "-q", "-m", "Say which seeds are logged")
    main = _Git(root, at + timedelta(hours=2), "Mia")
    main("merge", "-q", "--squash", "fix/seeds")
    main("commit", "-q", "-m", "Log every seed (#12)")


def _under_way(root: Path, now: datetime) -> None:
    """A branch with two commits that nobody handed over, and a change that is not committed."""
    path = root.parent / "digits-warm-up"
    _Git(root, now, "coder-2")("worktree", "add", "-q", "-b", "feature/warm-up", str(path))
    for hours, name, text, said in (
        (20, "experiments/warm-up.yaml", WARM_UP, "Sweep over the length of the warm-up"),
        (3, "experiments/README.md", "Warm-up is counted in epochs.\n", "Say how warm-up is counted"),
    ):
        (path / name).write_text(text)
        there = _Git(path, now - timedelta(hours=hours), "coder-2")
        there("add", name)
        there("commit", "-q", "-m", said)
    (path / "experiments/README.md").write_text("Warm-up is counted in steps.\n")


class _Git:
    """Git in one folder, as one author at one time, whatever this machine's own settings are."""

    def __init__(self, folder: Path, at: datetime, who: str) -> None:
        told: Mapping[str, str] = {
            f"GIT_{role}_{what}": value
            for role in ("AUTHOR", "COMMITTER")
            for what, value in (("NAME", who), ("EMAIL", f"{who.lower()}@example.org"), ("DATE", at.isoformat()))
        }
        own = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        left = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        self._folder, self._environment = folder, {**left, **told, **own}

    def __call__(self, *arguments: str) -> None:
        command = ["git", "-C", str(self._folder), *arguments]
        subprocess.run(command, env=self._environment, check=True, capture_output=True, timeout=60)
