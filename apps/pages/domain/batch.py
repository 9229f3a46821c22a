"""How many samples one step of the optimizer sees: batch × accumulation × GPUs. Pure.

Practice: 'OOM prevention and recovery'. A factor that nobody tells is unknown, and so is the product then.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.memory.keys import ACCUMULATION, BATCH, find

ONE_FOR_ALL = ("train_batch_size",)  # DeepSpeed's own word for the product of all three
PER_GPU = ("per_device_train_batch_size", "train_micro_batch_size_per_gpu", "micro_batch_size")


@dataclass(frozen=True, slots=True)
class Factor:
    """One factor; ``value`` is None where it is unknown, ``source`` says where it stands, or why nobody knows it."""

    name: str
    value: int | None
    source: str


@dataclass(frozen=True, slots=True)
class BatchArithmetic:
    factors: tuple[Factor, ...]
    note: str = ""

    @property
    def product(self) -> int | None:
        """Samples a step of the optimizer; None where a factor is unknown."""
        total = 1
        for factor in self.factors:
            if factor.value is None:
                return None
            total *= factor.value
        return total


def arithmetic(config: Mapping[str, Any], gpus: int | None, gpus_from: str) -> BatchArithmetic:
    """Return the factors of a run. ``gpus`` is how many its job has, ``gpus_from`` where that is known from."""
    batch = _factor("batch", config, BATCH, "the config names no batch size that is known")
    accumulation = _factor("accumulation", config, ACCUMULATION, "the config names no accumulation that is known")
    held = Factor("GPUs", gpus or None, gpus_from if gpus else "no job tells how many GPUs the run has")
    return BatchArithmetic((batch, accumulation, held), _note(batch))


def _factor(name: str, config: Mapping[str, Any], keys: tuple[str, ...], missing: str) -> Factor:
    found = next(iter(find(config, keys)), None)
    if found is None:
        return Factor(name, None, missing)
    if found.whole is None or found.whole < 1:
        return Factor(name, None, f"{found.key} is {str(found.value)[:40]!r}, which is no number of samples")
    return Factor(name, found.whole, f"{found.key} in the config")


def _note(batch: Factor) -> str:
    """Whether a script means each GPU or all of them stands in no config: said where the key does not tell."""
    key = batch.source.split(" ")[0].rpartition(".")[2]
    if batch.value is None or key in PER_GPU:
        return ""
    if key in ONE_FOR_ALL:
        return "DeepSpeed means the whole product by train_batch_size: then it is not multiplied again."
    return "This takes the batch as each GPU's own; a script that splits it over its GPUs trains on fewer."
