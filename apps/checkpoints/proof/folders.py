"""Checkpoints that are folders: Hugging Face's Trainer, Accelerate, sharded sets with an index, torch.distributed."""

import json
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from apps.checkpoints.domain import step_in_name
from apps.checkpoints.proof.allowed import RNG_GLOBALS, SAFE_GLOBALS
from apps.checkpoints.proof.counting import is_of_model
from apps.checkpoints.proof.distributed import METADATA, read_distributed
from apps.checkpoints.proof.files import opened, stamp_of, still_moves
from apps.checkpoints.proof.outcome import Broken, NotSound, Outcome, Sound, Unclear, Unsafe
from apps.checkpoints.proof.single import MOVES, prove_file
from apps.checkpoints.proof.tensors import read_header

STATE = "trainer_state.json"
MOST_JSON_BYTES = 64 << 20
MOST_FILES = 100_000
_INDEX = (
    "model.safetensors.index.json",
    "pytorch_model.bin.index.json",
    "diffusion_pytorch_model.safetensors.index.json",
)
_WEIGHTS = ("model.safetensors", "pytorch_model.bin", "adapter_model.safetensors", "adapter_model.bin",
            "diffusion_pytorch_model.safetensors")  # fmt: skip
_OPTIMIZERS = ("optimizer.pt", "optimizer.bin", "optimizer_0", "optimizer")
_SCHEDULERS = ("scheduler.pt", "scheduler.bin")
_RNG = re.compile(r"^(rng_state(_\d+)?\.pth|random_states_\d+\.pkl)$")
_NUMBERED = re.compile(r"^(checkpoint|step|epoch|global_step)[-_]?\d+$")
_SHARD = re.compile(r"-\d{5}-of-(\d{5})\.")
# Written beside the weights and read by no resume; it always names the framework's own classes.
UNREAD = frozenset({"training_args.bin"})
PROVEN = frozenset({".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl"})


def is_checkpoint_folder(path: Path) -> bool:
    """Tell whether a folder is one checkpoint, rather than a place with several."""
    try:
        names = {entry.name for entry in path.iterdir()}
    except OSError:
        return False
    told = {STATE, METADATA, *_INDEX} & names
    trained = bool(names & set(_WEIGHTS)) and any(name in _OPTIMIZERS or _RNG.match(name) for name in names)
    return (
        bool(told)
        or trained
        or (bool(_NUMBERED.match(path.name)) and (not names or bool({*_WEIGHTS, *_OPTIMIZERS} & names)))
    )


def prove_folder(path: Path, *, allowed: frozenset[str] = SAFE_GLOBALS, numbers: bool = False) -> Outcome:
    """Say how sound a folder is as one checkpoint; never raises for what is in it."""
    try:
        if (path / METADATA).exists() or (path / METADATA).is_symlink():
            outcome = read_distributed(path)
            # Such as the meta.pt that Lightning puts beside the pieces.
            prove_all(path, [one for one in files_of(path) if one.suffix in (".pt", ".pth")], allowed, numbers)
            return outcome
        return _trainer(path, allowed, numbers)
    except NotSound as error:
        return Outcome(error.sound, str(error), step_in_name(path.name))
    except OSError as error:
        return Outcome(Sound.UNKNOWN, f"it cannot be listed ({error.strerror})")


def files_of(path: Path) -> list[Path]:
    """Return the files below a checkpoint's folder, two levels deep at the most."""
    found: list[Path] = []
    for entry in sorted(path.iterdir()):
        inner = sorted(entry.iterdir()) if entry.is_dir() and not entry.is_symlink() else [entry]
        found += inner
        if len(found) > MOST_FILES:
            raise Unsafe(f"it holds more than {MOST_FILES} files")
    return found


def _trainer(path: Path, allowed: frozenset[str], numbers: bool) -> Outcome:
    files = files_of(path)
    names = {file.relative_to(path).parts[0] for file in files}
    if not files:
        raise Broken("it is an empty folder: saving had begun, or it was cleared")
    step, epoch = _trainer_state(path, names)
    for index in _INDEX:
        if index in names:
            _check_index(path, index)
    _check_shards(path, names)
    proven = prove_all(path, files, allowed, numbers)
    if not _has_weights(names):
        raise Broken("it holds no weights")
    if STATE in names and not _has_optimizer(names):
        raise Broken("optimizer.pt is missing: training would go on with an empty optimizer")
    if STATE in names and not (set(_SCHEDULERS) & names) and "optimizer.pt" in names:
        raise Broken("scheduler.pt is missing: training would go on with a new learning-rate schedule")
    if STATE not in names and "optimizer.pt" in names:
        raise Broken(f"{STATE} is missing: the Trainer would begin at step 0")
    alone = "" if _has_optimizer(names) else "; weights only: no optimizer lies beside them"
    reason = _reason(one.reason for one in proven.values()) + alone
    return Outcome(Sound.PASS, reason, step, epoch, _parameters(proven))


def _parameters(proven: Mapping[Path, Outcome]) -> int | None:
    """Add up the model's files; where a folder keeps two formats of the same weights, one of them."""
    counted = {file: one.parameters for file, one in proven.items() if is_of_model(file.name)}
    tensors = {file: number for file, number in counted.items() if file.suffix == ".safetensors"}
    numbers = list((tensors or counted).values())
    return None if not numbers or None in numbers else sum(one for one in numbers if one is not None)


def _reason(remarks: Iterable[str]) -> str:
    return "every file is sound; some have no CRC" if any("no CRC" in one for one in remarks) else "every file is sound"


def _has_weights(names: set[str]) -> bool:
    started = (
        "model-",
        "pytorch_model-",
        "pytorch_model_fsdp",
        "pytorch_model",
        "global_step",
        "adapter_model",
        "mp_rank",
    )
    return bool({*_WEIGHTS, *_INDEX} & names) or any(name.startswith(started) for name in names)


def _has_optimizer(names: set[str]) -> bool:
    # DeepSpeed keeps the optimizer in `global_step<N>/`.
    return bool({*_OPTIMIZERS} & names) or any(name.startswith(("global_step", "optimizer")) for name in names)


def _trainer_state(path: Path, names: set[str]) -> tuple[int | None, float | None]:
    """Return step and epoch; the Trainer takes them from this file, whatever the folder's name says."""
    if STATE not in names:
        return step_in_name(path.name), None
    state = _json(path / STATE)
    step, epoch = state.get("global_step"), state.get("epoch")
    if type(step) is not int or step < 0:
        raise Broken(f"{STATE} names no step")
    named = step_in_name(path.name)
    if named is not None and named != step:
        raise Broken(f"{STATE} says step {step}, the folder's name says {named}")
    most = state.get("max_steps")
    if type(most) is int and 0 < most < step:
        raise Broken(f"{STATE} says step {step} of {most}")
    return step, float(epoch) if isinstance(epoch, int | float) else None


def _json(path: Path) -> dict[str, Any]:
    before = stamp_of(path)
    with opened(path) as file:
        data = file.read(MOST_JSON_BYTES + 1)
    if len(data) > MOST_JSON_BYTES:
        raise Unsafe(f"{path.name} has more than {MOST_JSON_BYTES} bytes")
    try:
        found = json.loads(data)
    except (ValueError, RecursionError) as error:
        if still_moves(path, before):
            raise Unclear(f"{MOVES}: {path.name}") from error
        filled = data.strip(b"\0 \n")
        raise Broken(f"{path.name} is {'no JSON' if filled else 'empty'}") from error
    if not isinstance(found, dict):
        raise Broken(f"{path.name} holds something else than it should")
    return found


def _check_index(path: Path, name: str) -> None:
    """Every shard that the index names is there, and each tensor is in the shard where it should be."""
    weights = _json(path / name).get("weight_map")
    if not isinstance(weights, dict) or not weights:
        raise Broken(f"{name} maps no weights")
    shards: dict[str, set[str]] = {}
    for tensor, shard in weights.items():
        if type(shard) is not str or "/" in shard or shard.startswith("."):
            raise Unsafe(f"{name} names {str(shard)[:60]}, which leads out of the folder")
        shards.setdefault(shard, set()).add(tensor)
    missing = sorted(shard for shard in shards if not (path / shard).is_file())
    if missing:
        raise Broken(f"{len(missing)} of {len(shards)} shards are missing, such as {missing[0]}")
    for shard, tensors in shards.items():
        if shard.endswith(".safetensors"):
            _check_tensors(path / shard, tensors)


def _check_tensors(shard: Path, tensors: set[str]) -> None:
    try:
        with opened(shard) as file:
            absent = tensors - set(read_header(file))
    except Broken as error:
        raise Broken(f"{shard.name}: {error}") from error
    if absent:
        raise Broken(f"{shard.name} lacks {len(absent)} tensors that the index puts there, such as {min(absent)[:80]}")


def _check_shards(path: Path, names: set[str]) -> None:
    """Of shards that count themselves, as in ``model-00001-of-00004.safetensors``, every one is there."""
    for name in names:
        if found := _SHARD.search(name):
            total = int(found[1])
            wanted = {
                f"{name[: found.start()]}-{n:05}-of-{found[1]}.{name[found.end() :]}"
                for n in range(1, min(total, MOST_FILES) + 1)
            }
            if absent := wanted - names:
                raise Broken(f"{len(absent)} of {total} shards are missing, such as {min(absent)}")


def prove_all(path: Path, files: Iterable[Path], allowed: frozenset[str], numbers: bool) -> dict[Path, Outcome]:
    """Prove every file that can be proven; raises ``NotSound`` for the first that is not sound."""
    proven: dict[Path, Outcome] = {}
    unsure = ""
    for file in files:
        if file.suffix not in PROVEN or file.name in UNREAD:
            continue
        outcome = prove_file(file, allowed=allowed | RNG_GLOBALS if _RNG.match(file.name) else allowed, numbers=numbers)
        told = f"{file.relative_to(path)}: {outcome.reason}"
        if outcome.sound is Sound.UNSAFE:
            raise Unsafe(told)
        if outcome.sound is Sound.FAIL:
            raise Broken(told)
        unsure = unsure or (told if outcome.sound is Sound.UNKNOWN else "")
        proven[file] = outcome
    if unsure:
        raise Unclear(unsure)
    return proven
