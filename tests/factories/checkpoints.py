"""Good and bad checkpoints, made with the real torch and safetensors: each with what its proof should say.

``corpus`` writes them all below a folder. A bad one is a good one to which happened what happens to files: cut off,
bits flipped, holes, swapped blocks, half a set; or what somebody with ill intent would write.
"""

import io
import json
import os
import struct
import warnings
import zipfile
from collections.abc import Callable
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
    """Write every checkpoint that is registered; return what is expected of each."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # of torch and zipfile, about what is made odd on purpose
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


def data_at(content: bytes, key: str = "0") -> int:
    """Where the bytes of a storage begin: behind the first local header that names it."""
    header = content.index(f"archive/data/{key}".encode()) - 30
    name, extra = struct.unpack_from("<2H", content, header + 26)
    return int(header + 30 + name + extra)


def repacked(content: bytes, path: Path, compression: int = zipfile.ZIP_STORED, **members: bytes | None) -> None:
    """Write the archive anew; ``members`` replaces some (None leaves one out), by names such as ``data_0``."""
    changes = {name.replace("_", "/"): value for name, value in members.items()}
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(path, "w", compression) as new:
        for member in old.infolist():
            name = member.filename.split("/", 1)[1]
            held = changes.get(name, old.read(member))
            if held is not None:
                new.writestr(member.filename, held)


# Good ones


@sample("good/plain.pt", "pass", "every byte", 120)
def _plain(path: Path) -> None:
    torch.save(training_state(), path)


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
        "quantized": torch.quantize_per_tensor(base, 0.1, 0, torch.qint8), "shared": [base, base.view(-1)],
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
def distributed_set(path: Path) -> None:
    state = training_state()
    distributed.save({"model": state["model"], "step": torch.tensor(9), "lr": [0.1]}, checkpoint_id=path, no_dist=True)
