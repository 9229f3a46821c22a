"""The five steps against a CUDA out-of-memory error, in the practice's order, with numbers from the run's config. Pure.

Practice: 'OOM Prevention & Recovery'. Halving the batch is ``new_batch = old_batch // 2``; then either the learning
rate follows it, ``new_lr = old_lr * new_batch / old_batch``, or accumulation keeps the effective batch,
``grad_accum = old_batch // new_batch``, and the learning rate stays. Effective batch = batch × accumulation × GPUs.
"""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from apps.core.units import number
from apps.memory.keys import ACCUMULATION, BATCH, CHECKPOINTING, LEARNING_RATE, LENGTH, PRECISION, Setting, find


class Rung(StrEnum):
    """One step; the value names it in a run's history."""

    BATCH = "halve-batch"
    CHECKPOINTING = "gradient-checkpointing"
    PRECISION = "mixed-precision"
    ACCUMULATION = "accumulate-more"
    LENGTH = "shorter-input"


TRADE_OFFS = {
    Rung.BATCH: "slower training; the learning rate has to follow, or accumulation keep the effective batch",
    Rung.CHECKPOINTING: "about 20 % slower; much less memory for activations",
    Rung.PRECISION: "a little precision; about half the memory of activations",
    Rung.ACCUMULATION: "the same effective batch; each step takes longer",
    Rung.LENGTH: "may change what the model learns",
}


@dataclass(frozen=True, slots=True)
class Change:
    """One key of the config, and its value before and after; ``old`` is None for a key that is to be added."""

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        if self.old is None:
            return f"{self.key} = {_shown(self.new)}"
        return f"{self.key}: {_shown(self.old)} → {_shown(self.new)}"


@dataclass(frozen=True, slots=True)
class Step:
    """A rung for one run: what to change and why, or why it is not open to it.

    ``effective`` is the effective batch before and after, where both are known; ``tried`` says it was taken before.
    """

    rung: Rung
    changes: tuple[Change, ...] = ()
    why: str = ""
    closed: str = ""
    effective: tuple[int, int] | None = None
    tried: bool = False

    @property
    def is_open(self) -> bool:
        return not self.closed and not self.tried

    @property
    def trade_off(self) -> str:
        return TRADE_OFFS[self.rung]


@dataclass(frozen=True)
class Ladder:
    """The steps in order; ``proposed`` is the first that is open, None where none is."""

    steps: tuple[Step, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def proposed(self) -> Step | None:
        return next((step for step in self.steps if step.is_open), None)


def ladder(config: Mapping[str, Any], gpus: int = 1, tried: Collection[str] = ()) -> Ladder:
    """Return the ladder of a run. ``gpus`` is how many it trains on; ``tried`` names rungs that were taken before."""
    steps = tuple(_step(rung, config, max(1, gpus), rung.value in tried) for rung in Rung)
    return Ladder(steps, _notes(config))


def _step(rung: Rung, config: Mapping[str, Any], gpus: int, tried: bool) -> Step:
    made = _MAKERS[rung](config, gpus)
    # A batch can be halved again and again; the other steps are taken once.
    return (
        made if not tried or rung in (Rung.BATCH, Rung.ACCUMULATION) else Step(rung, made.changes, made.why, tried=True)
    )


def _batch(config: Mapping[str, Any], gpus: int) -> Step:
    batch, closed = _halvable(config)
    if batch is None:
        return Step(Rung.BATCH, closed=closed)
    old = batch.whole or 0
    new = old // 2
    accumulation, rate = _first(config, ACCUMULATION), _first(config, LEARNING_RATE)
    held = accumulation.whole if accumulation is not None else None
    if accumulation is not None and held is not None and held >= 1:
        return _accumulated(Rung.BATCH, batch, accumulation, gpus)
    effective = (old * gpus, new * gpus)
    if rate is None or rate.number is None:
        why = "the learning rate should be halved as well; the config names none"
        return Step(Rung.BATCH, (Change(batch.key, old, new),), why, effective=effective)
    scaled = rate.number * new / old
    why = f"the config has no accumulation, so the learning rate follows the batch: × {number(new / old)}"
    return Step(
        Rung.BATCH, (Change(batch.key, old, new), Change(rate.key, rate.value, scaled)), why, effective=effective
    )


def _accumulated(rung: Rung, batch: Setting, accumulation: Setting, gpus: int) -> Step:
    old, held = batch.whole or 0, accumulation.whole or 1
    new = old // 2
    more = held * (old // new)
    before, after = old * held * gpus, new * more * gpus
    why = "accumulation keeps the effective batch, so the learning rate stays as it is"
    if before != after:
        why = f"{old} does not halve evenly: the effective batch goes from {before} to {after}"
        why += f"; scale the learning rate by {after / before:.3g}"
    changes = (Change(batch.key, old, new), Change(accumulation.key, held, more))
    return Step(rung, changes, why, effective=(before, after))


def _halvable(config: Mapping[str, Any]) -> tuple[Setting | None, str]:
    batch = _first(config, BATCH)
    if batch is None:
        return None, "the config names no batch size that is known"
    size = batch.whole
    if size is None or size < 1:
        return None, f"{batch.key} is {_shown(batch.value)}, which is no number of samples"
    return (batch, "") if size > 1 else (None, f"{batch.key} is 1 already")


def _first(config: Mapping[str, Any], names: Collection[str]) -> Setting | None:
    return next(iter(find(config, names)), None)


def _checkpointing(config: Mapping[str, Any], gpus: int) -> Step:
    known = _first(config, CHECKPOINTING)
    if known is not None and _is_on(known.value):
        return Step(Rung.CHECKPOINTING, closed=f"{known.key} is on already")
    key = known.key if known is not None else "gradient_checkpointing"
    why = "" if known is not None else "the config has no key for it: the script must know what to do with this one"
    return Step(Rung.CHECKPOINTING, (Change(key, known.value if known else None, True),), why)


def _precision(config: Mapping[str, Any], gpus: int) -> Step:
    known = find(config, PRECISION)
    on = next((one for one in known if _is_half(one)), None)
    if on is not None:
        return Step(Rung.PRECISION, closed=f"{on.key} is {_shown(on.value)} already")
    if not known:
        why = "the config has no key for it: the script must know what to do with this one"
        return Step(Rung.PRECISION, (Change("bf16", None, True),), why)
    one = known[0]
    new: Any = True if isinstance(one.value, bool) else "bf16-mixed" if _last_word(one) == "precision" else "bf16"
    return Step(Rung.PRECISION, (Change(one.key, one.value, new),), "fp16 where the GPU knows no bf16")


def _accumulate(config: Mapping[str, Any], gpus: int) -> Step:
    batch, closed = _halvable(config)
    if batch is None:
        return Step(Rung.ACCUMULATION, closed=f"{closed}: accumulation alone saves no memory")
    accumulation = _first(config, ACCUMULATION)
    if accumulation is None or not accumulation.whole or accumulation.whole < 1:
        return _accumulated(Rung.ACCUMULATION, batch, Setting("gradient_accumulation_steps", 1), gpus)
    return _accumulated(Rung.ACCUMULATION, batch, accumulation, gpus)


def _length(config: Mapping[str, Any], gpus: int) -> Step:
    known = next((one for one in find(config, LENGTH) if (one.whole or 0) > 1), None)
    if known is None:
        return Step(Rung.LENGTH, closed="the config names no length or size of the input that is known")
    old = known.whole or 0
    return Step(Rung.LENGTH, (Change(known.key, old, old // 2),), "the last resort: compare with runs of the old size")


_MAKERS: dict[Rung, Callable[[Mapping[str, Any], int], Step]] = {
    Rung.BATCH: _batch,
    Rung.CHECKPOINTING: _checkpointing,
    Rung.PRECISION: _precision,
    Rung.ACCUMULATION: _accumulate,
    Rung.LENGTH: _length,
}


def _notes(config: Mapping[str, Any]) -> tuple[str, ...]:
    batches = find(config, BATCH)
    if len({one.whole for one in batches}) < 2:
        return ()
    others = ", ".join(f"{one.key} = {_shown(one.value)}" for one in batches[1:])
    return (f"{batches[0].key} is taken for the batch of one GPU; the config also says {others}",)


def _is_on(value: Any) -> bool:
    return value is True or str(value).lower() in ("true", "1", "yes", "on")


def _is_half(one: Setting) -> bool:
    told = str(one.value).lower()
    if _last_word(one) in ("bf16", "fp16", "amp"):
        return _is_on(one.value)
    return any(word in told for word in ("16", "half"))


def _last_word(one: Setting) -> str:
    return one.key.rpartition(".")[2].lower()


def _shown(value: Any) -> str:
    return f"{value:.6g}" if isinstance(value, float) else str(value)
