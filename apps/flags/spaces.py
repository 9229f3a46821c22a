"""Whether the values of a run lie in the space of its sweep. Pure."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from apps.core.units import number
from apps.flags.reading import same
from apps.sweeps.domain import finite, lookup

MOST_VALUES = 5
_PLAIN = ("", "uniform", "int_uniform", "log_uniform_values", "inv_log_uniform_values")
_NEARLY = 1e-6  # of a bound: a value that was rounded on its way lies inside


@dataclass(frozen=True, slots=True)
class Bounds:
    """What a sweep allows of one parameter, by its dotted key: these values, or a span; None where it has no end."""

    key: str
    allowed: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None

    @property
    def said(self) -> str:
        return f"has {_listed(self.allowed)}" if self.allowed else _span(self.low, self.high)


def space_of(parameters: Mapping[str, Any]) -> tuple[Bounds, ...]:
    """Return what a sweep allows, of each parameter that has bounds.

    Quantised and normal distributions have none: they reach beyond what they name.
    """
    bounds = (_bounds(key, spec) for key, spec in _specs(parameters))
    return tuple(one for one in bounds if one.allowed or one.low is not None or one.high is not None)


def outside(config: Mapping[str, Any], space: Iterable[Bounds], changed: Collection[str] = ()) -> tuple[str, ...]:
    """Return which values lie outside the space, as ``lr: 99 on W&B, the sweep's space has 0.1, 0.2``.

    ``changed`` names keys that somebody changed on purpose, whole or by their last part. What the config lacks is
    left out.
    """
    found = []
    for one in space:
        value = lookup(config, one.key)
        if value is None or value in one.allowed or not _is_beyond(value, one):
            continue
        if one.key not in changed and one.key.rpartition(".")[2] not in changed:
            found.append(f"{one.key}: {str(value)[:60]} on W&B, the sweep's space {one.said}")
    return tuple(found)


def _specs(parameters: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Mapping[str, Any]]]:
    for name, spec in parameters.items():
        if not isinstance(spec, Mapping):
            continue
        inner = spec.get("parameters")
        if isinstance(inner, Mapping) and depth < 6:
            yield from _specs(inner, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", spec


def _is_beyond(value: Any, bounds: Bounds) -> bool:
    if bounds.allowed:
        return not any(same(value, one) for one in bounds.allowed)
    if isinstance(value, bool | dict | list):
        return False
    told, low, high = finite(value), bounds.low, bounds.high
    if told is None:
        return True
    below = low is not None and told < low - abs(low) * _NEARLY
    return below or (high is not None and told > high + abs(high) * _NEARLY)


def _bounds(key: str, spec: Mapping[str, Any]) -> Bounds:
    if isinstance(spec.get("values"), list):
        return Bounds(key, tuple(spec["values"]))
    if "value" in spec:
        return Bounds(key, (spec["value"],))
    low, high, how = finite(spec.get("min")), finite(spec.get("max")), str(spec.get("distribution") or "")
    if how in _PLAIN:
        return Bounds(key, (), low, high)
    if how == "log_uniform":  # the bounds are those of the logarithm
        return Bounds(key, (), _power(low), _power(high))
    if how == "inv_log_uniform":  # of the inverse's
        return Bounds(key, (), _power(None if high is None else -high), _power(None if low is None else -low))
    return Bounds(key)


def _power(exponent: float | None) -> float | None:
    try:
        return None if exponent is None else math.exp(exponent)
    except OverflowError:
        return None


def _listed(allowed: Sequence[Any]) -> str:
    return ", ".join(str(one)[:40] for one in allowed[:MOST_VALUES]) + (", …" if len(allowed) > MOST_VALUES else "")


def _span(low: float | None, high: float | None) -> str:
    if low is None or high is None:
        return f"is at least {number(low)}" if high is None else f"is at most {number(high)}"
    return f"is {number(low)} to {number(high)}"
