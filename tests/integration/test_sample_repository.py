"""The sample workspace of `make run` is a repository with branches, made by real git."""

import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from apps.sandbox.sample.layout import write_workspace
from apps.sandbox.sample.repository import make_repository


def git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], check=True, capture_output=True, text=True)
    return done.stdout


def test_the_sample_has_a_branch_under_way_and_one_that_was_left_behind(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    root = tmp_path / "workspace"
    assert git(root, "status", "--porcelain") == "", "what trains and what is handed over is ignored"
    assert git(root, "log", "--format=%an: %s", "main").splitlines() == [
        "Mia: Log every seed (#12)",
        "Mia: Train on digits, and the sweeps that search it",
    ]
    assert git(root, "worktree", "list").count("\n") == 3
    assert len(git(root, "log", "--format=%h", "main..feature/warm-up").splitlines()) == 2
    assert git(tmp_path / "digits-warm-up", "status", "--porcelain") == " M experiments/README.md\n"


def test_a_second_start_makes_no_second_repository(tmp_path: Path) -> None:
    write_workspace(tmp_path)
    before = git(tmp_path / "workspace", "rev-parse", "--branches")
    write_workspace(tmp_path)
    assert git(tmp_path / "workspace", "rev-parse", "--branches") == before


def test_without_git_the_sample_is_made_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.sandbox.sample.repository.shutil.which", lambda _: None)
    make_repository(tmp_path, datetime(2026, 11, 20, tzinfo=UTC))
    assert not (tmp_path / ".git").exists()
