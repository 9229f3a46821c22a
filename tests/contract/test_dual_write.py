"""Both places or neither: a full disk, folders that may not be written, and processes that are killed in between."""

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.domain.index import Pointer, pointer_in
from apps.handovers.ports import IndexEdit, NewDocument, NothingWritten, Write
from tests.factories.handovers import KEY, repository, worktree

ROOT = Path(__file__).parents[2]
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "DJANGO_SETTINGS_MODULE": "apps.config.settings"}
OLD = b"# What people wrote\n\nKeep this.\n"
TEXT = b"# text\n" * 40
needs_root = pytest.mark.needs_root


@pytest.fixture
def homes(tmp_path: Path) -> tuple[Path, Path]:
    """A main checkout and a worktree, both with an index of people's own."""
    main = repository(tmp_path / "glue")
    other = worktree(main, "feature/cosine")
    for home in (main, other):
        (home / "CLAUDE").mkdir()
        (home / "CLAUDE.md").write_bytes(OLD)
    return main, other


def wish(main: Path, other: Path) -> Write:
    pointer = Pointer(KEY, "feature/cosine", "why it stalls")
    return Write(
        root=main,
        documents=tuple(NewDocument(home / "CLAUDE" / f"{KEY}.md", TEXT) for home in (other, main)),
        indexes=tuple(IndexEdit(home / "CLAUDE.md", pointer, f"CLAUDE/{KEY}.md") for home in (other, main)),
    )


def written(home: Path) -> tuple[bool, bool]:
    """Whether the document is there whole, and whether the index names it; what people wrote is there in any case."""
    index = (home / "CLAUDE.md").read_bytes()
    assert index.endswith(OLD)
    path = home / "CLAUDE" / f"{KEY}.md"
    assert not path.exists() or path.read_bytes() == TEXT
    pointer = pointer_in(index)
    return path.exists(), pointer is not None and pointer.key == KEY


def left_over(home: Path) -> list[str]:
    names = [path.name for folder in (home, home / "CLAUDE") for path in folder.iterdir()]
    return [name for name in names if ".swb-" in name or name.startswith(".sweepboard-write")]


def test_a_whole_write_leaves_nothing_beside_it(homes: tuple[Path, Path]) -> None:
    FilesystemDocumentStore().write(wish(*homes))
    assert [written(home) for home in homes] == [(True, True)] * 2
    assert [left_over(home) for home in homes] == [[], []]


STEPS = ["staged", "journal", f"put {KEY}.md", "put CLAUDE.md"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("time", [1, 2])
def test_an_error_at_any_step_undoes_what_was_done(homes: tuple[Path, Path], step: str, time: int) -> None:
    if time == 2 and step in STEPS[:2]:
        time = 1
    seen: list[str] = []

    def fail(name: str) -> None:
        seen.append(name)
        if name == step and seen.count(name) == time:
            raise OSError(28, "No space left on device")

    with pytest.raises(NothingWritten, match="No space left"):
        FilesystemDocumentStore(step=fail).write(wish(*homes))
    assert [written(home) for home in homes] == [(False, False)] * 2
    assert [left_over(home) for home in homes] == [[], []]


KILLED = """
import django, os, signal, sys
django.setup()
from pathlib import Path
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from tests.contract.test_dual_write import wish
step, time, main, other = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
seen = []
def die(name):
    seen.append(name)
    if name == step and seen.count(name) == time:
        os.kill(os.getpid(), signal.SIGKILL)
FilesystemDocumentStore(step=die).write(wish(main, other))
"""


@pytest.mark.parametrize(
    ("step", "time", "both"),
    [
        ("staged", 1, False),
        ("journal", 1, True),
        (f"put {KEY}.md", 1, True),
        (f"put {KEY}.md", 2, True),
        ("put CLAUDE.md", 1, True),
        ("put CLAUDE.md", 2, True),
    ],
)
def test_whoever_comes_after_a_killed_writer_finds_both_or_neither(
    homes: tuple[Path, Path], step: str, time: int, both: bool
) -> None:
    main, other = homes
    done = subprocess.run(
        [sys.executable, "-c", KILLED, step, str(time), str(main), str(other)],
        cwd=ROOT, env=ENVIRONMENT, timeout=60, check=False, capture_output=True,
    )  # fmt: skip
    assert done.returncode == -9, done.stderr.decode()
    (main / "CLAUDE.md").write_bytes(b"Edited meanwhile.\n" + (main / "CLAUDE.md").read_bytes())
    said = FilesystemDocumentStore().recover(main)
    assert [written(home) for home in homes] == [(both, both)] * 2
    assert b"Edited meanwhile." in (main / "CLAUDE.md").read_bytes()
    assert bool(said) == both
    assert FilesystemDocumentStore().recover(main) == []
    FilesystemDocumentStore().write(_another(main, other))


def _another(main: Path, other: Path) -> Write:
    """A dead writer holds nobody up."""
    first = wish(main, other)
    documents = tuple(NewDocument(one.path.with_name("HO-20261104-0000-ffff.md"), b"x") for one in first.documents)
    return Write(main, documents, first.indexes)


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """A filesystem of a few pages, full but for one."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], check=True, timeout=20)
    yield folder
    subprocess.run(["umount", str(folder)], check=True, timeout=20)


def _fill(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT)
    try:
        with contextlib.suppress(OSError):
            while os.write(descriptor, b"x" * 4096):
                continue
    finally:
        os.close(descriptor)


@needs_root
@pytest.mark.parametrize("full", ["main", "worktree"])
def test_a_disk_that_is_full_in_one_place_writes_in_none_and_says_so(tiny: Path, tmp_path: Path, full: str) -> None:
    main, other = (tiny, tmp_path / "roomy") if full == "main" else (tmp_path / "roomy", tiny)
    for home in (main, other):
        (home / "CLAUDE").mkdir(parents=True)
        (home / "CLAUDE.md").write_bytes(OLD)
    _fill(tiny / "filler")
    with pytest.raises(NothingWritten, match=r"No space left on device.*Nothing was written"):
        FilesystemDocumentStore().write(wish(main, other))
    assert [written(home) for home in (main, other)] == [(False, False)] * 2
    assert [left_over(home) for home in (main, other)] == [[], []]
    (tiny / "filler").unlink()
    FilesystemDocumentStore().write(wish(main, other))
    assert [written(home) for home in (main, other)] == [(True, True)] * 2


@needs_root
@pytest.mark.parametrize("which", [0, 1])
def test_a_filesystem_that_may_not_be_written_stops_both(tmp_path: Path, which: int) -> None:
    homes = [tmp_path / "main", tmp_path / "other"]
    for home in homes:
        (home / "CLAUDE").mkdir(parents=True)
        (home / "CLAUDE.md").write_bytes(OLD)
    locked = homes[which]
    subprocess.run(["mount", "--bind", str(locked), str(locked)], check=True, timeout=20)
    try:
        subprocess.run(["mount", "-o", "remount,ro,bind", str(locked)], check=True, timeout=20)
        with pytest.raises(NothingWritten, match="Read-only file system"):
            FilesystemDocumentStore().write(wish(*homes))
    finally:
        subprocess.run(["umount", str(locked)], check=True, timeout=20)
    assert [written(home) for home in homes] == [(False, False)] * 2
    assert [left_over(home) for home in homes] == [[], []]


def test_an_index_that_is_a_link_is_refused_and_what_it_leads_to_is_left_alone(homes: tuple[Path, Path]) -> None:
    main, other = homes
    (other / "CLAUDE.md").unlink()
    (other / "CLAUDE.md").symlink_to(main / "CLAUDE.md")
    with pytest.raises(NothingWritten, match="is a link"):
        FilesystemDocumentStore().write(wish(main, other))
    assert written(main) == (False, False)
    assert FilesystemDocumentStore().index(other).problem is not None


def test_two_writers_at_once_both_write_and_neither_loses_the_others(homes: tuple[Path, Path]) -> None:
    main, other = homes
    script = (
        "import django, sys\ndjango.setup()\nfrom pathlib import Path\n"
        "from apps.handovers.adapters.filesystem import FilesystemDocumentStore\n"
        "from apps.handovers.ports import NewDocument, Write\n"
        "from tests.contract.test_dual_write import wish\n"
        "first = wish(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "docs = tuple(NewDocument(d.path.with_name(sys.argv[3]), b'x') for d in first.documents)\n"
        "FilesystemDocumentStore().write(Write(first.root, docs, first.indexes))\n"
    )
    names = [f"HO-20261104-000{number}-aaaa.md" for number in range(4)]
    running = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(main), str(other), name],
            cwd=ROOT,
            env=ENVIRONMENT,
        )
        for name in names
    ]
    assert [one.wait(60) for one in running] == [0] * 4
    for home in homes:
        assert sorted(path.name for path in (home / "CLAUDE").glob("HO-*.md")) == names
        assert (home / "CLAUDE.md").read_bytes().endswith(OLD)


def test_a_journal_that_names_files_elsewhere_moves_nothing(homes: tuple[Path, Path], tmp_path: Path) -> None:
    main, _ = homes
    victim, loot = tmp_path / "victim.md", tmp_path / ".victim.md.x"
    victim.write_text("mine")
    loot.write_text("theirs")
    put = f'{{"temporary": "{loot}", "path": "{victim}", "before": "", "edit": null}}'
    (main / "CLAUDE" / ".sweepboard-write-1.json").write_text(f'["x", [{put}]]')
    FilesystemDocumentStore().recover(main)
    assert victim.read_text() == "mine"


MOVED = (f"CLAUDE/{KEY}.md", f"CLAUDE/archive/{KEY}.md")


def test_what_somebody_wrote_into_an_index_while_a_path_was_put_anew_is_kept(homes: tuple[Path, Path]) -> None:
    index = homes[1] / "CLAUDE.md"
    index.write_text(f"Read {MOVED[0]}\n")
    seen: list[str] = []

    def meddle(step: str) -> None:
        seen.append(step)
        if len(seen) == 1:
            index.write_text(f"Mine. Read {MOVED[0]}\n")

    FilesystemDocumentStore(step=meddle).relink(homes[1], *MOVED)
    assert index.read_text() == f"Mine. Read {MOVED[1]}\n"
    assert left_over(homes[1]) == []


def test_an_index_that_is_written_all_the_time_is_left_to_its_writer(homes: tuple[Path, Path]) -> None:
    index = homes[1] / "CLAUDE.md"
    index.write_text(f"Read {MOVED[0]}\n")

    def meddle(step: str) -> None:
        index.write_text(f"{index.read_text()}more\n")

    with pytest.raises(NothingWritten, match="somebody is writing it all the time"):
        FilesystemDocumentStore(step=meddle).relink(homes[1], *MOVED)
    assert index.read_text() == f"Read {MOVED[0]}\nmore\nmore\nmore\n"
    assert left_over(homes[1]) == []


def test_no_path_is_put_into_an_index_that_is_a_link_nor_half_of_one_onto_a_full_disk(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    main, other = homes
    (tmp_path / "elsewhere.md").write_text(f"Read {MOVED[0]}\n")
    (other / "CLAUDE.md").unlink()
    (other / "CLAUDE.md").symlink_to(tmp_path / "elsewhere.md")
    with pytest.raises(NothingWritten, match="no regular file of its own"):
        FilesystemDocumentStore().relink(other, *MOVED)
    assert (tmp_path / "elsewhere.md").read_text() == f"Read {MOVED[0]}\n"

    def full(step: str) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(NothingWritten, match="No space left"):
        FilesystemDocumentStore(step=full).relink(main, *MOVED)
    assert (main / "CLAUDE.md").read_bytes() == OLD
    assert left_over(main) == []
