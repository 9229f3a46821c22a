"""The note of a write that is under way: enough for anybody to finish it."""

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from apps.handovers.domain.index import Pointer
from apps.handovers.ports import FOLDER, INDEX, IndexEdit

_PREFIX = ".sweepboard-write-"
_LARGEST = 1 << 20


@dataclass(frozen=True, slots=True)
class Put:
    """``temporary`` becomes ``path``. ``before`` is the hash of what stood there until then, empty for nothing."""

    temporary: Path
    path: Path
    before: str
    edit: IndexEdit | None


@dataclass(frozen=True, slots=True)
class Journal:
    name: str
    puts: tuple[Put, ...]


def hash_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ""


def journals_of(root: Path) -> list[Path]:
    try:
        return sorted(path for path in (root / FOLDER).glob(f"{_PREFIX}*.json") if path.is_file())
    except OSError:
        return []


def save_journal(root: Path, journal: Journal) -> Path:
    """Write the journal whole or not at all; OSError passes through and leaves nothing behind."""
    path = root / FOLDER / f"{_PREFIX}{os.getpid()}-{journal.name[:100]}.json"
    temporary = path.with_suffix(".part")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            json.dump([journal.name, [_plain(put) for put in journal.puts]], file)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return path


def read_journal(path: Path, homes: Sequence[Path]) -> Journal | None:
    """Return a journal; None for a file that is none, or that names anything but documents and indexes of ``homes``."""
    try:
        with path.open(encoding="utf-8") as file:
            name, puts = json.loads(file.read(_LARGEST))
        return Journal(str(name), tuple(_put(one, homes) for one in puts))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _plain(put: Put) -> dict[str, Any]:
    edit = {**asdict(put.edit), "path": str(put.edit.path)} if put.edit else None
    return {"temporary": str(put.temporary), "path": str(put.path), "before": put.before, "edit": edit}


def _put(told: dict[str, Any], homes: Sequence[Path]) -> Put:
    """Take up one entry; what lies elsewhere than our own entries do was not written by us."""
    temporary, path, edit = Path(told["temporary"]), Path(told["path"]), told["edit"]
    places = {home / INDEX for home in homes} if edit else {home / FOLDER / path.name for home in homes}
    beside = temporary.parent == path.parent and temporary.name.startswith(f".{path.name}.")
    if path not in places or not beside or not (edit or path.name.startswith("HO-")):
        raise ValueError("a journal that is not ours")
    pointer = Pointer(**edit["pointer"]) if edit else None
    return Put(
        temporary, path, told["before"], IndexEdit(path, pointer, edit["document"]) if edit and pointer else None
    )
