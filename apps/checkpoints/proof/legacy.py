"""Checkpoints as torch wrote them before 1.6: five pickles, then the storages one after the other."""

import io
import os
import struct
from typing import IO

from apps.checkpoints.proof.archives import MOST_PICKLE_BYTES
from apps.checkpoints.proof.files import CHUNK, Window
from apps.checkpoints.proof.numbers import counter_of
from apps.checkpoints.proof.outcome import Broken
from apps.checkpoints.proof.pickles import Pickle, read_pickle
from apps.checkpoints.proof.symbols import Items, Storage

MAGIC = 0x1950A86A20F9469CFC6C
PROTOCOL = 1001
MAGIC_BYTES = MAGIC.to_bytes(10, "little")


def looks_legacy(head: bytes) -> bool:
    return head[:1] == b"\x80" and MAGIC_BYTES in head[:32]


def read_legacy(file: IO[bytes], allowed: frozenset[str], *, numbers: bool = False) -> tuple[Pickle, str]:
    """Prove a file of the old format; return what its pickle says, and that it has no checksums."""
    (magic, protocol, _system, content, keys), at = pickles_of_legacy(file, allowed)
    if magic.value != MAGIC or protocol.value != PROTOCOL:
        raise Broken("its head is not the one that torch writes")
    order = keys.value if isinstance(keys.value, Items) else Items()
    if missing := content.storages.keys() - set(order):
        raise Broken(f"storage {min(missing)} is missing")
    file.seek(at)
    for key in order:
        _read_storage(file, content.storages.get(key), key, numbers)
    return content, "no CRC: the old format has no checksums, so flipped bits would not show"


def pickles_of_legacy(file: IO[bytes], allowed: frozenset[str]) -> tuple[list[Pickle], int]:
    """Return what the five pickles say (the fourth is the content), and where they end. Raises ``NotSound``."""
    size, at = file.seek(0, os.SEEK_END), 0
    said: list[Pickle] = []
    for _ in range(5):  # every one of them is unpickled by torch, so every one is looked at
        stream = io.BufferedReader(Window(file, at, min(MOST_PICKLE_BYTES, size - at)))
        said.append(read_pickle(stream, allowed))
        at += stream.tell()
    return said, at


def _read_storage(file: IO[bytes], storage: Storage | None, key: str, numbers: bool) -> None:
    if storage is None:
        raise Broken(f"it holds storage {key}, which its pickle does not name")
    head = file.read(8)
    if len(head) < 8:
        raise Broken(f"it is cut off before storage {key}")
    if struct.unpack("<q", head)[0] * storage.element != storage.bytes:
        raise Broken(f"storage {key} has another size than its pickle says")
    counted = counter_of(storage.kind) if numbers else None
    left, odd = storage.bytes, 0
    while left:
        piece = file.read(min(CHUNK, left))
        if not piece:
            raise Broken(f"it is cut off in storage {key}: {left} bytes are missing")
        left -= len(piece)
        odd += counted(piece) if counted else 0
    if odd:
        raise Broken(f"{odd} values of storage {key} are NaN or infinite")
