"""Checkpoints that somebody with ill intent would write, and those of which nothing can be said."""

import json
import os
import pickle
import struct
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from tests.factories.checkpoints import distributed_set, repacked, sample, saved, sharded, trainer_folder


class _Runs:
    def __init__(self, function: Any, *arguments: Any) -> None:
        self.call = (function, arguments)

    def __reduce__(self) -> tuple[Any, tuple[Any, ...]]:
        return self.call


@sample("hostile/system.pt", "unsafe", "system")
def _system(path: Path) -> None:
    torch.save({"x": _Runs(os.system, "touch /tmp/sweepboard-was-here")}, path)


@sample("hostile/system-old-format.pt", "unsafe", "system")
def _system_old(path: Path) -> None:
    torch.save({"x": _Runs(os.system, "true")}, path, _use_new_zipfile_serialization=False)


@sample("hostile/below-torch.pt", "unsafe", "torch.hub")
def _below_torch(path: Path) -> None:
    torch.save({"x": _Runs(torch.hub.load, "a/b", "c")}, path)


@sample("hostile/whole-model.pt", "unsafe", "Linear")
def _whole(path: Path) -> None:
    torch.save(torch.nn.Linear(2, 2), path)


def hostile_pickle(path: Path, code: bytes) -> None:
    repacked(saved({"a": 1}), path, **{"data.pkl": code})


@sample("hostile/inst.pt", "unsafe", "system")
def _inst(path: Path) -> None:
    hostile_pickle(path, b"(S'true'\nios\nsystem\n.")


@sample("hostile/name-from-memo.pt", "unsafe", "system")
def _memo(path: Path) -> None:
    hostile_pickle(path, b"\x80\x04\x8c\x02os\x94\x8c\x06system\x940h\x00h\x01\x93\x8c\x04true\x85R.")


@sample("hostile/extension.pt", "unsafe", "EXT1")
def _extension(path: Path) -> None:
    hostile_pickle(path, b"\x80\x02\x82\x01.")


@sample("hostile/metadata", "unsafe", "system")
def _metadata(path: Path) -> None:
    distributed_set(path)
    (path / ".metadata").write_bytes(pickle.dumps(_Runs(os.system, "true")))


@sample("hostile/rng/checkpoint-400", "unsafe", "rng_state.pth")
def _rng(path: Path) -> None:
    trainer_folder(path, rng_state__pth=saved(_Runs(os.system, "true")))


@sample("hostile/index-leads-out", "unsafe", "leads out")
def _index_out(path: Path) -> None:
    sharded(path)
    index = path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"layer1": "../../secret.safetensors"}}))


@sample("hostile/bomb.pt", "unsafe", "swell")
def _bomb(path: Path) -> None:
    content = saved(torch.zeros(64 << 20, dtype=torch.uint8))
    repacked(content, path, compression=zipfile.ZIP_DEFLATED)


@sample("hostile/opcodes.pt", "unsafe", "bytes")
def _opcodes(path: Path) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02" + b"N0" * (80 << 20) + b"N.")
        archive.writestr("archive/version", "3\n")


@sample("hostile/many-members.pt", "unsafe", "members")
def _many(path: Path) -> None:
    """The end record alone claims a million members: nobody has to write them."""
    content = bytearray(saved())
    end = content.rindex(b"PK\x06\x06")
    struct.pack_into("<QQ", content, end + 24, 10**6, 10**6)
    path.write_bytes(content)


@sample("hostile/pipe.pt", "unsafe", "pipe")
def _pipe(path: Path) -> None:
    os.mkfifo(path)


@sample("hostile/link-out.pt", "unsafe", "link")
def _link(path: Path) -> None:
    path.symlink_to("/etc/hostname")


@sample("hostile/overlapping.pt", "unsafe", "overlaps")
def _overlapping(path: Path) -> None:
    """Two storages of the directory share one member's bytes, as the zips of bombs do."""
    content = bytearray(saved({"a": torch.zeros(8), "b": torch.zeros(8)}))
    places = [found for found in _places(bytes(content), b"PK\x01\x02") if b"/data/" in content[found : found + 80]]
    first = struct.unpack_from("<L", content, places[0] + 42)[0]
    struct.pack_into("<L", content, places[1] + 42, first)
    path.write_bytes(content)


def _places(content: bytes, mark: bytes) -> Iterator[int]:
    at = content.find(mark)
    while at >= 0:
        yield at
        at = content.find(mark, at + 1)


@sample("hostile/huge-header.safetensors", "unsafe", "header")
def _huge_header(path: Path) -> None:
    path.write_bytes(struct.pack("<Q", 1 << 40) + b"{" + bytes(64))


# Nothing can be said


@sample("unknown/bare-pickle.pt", "unknown", "bare pickle")
def _bare(path: Path) -> None:
    path.write_bytes(pickle.dumps({"a": 1}))


@sample("unknown/of-numpy.npz", "unknown", "need not be one")
def _numpy(path: Path) -> None:
    import numpy

    numpy.savez(path, w=numpy.ones(3))


@sample("unknown/of-another-framework.msgpack", "unknown", "need not be one")
def _other(path: Path) -> None:
    path.write_bytes(b"\x82\xa1w\x93\x01\x02\x03" * 400)
