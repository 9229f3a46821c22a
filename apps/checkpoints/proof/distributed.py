"""Checkpoints of torch.distributed: a `.metadata` that says which piece of which file holds what."""

import io
from pathlib import Path

from apps.checkpoints.domain import step_in_name
from apps.checkpoints.proof.allowed import METADATA_GLOBALS, SAFE_GLOBALS
from apps.checkpoints.proof.archives import looks_like_archive, read_archive
from apps.checkpoints.proof.files import Window, opened, stamp_of, still_moves
from apps.checkpoints.proof.outcome import Broken, Outcome, Sound, Unclear, Unsafe
from apps.checkpoints.proof.pickles import read_pickle
from apps.checkpoints.proof.symbols import Facts

METADATA = ".metadata"
_PIECE = "torch.distributed.checkpoint.filesystem._StorageInfo"


def read_distributed(path: Path) -> Outcome:
    """Prove a folder: every piece that its metadata names is there, whole, and has the checksums it was saved with."""
    pieces = _pieces_of(path / METADATA)
    if not pieces:
        raise Broken(f"{METADATA} names no stored pieces")
    names = {str(one["relative_path"]) for one in pieces}
    before = {name: stamp_of(path / name) for name in names}
    try:
        for name in sorted(names):
            _check_file(path / name, [one for one in pieces if one["relative_path"] == name])
    except Broken as error:
        if any(still_moves(path / name, stamp) for name, stamp in before.items()):
            raise Unclear(f"it is still being written: {error}") from error
        raise
    if any(stamp_of(path / name) != stamp for name, stamp in before.items()):
        raise Unclear("it is still being written")
    files = f"{len(names)} {'file' if len(names) == 1 else 'files'}"
    return Outcome(Sound.PASS, f"{len(pieces)} pieces in {files} are as they were saved", step_in_name(path.name))


def _pieces_of(path: Path) -> list[Facts]:
    before = stamp_of(path)
    try:
        with opened(path) as file:
            said = read_pickle(file, METADATA_GLOBALS, keep=_PIECE)
    except Broken as error:
        if still_moves(path, before):
            raise Unclear(f"it is still being written: {METADATA}") from error
        raise Broken(f"{METADATA}: {error}") from error
    return [_sensible(thing.state) for thing in said.things]


def _sensible(state: Facts) -> Facts:
    name, offset, length = (state.get(key) for key in ("relative_path", "offset", "length"))
    if type(name) is not str or type(offset) is not int or type(length) is not int or offset < 0 or length < 0:
        raise Broken(f"{METADATA} describes a piece that makes no sense")
    if name.startswith("/") or ".." in name.split("/"):
        raise Unsafe(f"{METADATA} names {name[:80]}, which leads out of the folder")
    return state


def _check_file(path: Path, pieces: list[Facts]) -> None:
    try:
        with opened(path) as file:
            size = file.seek(0, io.SEEK_END)
            for one in pieces:
                _check_piece(path.name, Window(file, one["offset"], one["length"]), one, size)
    except Unclear as error:
        raise Broken(f"{path.name}: {error}") from error


def _check_piece(name: str, window: Window, one: Facts, size: int) -> None:
    end = one["offset"] + one["length"]
    if end > size:
        raise Broken(f"{name} is cut off: it has {size} bytes, and a piece of it ends at {end}")
    stream = io.BufferedReader(window)
    head = stream.peek(4)[:4]
    if not looks_like_archive(head):
        if one["length"] and not head.strip(b"\0"):
            raise Broken(f"{name} holds NUL bytes where a piece begins")
        return
    try:
        read_archive(stream, SAFE_GLOBALS)
    except Broken as error:
        raise Broken(f"{name}, the piece at {one['offset']}: {error}") from error
