"""Checkpoints as `torch.save` writes them: a zip of one pickle and the bytes of its storages.

``zipfile`` finds the members; their bytes are read and summed up here, because neither `torch.load` (which looks at
no checksum) nor ``testzip`` (which knows of no storages) proves anything.
"""

import io
import os
import struct
import zipfile
import zlib
from collections.abc import Iterator
from typing import IO

from apps.checkpoints.proof.directories import END, check_directory, descriptor_of
from apps.checkpoints.proof.files import CHUNK, sparse
from apps.checkpoints.proof.numbers import Count, counter_of
from apps.checkpoints.proof.outcome import Broken, Unsafe
from apps.checkpoints.proof.pickles import Pickle, read_pickle
from apps.checkpoints.proof.symbols import Storage

MOST_PICKLE_BYTES = 128 << 20
MOST_INFLATION = 100  # times the packed size; torch itself packs nothing
SMALL = 16 << 20
_PLAIN_FLAGS = 0x0808  # names in UTF-8, sizes behind the data: all else is encryption or patches
_IS_FOLDER = 0x10
# What zipfile raises of a damaged file: it has no one error for that, and some of these are ValueErrors.
_DAMAGES = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, NotImplementedError, RuntimeError, ValueError)
_LOCAL = struct.Struct("<4s5H3L2H")


def looks_like_archive(head: bytes) -> bool:
    return head[:4] in (b"PK\x03\x04", END)


def read_archive(file: IO[bytes], allowed: frozenset[str], *, numbers: bool = False) -> tuple[Pickle, str]:
    """Prove a torch archive; return what its pickle says, and a remark such as 'no CRC'.

    ``numbers`` looks for NaN and infinity in the weights as well. Raises ``Broken`` or ``Unsafe``.
    """
    size = file.seek(0, os.SEEK_END)
    check_directory(file, size)
    try:
        with zipfile.ZipFile(file) as archive:
            members = archive.infolist()
            prefix = _check_names(members)
            said = _pickle_of(file, archive, f"{prefix}/data.pkl", allowed)
            _check_storages(members, prefix, said)
            remark = _read_members(file, archive, members, _kinds(said, prefix) if numbers else {})
    except _DAMAGES as error:
        raise Broken(
            f"its zip structure is damaged ({str(error)[:80]}){sparse(os.fstat(descriptor_of(file)))}"
        ) from error
    return said, remark


def pickle_of_archive(file: IO[bytes], allowed: frozenset[str]) -> Pickle:
    """Return what the pickle of a torch archive says, and read none of its weights. Raises ``NotSound``."""
    check_directory(file, file.seek(0, os.SEEK_END))
    try:
        with zipfile.ZipFile(file) as archive:
            return _pickle_of(file, archive, f"{_check_names(archive.infolist())}/data.pkl", allowed)
    except _DAMAGES as error:
        raise Broken(f"its zip structure is damaged ({str(error)[:80]})") from error


def _check_plain(members: list[zipfile.ZipInfo]) -> None:
    for member in members:
        if member.flag_bits & ~_PLAIN_FLAGS or member.volume or member.external_attr & _IS_FOLDER:
            raise Broken(f"its directory says of {member.filename[:80]} what torch cannot read")


def _check_names(members: list[zipfile.ZipInfo]) -> str:
    """Return the folder that all members are in."""
    if not members:
        raise Broken("it is an archive without members")
    names = [member.filename for member in members]
    if len(set(names)) != len(names):
        raise Broken("two of its members have one name: readers differ in which they take")
    _check_plain(members)
    prefix = names[0].split("/", 1)[0]
    for name in names:
        if name.startswith("/") or ".." in name.split("/"):
            raise Unsafe(f"a member of it is named {name[:80]}, which leads out of it")
        if not name.startswith(f"{prefix}/"):
            raise Broken(f"its members lie in several folders, such as {name[:80]}")
    if f"{prefix}/data.pkl" not in names:
        raise Broken("it holds no data.pkl: a zip, but not what torch.save writes")
    if f"{prefix}/version" not in names and f"{prefix}/.data/version" not in names:
        raise Broken("it holds no version: torch would not open it")
    if f"{prefix}/constants.pkl" in names:
        raise Unsafe("it is a TorchScript program, which carries code")
    return prefix


def _pickle_of(file: IO[bytes], archive: zipfile.ZipFile, name: str, allowed: frozenset[str]) -> Pickle:
    member = archive.getinfo(name)
    if member.file_size > MOST_PICKLE_BYTES:
        raise Unsafe(f"its pickle has {member.file_size} bytes, more than any checkpoint needs")
    data = b"".join(_pieces(file, archive, member, _data_start(file, member)))
    stream = io.BytesIO(data)
    said = read_pickle(stream, allowed)
    if stream.tell() != len(data):
        raise Broken("its pickle ends before its member does")
    return said


def _check_storages(members: list[zipfile.ZipInfo], prefix: str, said: Pickle) -> None:
    sizes = {member.filename: member.file_size for member in members}
    for storage in said.storages.values():
        held = sizes.get(f"{prefix}/data/{storage.key}")
        if held is None:
            raise Broken(f"storage {storage.key} is missing")
        if held != storage.bytes:
            raise Broken(f"storage {storage.key} has {held} bytes and needs {storage.bytes}")


def _kinds(said: Pickle, prefix: str) -> dict[str, Storage]:
    return {f"{prefix}/data/{storage.key}": storage for storage in said.storages.values()}


def _read_members(
    file: IO[bytes], archive: zipfile.ZipFile, members: list[zipfile.ZipInfo], kinds: dict[str, Storage]
) -> str:
    """Read every byte: none overlaps another, every checksum is right, and no weight is NaN where that is asked."""
    unsummed = all(member.CRC == 0 for member in members)
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            raise Unsafe(f"its member {member.filename[:80]} overlaps another one")
        start = _data_start(file, member)
        end = start + member.compress_size
        counted = _counter(kinds.get(member.filename))
        summed, odd = 0, 0
        for piece in _pieces(file, archive, member, start):
            summed = zlib.crc32(piece, summed)
            odd += counted(piece) if counted else 0
        if summed != member.CRC and not unsummed:
            raise Broken(f"the bytes of {member.filename[:80]} are not those that were saved: their CRC differs")
        if odd:
            raise Broken(f"{odd} values of storage {kinds[member.filename].key} are NaN or infinite")
    return "no CRC: it was saved without checksums, so flipped bits would not show" if unsummed else ""


def _counter(storage: Storage | None) -> Count | None:
    return counter_of(storage.kind) if storage else None


def _data_start(file: IO[bytes], member: zipfile.ZipInfo) -> int:
    file.seek(member.header_offset)
    header = file.read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04":
        raise Broken(f"the header of {member.filename[:80]} is damaged")
    name_length, extra_length = (int(length) for length in _LOCAL.unpack(header)[-2:])
    name = file.read(name_length)
    if name != member.orig_filename.encode("utf-8" if member.flag_bits & 0x800 else "cp437", "replace"):
        raise Broken(f"the header of {member.filename[:80]} names another member")
    return member.header_offset + _LOCAL.size + name_length + extra_length


def _pieces(file: IO[bytes], archive: zipfile.ZipFile, member: zipfile.ZipInfo, start: int) -> Iterator[bytes]:
    if member.flag_bits & 1:
        raise Broken(f"its member {member.filename[:80]} is encrypted")
    if member.compress_type == zipfile.ZIP_STORED:
        if member.compress_size != member.file_size:
            raise Broken(f"the sizes of {member.filename[:80]} contradict each other")
        yield from _stored(file, start, member)
        return
    if member.file_size > SMALL and member.file_size > MOST_INFLATION * max(1, member.compress_size):
        raise Unsafe(
            f"its member {member.filename[:80]} would swell from {member.compress_size} to {member.file_size} bytes"
        )
    yield from _inflated(archive, member)


def _stored(file: IO[bytes], start: int, member: zipfile.ZipInfo) -> Iterator[bytes]:
    file.seek(start)
    left = member.file_size
    while left:
        piece = file.read(min(CHUNK, left))
        if not piece:
            raise Broken(f"the bytes of {member.filename[:80]} are cut off")
        left -= len(piece)
        yield piece


def _inflated(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> Iterator[bytes]:
    left = member.file_size
    with archive.open(member) as packed:
        while piece := packed.read(CHUNK):
            left -= len(piece)
            if left < 0:
                raise Unsafe(f"its member {member.filename[:80]} holds more than it says")
            yield piece
    if left:
        raise Broken(f"the bytes of {member.filename[:80]} are cut off")
