"""What lies in a worktree and nowhere else, looked at in real checkouts: no link and no copy hides it."""

import os
import subprocess
from pathlib import Path

import pytest

from apps.handovers.domain.index import Pointer, with_pointer
from apps.worktrees.adapters.files import CheckoutFiles
from apps.worktrees.adapters.git_cli import GitCli
from apps.worktrees.services.looking import Tools, look_at
from tests.factories.worktrees import facts_at, glue, merged, tools


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return glue(tmp_path)


def test_only_what_lies_nowhere_else_is_held_here(root: Path) -> None:
    folder = merged(root)
    for place in (root, folder):
        (place / ".env").write_text("KEY=1\n")
        (place / "CLAUDE").mkdir()
        (place / "CLAUDE" / "HO-20261103-1405-a1b2c3.md").write_text("# same\n")
    (folder / "outputs" / "r1" / "checkpoints").mkdir(parents=True)
    (folder / "outputs" / "r1" / "checkpoints" / "step_10.pt").write_bytes(b"x" * 2048)
    (folder / "__pycache__").mkdir()
    (folder / "__pycache__" / "a.pyc").write_bytes(b"x")
    (folder / "logs").mkdir()
    (folder / "CLAUDE" / "HO-20261104-1405-a1b2c4.md").write_text("# only here\n")
    told = facts_at(root, folder)
    assert told.held is not None
    assert {(one.path, one.files, one.bytes) for one in told.held} == {("outputs/", 1, 2048), ("CLAUDE/", 1, 12)}
    (root / "CLAUDE" / "archive").mkdir()
    (root / "CLAUDE" / "archive" / "HO-20261104-1405-a1b2c4.md").write_text("# only here\n")
    (folder / ".env").write_text("KEY=2\n")
    assert {one.path for one in facts_at(root, folder).held or ()} == {"outputs/", ".env"}


def test_a_link_of_the_main_checkout_into_the_worktree_is_no_copy_and_a_hard_link_is_one(root: Path) -> None:
    folder = merged(root)
    for name in ("outputs/run1", "outputs/run2", "CLAUDE"):
        (folder / name).mkdir(parents=True)
        (folder / name / "only_one.md").write_text("the only one")
    (root / "outputs" / "run2").mkdir(parents=True)
    (root / "outputs" / "run1").symlink_to(folder / "outputs" / "run1")
    (root / "outputs" / "run2" / "only_one.md").hardlink_to(folder / "outputs" / "run2" / "only_one.md")
    (root / "CLAUDE").symlink_to(folder / "CLAUDE")
    assert {(one.path, one.files) for one in facts_at(root, folder).held or ()} == {("outputs/", 1), ("CLAUDE/", 1)}


def test_claude_md_is_held_where_it_holds_notes_that_the_main_checkout_has_not(root: Path) -> None:
    folder = merged(root)
    block = with_pointer(b"", Pointer("HO-20261103-1405-a1b2c3"), "CLAUDE/HO-20261103-1405-a1b2c3.md")
    own, main = folder / "CLAUDE.md", root / "CLAUDE.md"

    def held() -> list[tuple[str, int]]:
        return [(one.path, one.files) for one in facts_at(root, folder).held or ()]

    own.write_bytes(block)
    assert held() == []
    own.write_bytes(block + b"# three hours of notes\n")
    assert held() == [("CLAUDE.md", 1)]
    main.write_bytes(b"# three hours of notes\n")
    assert held() == []
    main.unlink()
    main.symlink_to(own)
    assert held() == [("CLAUDE.md", 1)]
    own.unlink()
    own.mkdir()
    (own / "x.pt").write_text("data")
    assert held() == [("CLAUDE.md/", 1)]


def test_a_walk_that_is_too_long_is_unknown(root: Path) -> None:
    folder = merged(root)
    (folder / "outputs").mkdir()
    for number in range(30):
        (folder / "outputs" / str(number)).write_text("x")
    small = Tools(GitCli(), CheckoutFiles(entries=10), tools().store)
    told = next(one for one in look_at(root, small) if one.path == str(folder))
    assert (told.held, told.size) == (None, None)


def test_a_folder_that_is_deeper_than_python_may_recurse_is_walked(root: Path) -> None:
    folder = merged(root)
    (folder / "outputs").mkdir()
    here = os.open(folder / "outputs", os.O_RDONLY)
    for _ in range(1500):
        os.mkdir("a", dir_fd=here)
        below = os.open("a", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(os.open("step.pt", os.O_CREAT, dir_fd=here))
    os.close(here)
    try:
        told = facts_at(root, folder)
    finally:
        subprocess.run(["rm", "-r", str(folder / "outputs")], check=True)
    assert told.held is not None
    assert [(one.path, one.files) for one in told.held] == [("outputs/", 1)]
