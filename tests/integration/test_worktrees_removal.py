"""Clean-ups that git breaks off, or during which something changes: put right where that is safe, told as it is."""

import os
import stat
import subprocess
from pathlib import Path

import pytest

from apps.core.errors import Permanent
from apps.workspaces.models import Workspace
from apps.worktrees.services.cleaning import clean_up, prepare_clean
from apps.worktrees.services.looking import Tools
from tests.factories.moments import NOW
from tests.factories.worktrees import (
    clean,
    furnished,
    git,
    merged,
    none_run,
    odd_git,
    registered,
    shown,
    state_of,
    worktree,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return furnished(tmp_path)


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return registered(root)


def clean_with(odd: Tools, workspace: Workspace, path: Path) -> str:
    plan = prepare_clean(root=workspace.path, path=path, tools=odd, now=NOW, jobs=none_run, workspace=workspace)
    return clean_up(root=workspace.path, path=path, digest=plan.digest, tools=odd, now=NOW, actor="mia", jobs=none_run,
                    workspace=workspace)  # fmt: skip


def test_what_git_will_not_remove_after_all_is_put_back(workspace: Workspace, root: Path) -> None:
    folder = merged(root)
    for home in (folder, root):
        (home / "CLAUDE.md").write_text("# mine\n")
    (folder / ".env").symlink_to(root / ".env")
    (folder / "CLAUDE").mkdir()
    for home in (folder, root):
        (home / "CLAUDE").mkdir(exist_ok=True)
        (home / "CLAUDE" / "HO-20261103-1405-a1b2c3.md").write_text("# same\n")
    odd = odd_git(root, 'echo "no: busy" >&2; exit 1')
    before = state_of(root)
    with pytest.raises(Permanent, match=r"no: busy.*put back"):
        clean_with(odd, workspace, folder)
    assert state_of(root) == before
    assert (folder / "CLAUDE.md").read_text() == "# mine\n"
    assert (folder / ".env").readlink() == root / ".env"


def test_links_modes_and_odd_files_that_were_deleted_come_back_as_they_were(workspace: Workspace, root: Path) -> None:
    folder = merged(root)
    os.mkfifo(folder / "CLAUDE.md")
    (folder / "CLAUDE" / "empty").mkdir(parents=True)
    (folder / "CLAUDE" / "latest.md").symlink_to("../train.py")
    for home in (folder, root):
        (home / "CLAUDE").mkdir(exist_ok=True)
        (home / "CLAUDE" / "run.sh").write_text("true\n")
    (folder / "CLAUDE" / "run.sh").chmod(0o755)
    before = state_of(root)
    with pytest.raises(Permanent, match="put back"):
        clean_with(odd_git(root, "exit 1"), workspace, folder)
    assert [one for one in state_of(root)[2] if not one.endswith("odd-git")] == before[2]
    assert (folder / "CLAUDE" / "latest.md").readlink() == Path("../train.py")
    assert (folder / "CLAUDE" / "run.sh").stat().st_mode & 0o777 == 0o755
    assert stat.S_ISFIFO((folder / "CLAUDE.md").lstat().st_mode)
    clean(workspace, folder)
    assert not folder.exists()
    assert (root / "train.py").exists()


def test_a_worktree_whose_folder_is_a_link_is_refused(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    folder = merged(root)
    folder.rename(tmp_path / "scratch")
    folder.symlink_to(tmp_path / "scratch")
    with pytest.raises(Permanent, match="is a link"):
        clean(workspace, folder)
    assert (tmp_path / "scratch" / "train.py").exists()


def test_what_a_removal_that_broke_off_took_is_checked_out_again_and_told(
    workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = merged(root)
    (folder / ".env").symlink_to(root / ".env")
    monkeypatch.setattr("apps.worktrees.adapters.git_cli.ACT_SECONDS", 1)
    odd = odd_git(root, f"rm {folder}/train.py {folder}/schedule.py; exec sleep 30", seconds=1)
    with pytest.raises(Permanent, match=r"git removed part of it: schedule\.py, train\.py.*checked out again"):
        clean_with(odd, workspace, folder)
    assert git(folder, "status", "--porcelain", "--untracked-files=no") == ""
    assert (folder / ".env").is_symlink()


def test_nothing_is_checked_out_over_a_change_that_came_while_a_removal_broke_off(
    workspace: Workspace, root: Path
) -> None:
    folder = merged(root)
    odd = odd_git(root, f"rm {folder}/train.py; echo mine > {folder}/schedule.py; echo no >&2; exit 1")
    with pytest.raises(Permanent, match=r"git removed part of it: train\.py.*git checkout -- <file>"):
        clean_with(odd, workspace, folder)
    assert (folder / "schedule.py").read_text() == "mine\n"
    assert not (folder / "train.py").exists()


def test_a_removal_that_took_the_record_and_left_files_is_told_as_it_is(workspace: Workspace, root: Path) -> None:
    folder = merged(root)
    odd = odd_git(root, f"git -C {root} worktree remove {folder}; mkdir {folder}; touch {folder}/kept.pyc; exit 1")
    with pytest.raises(Permanent, match=r"git removed part of it.*kept\.pyc.*feature/done stays"):
        clean_with(odd, workspace, folder)


def test_a_removal_that_was_done_though_git_did_not_say_so_is_done(workspace: Workspace, root: Path) -> None:
    folder = merged(root)
    odd = odd_git(root, f"git -C {root} worktree remove {folder}; exit 1")
    assert "is cleaned up" in clean_with(odd, workspace, folder)


def test_the_records_of_worktrees_that_are_not_there_are_named_before_they_go(workspace: Workspace, root: Path) -> None:
    folder, gone = merged(root), worktree(root, "gone")
    subprocess.run(["rm", "-r", str(gone)], check=True)
    plan = shown(workspace, folder)
    assert any(str(gone) in one for one in plan.goes)
    assert plan.steps[-1].argv[-2:] == ("worktree", "prune")
    clean(workspace, folder)
    assert str(gone) not in git(root, "worktree", "list")


def test_the_record_of_a_worktree_that_went_away_since_it_was_shown_stays(workspace: Workspace, root: Path) -> None:
    folder, other = merged(root), worktree(root, "other")
    digest = shown(workspace, folder).digest
    other.rename(other.parent / "unmounted")
    with pytest.raises(Permanent, match="changed since it was shown"):
        clean(workspace, folder, digest)
    (other.parent / "unmounted").rename(other)
    assert shown(workspace, folder).digest == digest
    late = odd_git(root, f"mv {other} {other.parent / 'unmounted'}")
    clean_with(late, workspace, folder)
    assert not folder.exists()
    assert str(other) in git(root, "worktree", "list")


def test_it_is_refused_when_it_changed_since_it_was_shown_though_it_may_still_go(
    workspace: Workspace, root: Path
) -> None:
    folder = merged(root)
    digest = shown(workspace, folder).digest
    (folder / ".env").symlink_to(root / ".env")
    with pytest.raises(Permanent, match="changed since it was shown"):
        clean(workspace, folder, digest)
    assert folder.exists()
