"""Good and bad checkpoints, made with the real torch and safetensors: each with what its proof should say.

``corpus`` writes them all below a folder. A bad one is a good one to which happened what happens to files: cut off,
bits flipped, holes, swapped blocks, half a set; or what somebody with ill intent would write.
"""

import io
import json
import os
import pickle
import shutil
import struct
import warnings
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed.checkpoint as distributed
from safetensors.torch import save_file

LONG_AGO = 1_700_000_000


@dataclass(frozen=True)
class Sample:
    """One checkpoint: its path below the corpus, what its proof says, and a word of the reason."""

    path: str
    sound: str
    word: str = ""
    step: int | None = None


Maker = Callable[[Path], None]
_MADE: list[tuple[Sample, Maker]] = []


def sample(path: str, sound: str, word: str = "", step: int | None = None) -> Callable[[Maker], Maker]:
    def register(make: Maker) -> Maker:
        _MADE.append((Sample(path, sound, word, step), make))
        return make

    return register


SAMPLES = _MADE


def corpus(root: Path) -> list[Sample]:
    """Write every checkpoint; return what is expected of each."""
    for one, make in _MADE:
        (root / one.path).parent.mkdir(parents=True, exist_ok=True)
        make(root / one.path)
    for path in root.rglob("*"):
        if path.is_file() and not path.is_symlink():
            os.utime(path, (LONG_AGO, LONG_AGO))
    return [one for one, _ in _MADE]


def training_state(width: int = 24) -> dict[str, Any]:
    """What a training of a small network saves after a few steps."""
    torch.manual_seed(7)
    model = torch.nn.Sequential(torch.nn.Linear(12, width), torch.nn.Linear(width, 4))
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(3):
        model(torch.randn(5, 12)).square().mean().backward()
        optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "epoch": 3, "global_step": 120}


def saved(value: Any = None, **options: Any) -> bytes:
    buffer = io.BytesIO()
    torch.save(training_state() if value is None else value, buffer, **options)
    return buffer.getvalue()


# Good ones


@sample("good/plain.pt", "pass", "every byte", 120)
def _plain(path: Path) -> None:
    torch.save(training_state(), path)


def _quantized(base: torch.Tensor) -> torch.Tensor:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # deprecated, and in the files of years
        return torch.quantize_per_tensor(base, 0.1, 0, torch.qint8)


@sample("good/odd-tensors.pt", "pass")
def _odd(path: Path) -> None:
    base = torch.arange(12.0).reshape(3, 4)
    odd = {
        "transposed": base.t(), "slice": base[1:, ::2], "expanded": torch.zeros(1).expand(50, 50),
        "scalar": torch.tensor(2.5),
        "empty": torch.zeros(0, 7), "bool": torch.tensor([True]), "half": torch.zeros(3, dtype=torch.float16),
        "bfloat": torch.zeros(3, dtype=torch.bfloat16), "float8": torch.zeros(3).to(torch.float8_e4m3fn),
        "unsigned": torch.zeros(3, dtype=torch.uint16), "complex": torch.zeros(2, dtype=torch.complex64),
        "sparse": torch.eye(4).to_sparse(), "parameter": torch.nn.Parameter(torch.ones(2)), "size": torch.Size([1, 2]),
        "quantized": _quantized(base), "shared": [base, base.view(-1)],
    }  # fmt: skip
    torch.save(odd, path)


@sample("good/odd-values.pt", "pass")
def _odd_values(path: Path) -> None:
    values = {"big": 2**70, "bytes": b"\0x", "set": {1, 2}, "nested": {"a": [1, (2.5, None)]}, "text": "ü" * 9000}
    torch.save({**values, "device": torch.device("cpu"), "dtype": torch.float16, "nan": float("nan")}, path)


@sample("good/no-crc.pt", "pass", "no CRC", 120)
def _no_crc(path: Path) -> None:
    torch.serialization.set_crc32_options(compute_crc32=False)
    try:
        torch.save(training_state(), path)
    finally:
        torch.serialization.set_crc32_options(compute_crc32=True)


@sample("good/old-format.pt", "pass", "no CRC", 120)
def _old(path: Path) -> None:
    torch.save(training_state(), path, _use_new_zipfile_serialization=False)


@sample("good/protocol-4.pt", "pass", step=120)
def _protocol4(path: Path) -> None:
    torch.save(training_state(), path, pickle_protocol=4)


@sample("good/packed-again.pt", "pass", step=120)
def _packed(path: Path) -> None:
    repacked(saved(), path, compression=zipfile.ZIP_DEFLATED)


@sample("good/lightning/epoch=1-step=8.ckpt", "pass", step=8)
def _lightning(path: Path) -> None:
    state = training_state()
    whole = {"epoch": 1, "global_step": 8, "pytorch-lightning_version": "2.6.6", "hyper_parameters": {"lr": 0.1}}
    torch.save({**whole, "state_dict": state["model"], "optimizer_states": [state["optimizer"]]}, path)


@sample("good/lightning/last.ckpt", "pass", step=8)
def _last(path: Path) -> None:
    path.symlink_to("epoch=1-step=8.ckpt")


@sample("good/weights.safetensors", "pass", "no CRC")
def _safetensors(path: Path) -> None:
    save_file(
        {**training_state()["model"], "empty": torch.zeros(0), "half": torch.zeros(3, dtype=torch.bfloat16)}, path
    )


def trainer_folder(path: Path, step: int = 400, **files: bytes | None) -> None:
    """A folder as the Hugging Face Trainer writes it; ``files`` replaces some, None leaves one out."""
    path.mkdir(parents=True)
    state = training_state()
    save_file(state["model"], path / "model.safetensors", metadata={"format": "pt"})
    torch.save(state["optimizer"], path / "optimizer.pt")
    torch.save({"base_lrs": [0.1], "last_epoch": step, "_step_count": step + 1}, path / "scheduler.pt")
    (path / "rng_state.pth").write_bytes(rng_state())
    (path / "training_args.bin").write_bytes(saved(_Arguments()))
    told = {"epoch": 2.5, "global_step": step, "max_steps": 1000, "log_history": [{"loss": 0.5, "step": step}]}
    (path / "trainer_state.json").write_text(json.dumps(told))
    for name, content in files.items():
        target = path / name.replace("__", ".")
        target.unlink() if content is None else target.write_bytes(content)


class _Arguments:
    """Stands for TrainingArguments: a class of its own, which weights_only refuses and no resume reads."""


def rng_state() -> bytes:
    import random

    import numpy

    return saved({"python": random.Random(1).getstate(), "numpy": numpy.random.RandomState(1).get_state(),
                  "cpu": torch.get_rng_state()})  # fmt: skip


@sample("good/hf/checkpoint-400", "pass", step=400)
def _trainer(path: Path) -> None:
    trainer_folder(path)


@sample("good/hf-without-rng/checkpoint-400", "pass", step=400)
def _trainer_without_rng(path: Path) -> None:
    trainer_folder(path, rng_state__pth=None)


def sharded(path: Path, count: int = 3) -> None:
    path.mkdir(parents=True)
    weights: dict[str, str] = {}
    for number in range(1, count + 1):
        name = f"model-{number:05}-of-{count:05}.safetensors"
        save_file({f"layer{number}": torch.ones(number, 4)}, path / name)
        weights[f"layer{number}"] = name
    index = {"metadata": {"total_size": 96}, "weight_map": weights}
    (path / "model.safetensors.index.json").write_text(json.dumps(index))


@sample("good/sharded", "pass", "weights only")
def _sharded(path: Path) -> None:
    sharded(path)


@sample("good/accelerate", "pass")
def _accelerate(path: Path) -> None:
    path.mkdir(parents=True)
    state = training_state()
    save_file(state["model"], path / "model.safetensors")
    torch.save(state["optimizer"], path / "optimizer.bin")
    (path / "random_states_0.pkl").write_bytes(rng_state())


@sample("good/distributed", "pass", "pieces")
def _distributed(path: Path) -> None:
    state = training_state()
    distributed.save({"model": state["model"], "step": torch.tensor(9), "lr": [0.1]}, checkpoint_id=path, no_dist=True)


# Broken ones


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


def data_at(content: bytes, key: str = "0") -> int:
    """Where the bytes of a storage begin: behind the first local header that names it."""
    header = content.index(f"archive/data/{key}".encode()) - 30
    name, extra = struct.unpack_from("<2H", content, header + 26)
    return int(header + 30 + name + extra)


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


def repacked(content: bytes, path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes | None) -> None:
    """Write the archive anew; ``members`` replaces some (None leaves one out), by names such as ``data_0``."""
    changes = {name.replace("_", "/"): value for name, value in members.items()}
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w", compression) as new:
        for member in old.infolist():
            name = member.filename.split("/", 1)[1]
            held = changes.get(name, old.read(member))
            if held is not None:
                new.writestr(member.filename, held)


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
    _distributed(path)
    piece = next(path.glob("*.distcp"))
    piece.write_bytes(piece.read_bytes()[:-100])


@sample("bad/distributed-piece-missing", "fail")
def _distributed_missing(path: Path) -> None:
    _distributed(path)
    next(path.glob("*.distcp")).unlink()


@sample("bad/distributed-flipped", "fail", "CRC")
def _distributed_flipped(path: Path) -> None:
    _distributed(path)
    piece = next(path.glob("*.distcp"))
    content = bytearray(piece.read_bytes())
    content[data_at(bytes(content))] ^= 1
    piece.write_bytes(content)


# Hostile ones


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
    _distributed(path)
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
    # The name in the local header must be the one that the directory names.
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
