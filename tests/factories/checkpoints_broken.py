"""Broken checkpoints: cut off, flipped, holed, swapped, half a set."""

import io
import json
import shutil
import struct
import zipfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save_file

from tests.factories.checkpoints import (
    data_at,
    distributed_set,
    repacked,
    sample,
    saved,
    sharded,
    trainer_folder,
    training_state,
)


@sample("bad/empty.pt", "fail", "empty")
def _empty(path: Path) -> None:
    path.write_bytes(b"")


@sample("bad/nul-filled.pt", "fail", "NUL")
def _nul(path: Path) -> None:
    path.write_bytes(bytes(len(saved())))


@sample("bad/sparse.pt", "fail", "NUL")
def _sparse(path: Path) -> None:
    with path.open("wb") as file:
        file.truncate(10 << 20)


@sample("bad/cut-at-the-end.pt", "fail", "cut off")
def _cut(path: Path) -> None:
    path.write_bytes(saved()[:-40])


@sample("bad/cut-in-half.pt", "fail", "cut off")
def _half(path: Path) -> None:
    path.write_bytes(saved()[: len(saved()) // 2])


@sample("bad/head-missing.pt", "fail")
def _headless(path: Path) -> None:
    path.write_bytes(saved()[100:])


@sample("bad/junk-before.pt", "fail")
def _junk(path: Path) -> None:
    path.write_bytes(b"PK\x03\x04junk" + saved())


@sample("bad/flipped-bit.pt", "fail", "CRC")
def _flipped(path: Path) -> None:
    content = bytearray(saved())
    content[data_at(bytes(content)) + 5] ^= 4
    path.write_bytes(content)


@sample("bad/flipped-in-the-pickle.pt", "fail")
def _flipped_pickle(path: Path) -> None:
    content = bytearray(saved())
    content[content.index(b"global_step") + 2] ^= 1
    path.write_bytes(content)


@sample("bad/hole.pt", "fail", "CRC")
def _hole(path: Path) -> None:
    content = bytearray(saved())
    start = data_at(bytes(content))
    content[start : start + 512] = bytes(512)
    path.write_bytes(content)


@sample("bad/swapped-blocks.pt", "fail", "CRC")
def _swapped(path: Path) -> None:
    content = bytearray(saved())
    start = data_at(bytes(content))
    one, two = content[start : start + 256], content[start + 256 : start + 512]
    content[start : start + 512] = two + one
    path.write_bytes(content)


@sample("bad/directory-flipped.pt", "fail")
def _directory(path: Path) -> None:
    content = bytearray(saved())
    content[content.rindex(b"PK\x01\x02") + 20] ^= 255
    path.write_bytes(content)


@sample("bad/storage-missing.pt", "fail", "storage 0 is missing")
def _storage_missing(path: Path) -> None:
    repacked(saved(), path, data_0=None)


@sample("bad/storage-short.pt", "fail", "storage 0 has 8 bytes")
def _storage_short(path: Path) -> None:
    repacked(saved(), path, data_0=bytes(8))


@sample("bad/storage-long.pt", "fail", "storage 0 has")
def _storage_long(path: Path) -> None:
    repacked(saved(), path, data_0=bytes(5000))


@sample("bad/no-crc-and-short.pt", "fail")
def _no_crc_short(path: Path) -> None:
    torch.serialization.set_crc32_options(compute_crc32=False)
    try:
        path.write_bytes(saved()[:-300])
    finally:
        torch.serialization.set_crc32_options(compute_crc32=True)


@sample("bad/no-version.pt", "fail", "version")
def _no_version(path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(saved())) as old, zipfile.ZipFile(path, "w") as new:
        for member in old.infolist():
            if not member.filename.endswith("version"):
                new.writestr(member.filename, old.read(member))


@sample("bad/two-pickles.pt", "fail", "one name")
def _two_pickles(path: Path) -> None:
    path.write_bytes(saved())
    with zipfile.ZipFile(path, "a") as archive:
        name = next(one for one in archive.namelist() if one.endswith("data.pkl"))
        archive.writestr(name, archive.read(name))


@sample("bad/some-zip.pt", "fail", "data.pkl")
def _some_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/readme.txt", "hello")


@sample("bad/a-text.ckpt", "fail")
def _text(path: Path) -> None:
    path.write_text("wandb: ERROR quota exceeded\n" * 100)


@sample("bad/old-format-cut.pt", "fail", "cut off")
def _old_cut(path: Path) -> None:
    path.write_bytes(saved(_use_new_zipfile_serialization=False)[:-30])


@sample("bad/old-format-cut-early.pt", "fail")
def _old_cut_early(path: Path) -> None:
    path.write_bytes(saved(_use_new_zipfile_serialization=False)[:200])


@sample("bad/cut.safetensors", "fail", "cut off")
def _safetensors_cut(path: Path) -> None:
    save_file(training_state()["model"], path)
    path.write_bytes(path.read_bytes()[:-20])


@sample("bad/header-cut.safetensors", "fail", "header")
def _safetensors_header(path: Path) -> None:
    save_file(training_state()["model"], path)
    path.write_bytes(path.read_bytes()[:60])


@sample("bad/appended.safetensors", "fail", "follows")
def _safetensors_long(path: Path) -> None:
    save_file(training_state()["model"], path)
    path.write_bytes(path.read_bytes() + b"tail")


def _header(path: Path, header: dict[str, Any], body: bytes = bytes(16)) -> None:
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + body)


@sample("bad/overlap.safetensors", "fail", "overlap")
def _overlap(path: Path) -> None:
    one = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    _header(path, {"a": one, "b": {**one, "data_offsets": [4, 12]}}, bytes(12))


@sample("bad/wrong-shape.safetensors", "fail", "needs")
def _shape(path: Path) -> None:
    _header(path, {"a": {"dtype": "F32", "shape": [5], "data_offsets": [0, 16]}})


@sample("bad/hf-no-optimizer/checkpoint-400", "fail", "optimizer.pt is missing", 400)
def _no_optimizer(path: Path) -> None:
    trainer_folder(path, optimizer__pt=None)


@sample("bad/hf-no-scheduler/checkpoint-400", "fail", "scheduler.pt is missing")
def _no_scheduler(path: Path) -> None:
    trainer_folder(path, scheduler__pt=None)


@sample("bad/hf-no-state/checkpoint-400", "fail", "trainer_state.json is missing")
def _no_state(path: Path) -> None:
    trainer_folder(path, trainer_state__json=None)


@sample("bad/hf-no-weights/checkpoint-400", "fail", "no weights")
def _no_weights(path: Path) -> None:
    trainer_folder(path, model__safetensors=None)


@sample("bad/hf-other-step/checkpoint-500", "fail", "says step 400")
def _other_step(path: Path) -> None:
    trainer_folder(path)


@sample("bad/hf-state-cut/checkpoint-400", "fail", "no JSON")
def _state_cut(path: Path) -> None:
    trainer_folder(path, trainer_state__json=b'{"epoch": 2.5, "global_st')


@sample("bad/hf-optimizer-cut/checkpoint-400", "fail", "optimizer.pt")
def _optimizer_cut(path: Path) -> None:
    trainer_folder(path, optimizer__pt=saved(training_state()["optimizer"])[:-200])


@sample("bad/hf-empty/checkpoint-400", "fail", "empty folder")
def _empty_folder(path: Path) -> None:
    path.mkdir(parents=True)


@sample("bad/shard-missing", "fail", "shards are missing")
def _shard_missing(path: Path) -> None:
    sharded(path)
    (path / "model-00002-of-00003.safetensors").unlink()


@sample("bad/shard-of-another-set", "fail", "lacks")
def _shard_other(path: Path) -> None:
    sharded(path)
    shutil.copy(path / "model-00001-of-00003.safetensors", path / "model-00002-of-00003.safetensors")


@sample("bad/index-cut", "fail", "no JSON")
def _index_cut(path: Path) -> None:
    sharded(path)
    index = path / "model.safetensors.index.json"
    index.write_text(index.read_text()[:40])


@sample("bad/distributed-cut", "fail", "cut off")
def _distributed_cut(path: Path) -> None:
    distributed_set(path)
    piece = next(path.glob("*.distcp"))
    piece.write_bytes(piece.read_bytes()[:-100])


@sample("bad/distributed-piece-missing", "fail")
def _distributed_missing(path: Path) -> None:
    distributed_set(path)
    next(path.glob("*.distcp")).unlink()


@sample("bad/distributed-flipped", "fail", "CRC")
def _distributed_flipped(path: Path) -> None:
    distributed_set(path)
    piece = next(path.glob("*.distcp"))
    content = bytearray(piece.read_bytes())
    content[data_at(bytes(content))] ^= 1
    piece.write_bytes(content)
