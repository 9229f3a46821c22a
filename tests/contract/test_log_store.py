"""One contract, kept by both log stores."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.core.errors import Transient
from apps.joblogs.adapters.filesystem import FilesystemLogStore
from apps.joblogs.adapters.memory import MemoryLogStore
from apps.joblogs.ports import LogStore

Write = Callable[[Path, bytes], None]


@pytest.fixture(params=["filesystem", "memory"])
def at(request: pytest.FixtureRequest) -> tuple[LogStore, Write]:
    """A store, and how a file comes into being there."""
    if request.param == "memory":
        memory = MemoryLogStore()
        return memory, memory.write
    return FilesystemLogStore(), _replace


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.fresh")
    fresh.write_bytes(content)
    fresh.replace(path)


def test_what_was_written_is_read_from_any_byte_on(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, write = at
    write(tmp_path / "a.out", b"0123456789")
    assert store.read(tmp_path / "a.out", 3, 4) == b"3456"
    assert store.read(tmp_path / "a.out", 8, 100) == b"89"
    assert store.read(tmp_path / "a.out", 10, 5) == b""


def test_a_stamp_tells_the_size_and_another_file_of_the_same_name(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, write = at
    write(tmp_path / "a.out", b"one")
    first = store.stamp(tmp_path / "a.out")
    write(tmp_path / "a.out", b"other")
    second = store.stamp(tmp_path / "a.out")
    assert first is not None
    assert second is not None
    assert (first.size, second.size) == (3, 5)
    assert first.inode != second.inode
    assert second.modified_at.tzinfo is not None


def test_what_is_not_there_has_no_stamp_and_is_not_found(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, _ = at
    assert store.stamp(tmp_path / "none.out") is None
    assert store.find(tmp_path / "none", ["*.out"]) == []


def test_patterns_find_files_sorted_and_once(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, write = at
    for name in ("logs/b_7.out", "logs/a_7.out", "logs/a_7.err"):
        write(tmp_path / name, b"")
    found = store.find(tmp_path, ["logs/*_7.out", "logs/a_*.out"])
    assert found == [tmp_path / "logs/a_7.out", tmp_path / "logs/b_7.out"]


def test_a_pattern_begins_at_the_root(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, write = at
    write(tmp_path / "deep" / "logs" / "a_7.out", b"")
    assert store.find(tmp_path, ["logs/*_7.out"]) == []
    assert store.find(tmp_path, ["*_7.out"]) == []


def test_of_many_files_those_with_a_number_are_found(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, write = at
    for name in ("logs/a_12.out", "logs/a_112.out", "logs/a_9_12.out", "logs/a_7.out"):
        write(tmp_path / name, b"")
    found = store.find(tmp_path, ["logs/*_*.out"], {"12", "7"})
    assert [path.name for path in found] == ["a_12.out", "a_7.out", "a_9_12.out"]
    assert store.find(tmp_path, ["logs/*.out"], set()) == []


def test_a_folder_tells_the_inodes_of_what_is_in_it(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, write = at
    write(tmp_path / "a.out", b"one")
    stamp = store.stamp(tmp_path / "a.out")
    assert stamp is not None
    assert store.inodes(tmp_path) == {"a.out": stamp.inode}
    assert store.inodes(tmp_path / "none") == {}


def test_a_folder_is_there_or_is_not(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, write = at
    write(tmp_path / "logs" / "a.out", b"")
    assert store.check(tmp_path / "logs")
    assert not store.check(tmp_path / "none")


def test_what_is_gone_when_it_is_to_be_read_may_come_back(at: tuple[LogStore, Write], tmp_path: Path) -> None:
    store, _ = at
    with pytest.raises(Transient, match=r"a\.out cannot be read"):
        store.read(tmp_path / "a.out", 0, 10)


def test_a_pipe_is_not_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Transient, match="no regular file"):
        FilesystemLogStore().read(tmp_path / "pipe", 0, 10)


def test_only_regular_files_have_a_stamp(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    store = FilesystemLogStore()
    assert store.stamp(tmp_path / "pipe") is None
    assert store.stamp(tmp_path) is None
