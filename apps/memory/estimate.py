"""How much of a GPU's memory a training will take, before it is launched. Pure.

The practice's own line is ``params × 4 × 3`` bytes (weights, gradients and optimizer in fp32) and 20 % headroom for
activations. The second line counts what an optimizer and a precision really keep for each parameter.
"""

import re
from dataclasses import dataclass

HEADROOM = 1.2
GIB = 1 << 30

# Bytes that an optimizer keeps for each trained parameter, in fp32 unless its name says otherwise.
OPTIMIZERS: dict[str, float] = {
    "adamw": 8, "adam": 8, "adamw-8bit": 2, "sgd": 0, "sgd-momentum": 4, "lion": 4, "adafactor": 0.1, "rmsprop": 4,
}  # fmt: skip
# (bytes of the weights, bytes of their gradients). Mixed: weights in fp32 and a half copy for the passes.
PRECISIONS: dict[str, tuple[float, float]] = {"fp32": (4, 4), "mixed": (6, 4), "bf16": (2, 2)}
# GiB of memory by the type that Slurm's gres gives, as their makers state them.
GPUS: dict[str, tuple[int, ...]] = {
    "t4": (16,), "v100": (16, 32), "p100": (16,), "a10": (24,), "l4": (24,), "rtx3090": (24,), "rtx4090": (24,),
    "a40": (48,), "a6000": (48,), "l40": (48,), "l40s": (48,), "a100": (40, 80), "h100": (80,), "h200": (141,),
    "b200": (180,), "gh200": (96,), "mi250": (128,), "mi300x": (192,),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes on each GPU: by the practice's rule, and by optimizer and precision; both with the headroom."""

    practice: float
    exact: float

    @property
    def larger(self) -> float:
        return max(self.practice, self.exact)


def estimate(
    parameters: int, *, optimizer: str = "adamw", precision: str = "fp32", trained: int | None = None
) -> Estimate:
    """Return what ``parameters`` take, of which ``trained`` have gradients (all, where it is None).

    Raises ``ValueError`` with a sentence for a number below 0 and for an optimizer or precision that is not known.
    """
    moving = parameters if trained is None else trained
    if parameters < 0 or not 0 <= moving <= parameters:
        raise ValueError("The number of parameters cannot be negative, nor fewer than those that are trained.")
    if optimizer not in OPTIMIZERS:
        raise ValueError(f"The optimizer '{optimizer}' is not known; known are {', '.join(OPTIMIZERS)}.")
    if precision not in PRECISIONS:
        raise ValueError(f"The precision '{precision}' is not known; known are {', '.join(PRECISIONS)}.")
    weights, gradients = PRECISIONS[precision]
    exact = parameters * weights + moving * (gradients + OPTIMIZERS[optimizer])
    return Estimate(parameters * 4 * 3 * HEADROOM, exact * HEADROOM)


@dataclass(frozen=True, slots=True)
class Fit:
    """Whether an estimate fits on a GPU of ``gib`` GiB, and what is left of it; negative where it does not fit."""

    gpu: str
    gib: int
    left: float

    @property
    def fits(self) -> bool:
        return self.left >= 0

    @property
    def missing(self) -> float:
        return max(0.0, -self.left)


_SIZE = re.compile(r"(\d+)\s*gi?b?(?![a-z0-9])")


def sizes_of(name: str) -> tuple[int, ...]:
    """Return the GiB that a GPU may have by the name that a cluster gives it; empty where that tells nothing.

    ``nvidia_a100-sxm4-80gb`` says its size; of a bare ``a100`` each size that is made counts.
    """
    lower = name.lower()
    if said := _SIZE.findall(lower):
        return (int(said[-1]),)
    plain = re.sub(r"[^a-z0-9]", "", lower)
    known = max((one for one in GPUS if one in plain), key=len, default="")
    return GPUS.get(known, ())


def fits(one: Estimate, gpus: dict[str, tuple[int, ...]] | None = None) -> list[Fit]:
    """Return how the larger of the two lines fits on each GPU, the smallest first."""
    known = GPUS if gpus is None else gpus
    every = [Fit(name, gib, gib * GIB - one.larger) for name, sizes in known.items() for gib in sizes]
    return sorted(every, key=lambda fit: (fit.gib, fit.gpu))
