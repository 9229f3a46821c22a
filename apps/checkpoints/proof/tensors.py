"""Checkpoints as safetensors writes them: the length of a header, the header as JSON, and the tensors' bytes."""

import json
import os
import struct
from typing import IO, Any

from apps.checkpoints.proof.files import CHUNK, sparse
from apps.checkpoints.proof.numbers import counter_of
from apps.checkpoints.proof.outcome import Broken, Unsafe

MOST_HEADER_BYTES = 100_000_000  # the format's own limit
_BITS = {
    **dict.fromkeys(("F64", "I64", "U64", "C64"), 64),
    **dict.fromkeys(("F32", "I32", "U32"), 32),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 16),
    **dict.fromkeys(("I8", "U8", "BOOL", "F8_E5M2", "F8_E4M3", "F8_E8M0", "F8_E4M3FNUZ", "F8_E5M2FNUZ"), 8),
    **dict.fromkeys(("F6_E2M3", "F6_E3M2"), 6),
    "F4": 4,
}
NO_CRC = "no CRC: safetensors has no checksums, so flipped bits would not show"


def looks_like_safetensors(head: bytes, size: int) -> bool:
    if len(head) < 9:
        return False
    length = struct.unpack_from("<Q", head)[0]
    return head[8:9] == b"{" and 2 <= length <= max(size, MOST_HEADER_BYTES)


def read_header(file: IO[bytes]) -> dict[str, Any]:
    """Return the header: dtype, shape and offsets of every tensor by its name, and ``__metadata__``."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    head = file.read(8)
    if len(head) < 8:
        raise Broken("it is cut off in the length of its header")
    length = struct.unpack("<Q", head)[0]
    if length > MOST_HEADER_BYTES:
        raise Unsafe(f"it claims a header of {length} bytes, more than the format allows")
    if 8 + length > size:
        raise Broken(f"it is cut off in its header: {size} bytes of at least {8 + length}")
    try:
        header = json.loads(file.read(length).decode(), object_pairs_hook=_without_doubles)
    except (ValueError, RecursionError) as error:
        raise Broken(f"its header is no JSON ({str(error)[:60]})") from error
    if not isinstance(header, dict):
        raise Broken("its header names no tensors")
    return header


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("one name stands twice in it")
    return found


def read_safetensors(file: IO[bytes], *, numbers: bool = False) -> tuple[dict[str, Any], str]:
    """Prove a file: every tensor has the bytes that its shape needs, side by side from the header to the file's end."""
    header = read_header(file)
    start = file.tell()
    size = file.seek(0, os.SEEK_END)
    tensors = {name: one for name, one in header.items() if name != "__metadata__"}
    end = 0
    for name, begin, stop in sorted((_range(name, one) for name, one in tensors.items()), key=lambda one: one[1:]):
        if begin != end:
            raise Broken(f"between its tensors is a gap or an overlap, before {name[:80]}")
        end = stop
    if start + end != size:
        why = f"cut off{sparse(os.fstat(file.fileno()))}" if size < start + end else "something follows it"
        raise Broken(f"it has {size} bytes where its header needs {start + end}: {why}")
    for name, one in tensors.items():
        if numbers:
            _check_numbers(file, start, name, one)
    return header, NO_CRC


def _range(name: str, one: Any) -> tuple[str, int, int]:
    try:
        (begin, stop), shape, bits = one["data_offsets"], one["shape"], _BITS[one["dtype"]]
    except (KeyError, TypeError, ValueError) as error:
        raise Broken(f"its header says of {name[:80]} what makes no sense") from error
    whole = [begin, stop, *shape] if isinstance(shape, list) else [None]
    if not all(type(value) is int and value >= 0 for value in whole):
        raise Broken(f"its header says of {name[:80]} what makes no sense")
    needed = bits
    for length in shape:
        needed *= length
    if needed % 8 or needed // 8 != stop - begin:
        raise Broken(f"tensor {name[:80]} has {stop - begin} bytes and needs {needed // 8}")
    return name, begin, stop


def _check_numbers(file: IO[bytes], start: int, name: str, one: dict[str, Any]) -> None:
    counted = counter_of(one["dtype"])
    if counted is None:
        return
    begin, stop = one["data_offsets"]
    file.seek(start + begin)
    left, odd = stop - begin, 0
    while left and (piece := file.read(min(CHUNK, left))):
        left -= len(piece)
        odd += counted(piece)
    if odd:
        raise Broken(f"{odd} values of tensor {name[:80]} are NaN or infinite")
