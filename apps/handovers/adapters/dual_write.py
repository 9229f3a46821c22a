"""Writing several files so that all of them are there or none, whatever happens in between.

First every new content is written beside its target and flushed: a full disk or a read-only folder ends here, and
nothing was touched. Then a journal says what is about to be put in place; from then on whoever comes next can finish
it. Then the files get their names, documents before the indexes that point at them. What fails on the way is undone.
"""

import fcntl
import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from apps.core.errors import Transient
from apps.handovers.adapters.checkouts import checkouts_of
from apps.handovers.adapters.journal import Journal, Put, hash_of, journals_of, read_journal, save_journal
from apps.handovers.domain.index import with_path, with_pointer
from apps.handovers.ports import FOLDER, IndexEdit, NothingWritten, Write

LOCK_SECONDS = 10.0
TRIES = 3
ORPHAN_SECONDS = 3600
_SUFFIX = ".swb-new"
_KEPT = ".swb-old"


class DualWriter:
    """``step`` is told what is about to happen, so that a test can end the process there."""

    def __init__(self, step: Callable[[str], None] = lambda step: None) -> None:
        self._step = step

    def write(self, wish: Write) -> None:
        """Do all of ``wish`` or raise ``NothingWritten`` with the reason."""
        try:
            _check(wish)
            with _lock(wish.root):
                self._recover(wish.root)
                self._write(wish)
        except OSError as error:
            raise NothingWritten(_sentence(error)) from error

    def relink(self, root: Path, path: Path, before: str, after: str) -> None:
        """Put the path ``after`` for ``before`` into the index ``path``, or raise ``NothingWritten``."""
        try:
            with _lock(root):
                self._recover(root)
                if any(self._relinked(path, before, after) for _ in range(TRIES)):
                    return
        except OSError as error:
            raise NothingWritten(f"{path} still names {before}: {error.strerror or error}.") from error
        raise NothingWritten(f"{path} still names {before}: somebody is writing it all the time.")

    def _relinked(self, path: Path, before: str, after: str) -> bool:
        """Whether it is done; not where somebody changed the index meanwhile, whose words would be lost."""
        if path.is_symlink() or not path.is_file():
            raise NothingWritten(f"{path} still names {before}: it is no regular file of its own.")
        data = path.read_bytes()
        put = _stage(path, with_path(data, before, after), None)
        try:
            self._step(f"relink {path.name}")
            if path.is_symlink() or hash_of(path) != hashlib.sha256(data).hexdigest():
                return False
            put.temporary.replace(path)
        finally:
            put.temporary.unlink(missing_ok=True)
        _flush_folder(path.parent)
        return True

    def recover(self, root: Path) -> list[str]:
        """Finish what writers that died had begun, unless one is at work now; what cannot be finished is said too."""
        if not journals_of(root):
            return []
        try:
            with _lock(root, seconds=0):
                return self._recover(root)
        except (NothingWritten, OSError) as error:
            return [f"A handover that was being written in {root} is not finished yet: {error}"]

    def _recover(self, root: Path) -> list[str]:
        said = []
        for path in journals_of(root):
            journal = read_journal(path, [checkout.path for checkout in checkouts_of(root)])
            if journal is not None:
                self._put_all(journal, [])
                _forget_kept(journal)
                said.append(f"A handover that was half written was finished: {journal.name}.")
            path.unlink()
        return said

    def _write(self, wish: Write) -> None:
        journal = self._staged(wish)
        undo: list[Callable[[], object]] = []
        try:
            self._step("staged")
            path = save_journal(wish.root, journal)
            undo.append(path.unlink)
            self._step("journal")
            self._put_all(journal, undo)
        except BaseException:
            _undo(undo, wish.root)
            _remove(journal)
            raise
        path.unlink()
        _forget_kept(journal)
        self._step("done")

    def _staged(self, wish: Write) -> Journal:
        puts: list[Put] = []
        try:
            for document in wish.documents:
                document.path.parent.mkdir(parents=True, exist_ok=True)
                _clear_orphans(document.path.parent)
                puts.append(_stage(document.path, document.data, None))
            for edit in wish.indexes:
                puts.append(_stage(edit.path, _edited(edit), edit))
        except BaseException:
            _remove(Journal("", tuple(puts)))
            raise
        return Journal(wish.documents[0].path.stem if wish.documents else "index", tuple(puts))

    def _put_all(self, journal: Journal, undo: list[Callable[[], object]]) -> None:
        for put in journal.puts:
            self._step(f"put {put.path.name}")
            if put.edit is None:
                _put_document(put, undo)
            else:
                _put_index(put, put.edit, undo)
        for folder in {put.path.parent for put in journal.puts}:
            _flush_folder(folder)


def _check(wish: Write) -> None:
    for document in wish.documents:
        if os.path.lexists(document.path):
            raise NothingWritten(f"{document.path} is there already. Nothing was written.")
        if document.path.parent.is_symlink():
            raise NothingWritten(f"{document.path.parent} is a link, and must be a folder. Nothing was written.")
    for edit in wish.indexes:
        if edit.path.is_symlink():
            raise NothingWritten(f"{edit.path} is a link, and must be a file of its own. Nothing was written.")
        if edit.path.exists() and not edit.path.is_file():
            raise NothingWritten(f"{edit.path} is no regular file. Nothing was written.")


@contextmanager
def _lock(root: Path, seconds: float = LOCK_SECONDS) -> Iterator[None]:
    """Hold the lock of a main checkout: of two writers one waits for the other, and the lock dies with its holder."""
    folder = root / FOLDER
    folder.mkdir(exist_ok=True)
    descriptor = os.open(folder / ".sweepboard.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o664)
    try:
        deadline = time.monotonic() + seconds
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    raise NothingWritten(f"Another handover is being written in {root}. Nothing was written.") from None
                time.sleep(0.05)
        yield
    finally:
        os.close(descriptor)


def _edited(edit: IndexEdit) -> bytes:
    try:
        present = edit.path.read_bytes()
    except FileNotFoundError:
        present = b""
    return with_pointer(present, edit.pointer, edit.document)


def _clear_orphans(folder: Path) -> None:
    """Take away what a writer left that died before its journal was written: nobody will finish that."""
    for path in folder.glob(f".*{_SUFFIX}"):
        if time.time() - path.stat().st_mtime > ORPHAN_SECONDS:
            path.unlink(missing_ok=True)


def _stage(path: Path, data: bytes, edit: IndexEdit | None) -> Put:
    """Write ``data`` beside ``path``; what stands there is taken away again where it cannot be written whole."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{time.monotonic_ns()}{_SUFFIX}")
    before = hash_of(path)
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(path.stat().st_mode & 0o777 if path.exists() else 0o644)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Put(temporary, path, before, edit)


def _put_document(put: Put, undo: list[Callable[[], object]]) -> None:
    """Give a new document its name. Without its temporary file it was put there before."""
    if not put.temporary.exists():
        return
    try:
        os.link(put.temporary, put.path)
    except FileExistsError:
        if hash_of(put.path) != hash_of(put.temporary):
            raise NothingWritten(f"{put.path} is there already. Nothing was written.") from None
    except PermissionError:
        put.temporary.rename(put.path)  # no hard links here; that the name was free was looked at under the lock
        undo.append(put.path.unlink)
        return
    undo.append(put.path.unlink)
    put.temporary.unlink()


def _put_index(put: Put, edit: IndexEdit, undo: list[Callable[[], object]]) -> None:
    """Put the edited index in place; what people wrote into it since it was edited is edited anew."""
    if not put.temporary.exists():
        return
    if hash_of(put.path) != put.before:
        put.temporary.write_bytes(_edited(edit))
    undo.append(_way_back(put))
    put.temporary.replace(put.path)


def _way_back(put: Put) -> Callable[[], object]:
    """Keep the old index by a second name, which takes no room on a full disk; in memory where that cannot be."""
    if not put.path.exists():
        return put.path.unlink
    kept = _kept(put)
    kept.unlink(missing_ok=True)
    try:
        os.link(put.path, kept)
    except OSError:
        return partial(put.path.write_bytes, put.path.read_bytes())
    return partial(kept.replace, put.path)


def _kept(put: Put) -> Path:
    return put.temporary.with_name(put.temporary.name.removesuffix(_SUFFIX) + _KEPT)


def _remove(journal: Journal) -> None:
    for put in journal.puts:
        put.temporary.unlink(missing_ok=True)
    _forget_kept(journal)


def _undo(deeds: list[Callable[[], object]], root: Path) -> None:
    """Undo in reverse; where that fails too the journal stays, and the next look finishes the write instead."""
    try:
        for deed in reversed(deeds):
            deed()
    except OSError as error:
        told = f"A handover in {root} was half written and could not be undone ({error.strerror})."
        raise Transient(f"{told} The next look at the workspace finishes it.") from error


def _forget_kept(journal: Journal) -> None:
    for put in journal.puts:
        _kept(put).unlink(missing_ok=True)


def _flush_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _sentence(error: OSError) -> str:
    where = f" ({error.filename})" if error.filename else ""
    return f"The handover could not be written: {error.strerror or error}{where}. Nothing was written, in no place."
