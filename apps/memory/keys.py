"""Where configs keep what decides over a GPU's memory, under the names that frameworks give it. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from apps.flags.reading import leaves

BATCH = (
    "per_device_train_batch_size", "train_micro_batch_size_per_gpu", "micro_batch_size", "per_gpu_train_batch_size",
    "train_batch_size", "batch_size", "batchsize", "bs",
)  # fmt: skip
ACCUMULATION = (
    "gradient_accumulation_steps", "accumulate_grad_batches", "grad_accum_steps", "grad_accumulation_steps",
    "accumulation_steps", "gradient_accumulation", "grad_accum",
)  # fmt: skip
LEARNING_RATE = ("learning_rate", "lr", "base_lr", "max_lr")
CHECKPOINTING = (
    "gradient_checkpointing", "activation_checkpointing", "grad_checkpointing", "use_gradient_checkpointing",
    "enable_gradient_checkpointing", "use_checkpoint",
)  # fmt: skip
PRECISION = ("bf16", "fp16", "amp", "precision", "mixed_precision", "torch_dtype", "dtype")
LENGTH = (
    "max_seq_length", "max_seq_len", "sequence_length", "seq_length", "seq_len", "max_length", "block_size",
    "image_size", "img_size", "resolution", "crop_size", "input_size",
)  # fmt: skip
_NOT_TRAINING = ("eval", "val", "valid", "validation", "test", "predict", "inference")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value of a config and its dotted key."""

    key: str
    value: Any

    @property
    def number(self) -> float | None:
        """The value as a number; None where it is none. Texts count: YAML reads ``1e-4`` as one."""
        if isinstance(self.value, bool) or self.value is None:
            return None
        try:
            return float(self.value)
        except (TypeError, ValueError):
            return None

    @property
    def whole(self) -> int | None:
        number = self.number
        return int(number) if number is not None and abs(number) < 1 << 53 and number == int(number) else None


def find(config: Mapping[str, Any], names: Iterable[str]) -> list[Setting]:
    """Return the settings whose last word is one of ``names``, the first name first; none that is for evaluation."""
    order = {name: place for place, name in enumerate(names)}
    every = (Setting(key, value) for key, value in leaves(config))
    found = [one for one in every if _last(one.key) in order and not _evaluates(one.key)]
    return sorted(found, key=lambda one: (order[_last(one.key)], one.key.count("."), one.key))


def _last(key: str) -> str:
    return key.rpartition(".")[2].rpartition("/")[2].lower().replace("-", "_")


def _evaluates(key: str) -> bool:
    words = key.lower().replace("/", ".").replace("_", ".").split(".")
    return any(word in _NOT_TRAINING for word in words)
