"""One contract, kept by both document stores."""

from collections.abc import Callable
from pathlib import Path

import pytest

from apps.core.errors import Permanent, Transient
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.adapters.memory import MemoryDocumentStore
from apps.handovers.domain.index import Pointer, pointer_in
from apps.handovers.ports import Checkout, DocumentStore, IndexEdit, NewDocument, NothingWritten, Write
from tests.factories.handovers import KEY, LATER, repository, worktree

Put = Callable[[Path, bytes], None]


@pytest.fixture(params=["filesystem", "memory"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[DocumentStore, Put, Path, Path]:
    """A store, how a file comes into being there, a main checkout and a worktree."""
    main = repository(tmp_path / "glue")
    other = worktree(main, "feature/cosine")
    if request.param == "memory":
        memory = MemoryDocumentStore(Checkout(main, "main"), Checkout(other, "feature/cosine", is_main=False))
        return memory, memory.put, main, other
    return FilesystemDocumentStore(), _put, main, other


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    fresh = path.with_name(f"{path.name}.fresh")
    fresh.write_bytes(data)
    fresh.replace(path)


def wish(main: Path, *homes: Path, key: str = KEY) -> Write:
    pointer = Pointer(key, "feature/cosine", "why it stalls")
    return Write(
        root=main,
        documents=tuple(NewDocument(home / "CLAUDE" / f"{key}.md", b"# text\n") for home in homes),
        indexes=tuple(IndexEdit(home / "CLAUDE.md", pointer, f"CLAUDE/{key}.md") for home in homes),
    )


def test_the_main_checkout_comes_first_and_each_worktree_has_its_branch(
    at: tuple[DocumentStore, Put, Path, Path],
) -> None:
    store, _, main, other = at
    found = store.checkouts(main)
    assert [(one.path, one.branch, one.is_main) for one in found] == [
        (main, "main", True), (other, "feature/cosine", False),
    ]  # fmt: skip


def test_a_root_that_is_away_is_no_empty_one(at: tuple[DocumentStore, Put, Path, Path]) -> None:
    store, _, main, _ = at
    with pytest.raises(Transient, match="is not there"):
        store.checkouts(main / "nowhere")


def test_documents_and_the_archive_are_listed_and_other_files_are_not(
    at: tuple[DocumentStore, Put, Path, Path],
) -> None:
    store, put, main, other = at
    for name in (f"{LATER}.md", f"{KEY}.md", "archive/HO-20260101-0000-aaaa.md", "notes.md", "HO-20260101.txt"):
        put(main / "CLAUDE" / name, b"x")
    put(main / "CLAUDE" / "archive" / "2026-01" / "HO-20260102-0000-aaaa.md", b"x")
    listing = store.documents(main, [main, other])
    assert [(one.path.name, one.archived) for one in listing.documents] == [
        (f"{KEY}.md", False),
        (f"{LATER}.md", False),
        ("HO-20260102-0000-aaaa.md", True),
        ("HO-20260101-0000-aaaa.md", True),
    ]
    assert listing.complete
    assert store.documents(other, [main, other]).documents == ()


def test_a_stamp_stays_while_nothing_happens_and_changes_with_the_file(
    at: tuple[DocumentStore, Put, Path, Path],
) -> None:
    store, put, main, _ = at
    path = main / "CLAUDE" / f"{KEY}.md"
    put(path, b"one")
    first, again = (store.documents(main, [main]).documents[0].stamp for _ in range(2))
    put(path, b"two")
    assert first == again != store.documents(main, [main]).documents[0].stamp


def test_at_most_so_many_bytes_are_read(at: tuple[DocumentStore, Put, Path, Path]) -> None:
    store, put, main, _ = at
    put(main / "CLAUDE" / f"{KEY}.md", b"0123456789")
    assert store.read(main / "CLAUDE" / f"{KEY}.md", 4) == b"0123"
    with pytest.raises(Transient):
        store.read(main / "CLAUDE" / f"{LATER}.md", 4)


def test_a_write_makes_every_document_and_edits_every_index(at: tuple[DocumentStore, Put, Path, Path]) -> None:
    store, put, main, other = at
    put(other / "CLAUDE.md", b"# Ours\r\n\r\nkeep this\r\n")
    store.write(wish(main, other, main))
    for home in (main, other):
        assert store.read(home / "CLAUDE" / f"{KEY}.md", 99) == b"# text\n"
        pointer = pointer_in(store.index(home).data or b"")
        assert pointer is not None
        assert (pointer.key, pointer.branch, pointer.ours) == (KEY, "feature/cosine", True)
    assert (store.index(other).data or b"").endswith(b"# Ours\r\n\r\nkeep this\r\n")
    assert store.index(main / "nowhere").data is None


def test_a_document_that_is_there_is_never_replaced_and_nothing_else_is_written(
    at: tuple[DocumentStore, Put, Path, Path],
) -> None:
    store, put, main, other = at
    put(main / "CLAUDE" / f"{KEY}.md", b"mine")
    with pytest.raises(NothingWritten, match="is there already"):
        store.write(wish(main, other, main))
    assert store.read(main / "CLAUDE" / f"{KEY}.md", 99) == b"mine"
    assert store.documents(other, [main, other]).documents == ()
    assert store.index(other).data is None


def test_a_document_moves_and_never_onto_another_one(at: tuple[DocumentStore, Put, Path, Path]) -> None:
    store, put, main, _ = at
    source, target = main / "CLAUDE" / f"{KEY}.md", main / "CLAUDE" / "archive" / f"{KEY}.md"
    put(source, b"one")
    store.move(source, target)
    assert [one.archived for one in store.documents(main, [main]).documents] == [True]
    put(source, b"another")
    with pytest.raises(Permanent, match="is there already"):
        store.move(source, target)
    assert store.read(source, 9) == b"another"
    assert store.read(target, 9) == b"one"
    put(source, b"one")
    store.move(source, target)
    assert [one.archived for one in store.documents(main, [main]).documents] == [True]
    with pytest.raises(Permanent):
        store.move(source, target)


def test_nothing_is_left_to_recover_after_a_whole_write(at: tuple[DocumentStore, Put, Path, Path]) -> None:
    store, _, main, other = at
    store.write(wish(main, other, main))
    assert store.recover(main) == []


def test_a_path_in_an_index_is_put_anew_and_every_other_byte_stays(at: tuple[DocumentStore, Put, Path, Path]) -> None:
    store, put, main, other = at
    before, after = f"CLAUDE/{KEY}.md", f"CLAUDE/archive/{KEY}.md"
    text = f"# Ours\r\n[seed]({before}), ./{before}.\n`{before}` x/{before} {before}.bak CLAUDE/{LATER}.md \xff"
    put(main / "CLAUDE.md", text.encode("latin-1"))
    put(other / "CLAUDE.md", b"theirs")
    store.relink(main, before, after)
    told = f"# Ours\r\n[seed]({after}), ./{after}.\n`{after}` x/{before} {before}.bak CLAUDE/{LATER}.md \xff"
    assert store.index(main).data == told.encode("latin-1")
    assert store.index(other).data == b"theirs"
    store.relink(main, after, before)
    assert store.index(main).data == text.encode("latin-1")
    with pytest.raises(NothingWritten, match="still names"):
        store.relink(main / "nowhere", before, after)
