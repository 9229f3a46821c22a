"""Reading what rules need out of configs, summaries and curves. Pure."""

import math
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from apps.flags.domain import ConfigFacts, Curves
from apps.flags.versions import any_is_version, name_versions, packages_among
from apps.sweeps.domain import lookup

FRAMEWORKS = ("PyTorch", "NumPy", "Python", "CUDA")
_SEED = re.compile(r"(?:^|[._/-])(?:\w*_)?seeds?(?:[._/-]|_|$)")
_OF = {
    "PyTorch": re.compile(r"torch|lightning|transformers"),
    "NumPy": re.compile(r"numpy|(?:^|[._/-])np(?:[._/-]|$)"),
    "Python": re.compile(r"python|(?:^|[._/-])random(?:[._/-]|$)"),
    "CUDA": re.compile(r"cuda|gpu"),
}
_MEMORY = re.compile(r"max_memory_allocated|memory_allocated|gpu_mem|peak_memory|cuda_mem")
_DEEPEST = 6


Shape = tuple["str | tuple[str, Shape]", ...]


def _shape(values: Mapping[str, Any], depth: int = 0) -> Shape:
    """Return the keys of a nested config without its values: what the runs of one sweep have in common."""
    return tuple(
        (key, _shape(value, depth + 1)) if isinstance(value, dict) and depth < _DEEPEST else key
        for key, value in values.items()
    )


def _dotted(shape: Shape, prefix: str = "") -> Iterable[str]:
    """Yield the dotted keys of everything in a config of this shape, in lower case."""
    for entry in shape:
        key, inner = (entry, ()) if isinstance(entry, str) else entry
        name = f"{prefix}{key}".lower()
        yield name
        yield from _dotted(inner, f"{name}.")


def config_facts(
    config: Mapping[str, Any], parameters: Mapping[str, Any] | None = None, drift: tuple[str, ...] = ()
) -> ConfigFacts:
    """Return what a run's config tells; ``parameters`` are those of its sweep."""
    said = _said_by(_shape(config))
    return ConfigFacts(
        empty=not config,
        seeded=said.seeded,
        has_versions=said.has_versions or any_is_version(config, said.packages),
        missing_parameters=tuple(name for name in parameters or () if lookup(config, name) is None),
        drift=drift,
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """What the names of keys tell: which frameworks are seeded, whether versions and GPU memory are among them.

    ``packages`` are keys that are the bare name of a package.
    """

    seeded: frozenset[str]
    has_versions: bool
    packages: tuple[str, ...]
    has_memory: bool


@lru_cache(maxsize=2048)
def _said_by(shape: Shape) -> _Said:
    """Read the names of keys; kept, because the runs of a sweep all have the same."""
    keys = tuple(_dotted(shape))
    seeds = [key for key in keys if _SEED.search(key)]
    seeded = {name for name, pattern in _OF.items() for key in seeds if pattern.search(key)}
    if any(not any(pattern.search(key) for pattern in _OF.values()) for key in seeds if not _is_branch(key, keys)):
        seeded.add("any")
    return _Said(
        frozenset(seeded),
        name_versions(keys),
        packages_among(keys),
        any(_MEMORY.search(key) for key in keys),
    )


def _is_branch(key: str, keys: tuple[str, ...]) -> bool:
    return any(other.startswith(f"{key}.") for other in keys)


def logs_gpu_memory(summary: Mapping[str, Any], config: Mapping[str, Any]) -> bool:
    """Tell whether the run itself logged how much GPU memory it took."""
    return any(_said_by(_shape(values)).has_memory for values in (summary, config))


def curves_of(metric: list[list[float]], loss: list[list[float]], name: str, goal: str) -> Curves:
    """Return the values of thin samples, in order; what is not finite is left out."""
    return Curves(
        metric=_finite_values(metric),
        loss=_finite_values(loss),
        minimize=goal != "maximize",
        metric_is_validation=bool(re.search(r"val|eval|test|dev", name.lower())),
    )


def _finite_values(points: list[list[float]]) -> tuple[float, ...]:
    return tuple(value for _, value in points if isinstance(value, int | float) and math.isfinite(value))


MOST_DIFFERENCES = 12
OF_ONE_START = frozenset({"wandb_run_id", "_wandb", "output_dir", "hydra", "versions"})
USUAL_DIFFERENCES = OF_ONE_START | {"seeds"}


def differences(disk: Mapping[str, Any], wandb: Mapping[str, Any], may_differ: Collection[str] = ()) -> tuple[str, ...]:
    """Return in which keys the config on disk differs from W&B's, as ``lr: 0.1 on disk, 0.2 on W&B``.

    Only keys that both have count: frameworks put more into either. The disk's config may lie below one key, as
    Hydra's groups do. ``may_differ`` names further keys that do not count, whole or by their last part.
    """
    told = dict(leaves(wandb))
    usual = USUAL_DIFFERENCES | set(may_differ)
    found = []
    for key, value in leaves(disk):
        last = key.rpartition(".")[2]
        other = told.get(key, told.get(last, _ABSENT))
        if other is _ABSENT or usual & {key, key.partition(".")[0], last} or same(value, other):
            continue
        found.append(f"{key}: {str(value)[:60]} on disk, {str(other)[:60]} on W&B")
    return tuple(sorted(found)[:MOST_DIFFERENCES])


def shared_keys(disk: Mapping[str, Any], wandb: Mapping[str, Any]) -> int:
    """Return how many values both configs have, which is how many could be compared."""
    told = dict(leaves(wandb))
    return sum(key in told or key.rpartition(".")[2] in told for key, _ in leaves(disk))


def only_in_wandb(disk: Mapping[str, Any], wandb: Mapping[str, Any]) -> list[str]:
    """Return the keys of W&B's config that the disk's lacks, W&B's own left out: nobody could compare them."""
    held = {key for key, _ in leaves(disk)}
    lasts = {key.rpartition(".")[2] for key in held}
    missing = (key for key, _ in leaves(wandb) if not key.startswith("_") and key not in held)
    return sorted(key for key in missing if key not in lasts)


_ABSENT = object()


def leaves(values: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Any]]:
    """Yield the dotted key and the value of everything in a nested config that holds nothing further."""
    for key, value in values.items():
        name = f"{prefix}{key}"
        if isinstance(value, Mapping) and depth < _DEEPEST:
            yield from leaves(value, f"{name}.", depth + 1)
        else:
            yield name, value


def same(one: Any, other: Any) -> bool:
    """Compare as YAML and JSON mean it: 1 is 1.0, and ``1e-4`` read as text is 0.0001."""
    try:
        return math.isclose(float(one), float(other), rel_tol=1e-9)
    except (TypeError, ValueError):
        return bool(one == other) or str(one) == str(other)
