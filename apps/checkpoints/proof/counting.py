"""How many parameters a checkpoint's model has, from what its files say of their tensors. No weight is read.

Buffers, such as a batch norm's means, stand among the weights of a state dict and are counted with them. A tensor that
stands there twice, as tied embeddings do, is counted once.
"""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

from apps.checkpoints.proof.allowed import SAFE_GLOBALS
from apps.checkpoints.proof.archives import looks_like_archive, pickle_of_archive
from apps.checkpoints.proof.files import opened
from apps.checkpoints.proof.legacy import looks_legacy, pickles_of_legacy
from apps.checkpoints.proof.outcome import Unclear
from apps.checkpoints.proof.symbols import Facts
from apps.checkpoints.proof.tensors import looks_like_safetensors, read_header

# Under which a checkpoint that also holds an optimizer keeps its model, as frameworks and people name it.
_MODELS = ("state_dict", "model_state_dict", "model", "module", "net", "network", "weights", "params")
# Files of a folder that hold the model: shards of it begin with the same words.
MODEL_FILES = ("model", "pytorch_model", "adapter_model", "diffusion_pytorch_model")
_DEEPEST = 4


def in_pickle(value: Any) -> int | None:
    """Return how many elements the weights have that a pickle of torch holds; None where it is not clear which are."""
    if not isinstance(value, Facts):
        return None
    # What is named comes first: beside it there may be tensors of no model, such as the state of a random generator.
    named = (value.parts[name] for name in _MODELS if name in value.parts)
    found = next((_elements(part) if part.tensors else _below(part) for part in named), None)
    if found is None and value.tensors:
        return _elements(value)
    return found


def _below(part: Facts, depth: int = 1) -> int | None:
    """Add up a model that is kept module by module."""
    inner = [_elements(one) if one.tensors else _below(one, depth + 1) for one in part.parts.values()]
    known = [one for one in inner if one is not None]
    return sum(known) if known and depth < _DEEPEST else None


def _elements(facts: Facts) -> int:
    return sum(tensor.elements for tensor in facts.tensors)


def in_header(header: Mapping[str, Any]) -> int | None:
    """Return how many elements the tensors of a safetensors header have; None where it makes no sense."""
    try:
        return sum(int(math.prod(one["shape"])) for name, one in header.items() if name != "__metadata__")
    except (KeyError, TypeError):
        return None


def is_of_model(name: str) -> bool:
    """Tell whether a file of a checkpoint's folder holds the model, and not its optimizer or the state of a loader."""
    return name.startswith(MODEL_FILES)


def count_parameters(path: Path) -> int:
    """Return how many parameters the model of a file or a folder has. Only headers and pickles are read.

    Raises ``NotSound`` with a reason where that cannot be told.
    """
    if path.is_dir():
        files = [
            one for one in sorted(path.iterdir()) if is_of_model(one.name) and one.suffix in (".safetensors", ".bin")
        ]
        # Some folders keep both formats of the same weights.
        chosen = [one for one in files if one.suffix == ".safetensors"] or files
        if not chosen:
            raise Unclear("it is a folder without a model's weights")
        return sum(count_parameters(one) for one in chosen)
    with opened(path) as file:
        found = _count(file, path.suffix)
    if found is None:
        raise Unclear("it does not say which of its tensors are the model's")
    return found


def _count(file: IO[bytes], suffix: str) -> int | None:
    size, head = os.fstat(file.fileno()).st_size, file.read(64)
    if looks_like_archive(head):
        return in_pickle(pickle_of_archive(file, SAFE_GLOBALS).value)
    if looks_legacy(head):
        return in_pickle(pickles_of_legacy(file, SAFE_GLOBALS)[0][3].value)
    if suffix == ".safetensors" or looks_like_safetensors(head, size):
        return in_header(read_header(file))
    raise Unclear("it is no file that torch or safetensors wrote")
