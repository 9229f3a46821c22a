"""Writing into a workspace: whole or not at all, and never outside of it."""

from pathlib import Path

import pytest

from apps.core.errors import Permanent
from apps.core.files import confined, write_atomically


def test_a_file_is_written_whole_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    path = tmp_path / "ACTIVE_SWEEPS.md"
    assert write_atomically(path, "größer\n")
    assert path.read_text() == "größer\n"
    assert [one.name for one in tmp_path.iterdir()] == [path.name]


def test_the_same_text_is_not_written_again(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    write_atomically(path, "same")
    inode = path.stat().st_ino
    assert not write_atomically(path, "same")
    assert path.stat().st_ino == inode


def test_the_mode_of_the_old_file_is_kept_and_a_new_one_can_be_read_by_the_team(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    write_atomically(path, "one")
    assert path.stat().st_mode & 0o777 == 0o644
    path.chmod(0o664)
    write_atomically(path, "two")
    assert path.stat().st_mode & 0o777 == 0o664


def test_a_failed_write_leaves_the_old_file_and_no_temporary_one(tmp_path: Path) -> None:
    path = tmp_path / "a.md"
    write_atomically(path, "old")
    with pytest.raises(UnicodeEncodeError):
        write_atomically(path, "\ud800")
    assert path.read_text() == "old"
    assert [one.name for one in tmp_path.iterdir()] == ["a.md"]


@pytest.mark.parametrize("relative", ["../elsewhere.md", "/etc/passwd", "a/../../b"])
def test_a_path_that_leads_out_is_refused_with_a_sentence(tmp_path: Path, relative: str) -> None:
    with pytest.raises(Permanent, match="leads out of"):
        confined(tmp_path, relative)


def test_a_link_that_leads_out_is_refused(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    root.mkdir()
    outside.mkdir()
    (root / "docs").symlink_to(outside)
    with pytest.raises(Permanent, match="leads out of"):
        confined(root, "docs/ACTIVE_SWEEPS.md")


def test_a_link_that_leads_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(Permanent):
        confined(tmp_path, "loop")


def test_a_link_inside_the_workspace_is_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "docs").symlink_to("real")
    assert confined(tmp_path, "docs/a.md") == (tmp_path / "real" / "a.md").resolve()
