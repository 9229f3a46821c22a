"""Whether the values of a run lie in the space of its sweep. Pure."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from apps.core.units import number
from apps.flags.reading import same
from apps.sweeps.domain import finite, lookup

MOST_VALUES = 5
_PLAIN = ("", "uniform", "int_uniform", "log_uniform_values", "inv_log_uniform_values")
_NEARLY = 1e-6  # of a bound: a value that was rounded on its way lies inside


def outside(config: Mapping[str, Any], parameters: Mapping[str, Any], changed: Collection[str] = ()) -> tuple[str, ...]:
    """Return which values lie outside the space, as ``lr: 99 on W&B, the sweep's space has 0.1, 0.2``.

    ``changed`` names keys that somebody changed on purpose, whole or by their last part. What the config lacks, and
    what has no bounds, is left out: quantised and normal distributions reach beyond what they name.
    """
    found = []
    for key, spec in _specs(parameters):
        value = lookup(config, key)
        if value is None or {key, key.rpartition(".")[2]} & set(changed):
            continue
        if said := _beyond(value, spec):
            found.append(f"{key}: {str(value)[:60]} on W&B, the sweep's space {said}")
    return tuple(found)


def _specs(parameters: Mapping[str, Any], prefix: str = "", depth: int = 0) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """Yield the dotted key of each parameter with what the sweep says of it."""
    for name, spec in parameters.items():
        if not isinstance(spec, Mapping):
            continue
        inner = spec.get("parameters")
        if isinstance(inner, Mapping) and depth < 6:
            yield from _specs(inner, f"{prefix}{name}.", depth + 1)
        else:
            yield f"{prefix}{name}", spec


def _beyond(value: Any, spec: Mapping[str, Any]) -> str:
    """Say what the space is where the value lies outside of it; empty where it does not, or nobody can tell."""
    allowed = spec["values"] if isinstance(spec.get("values"), list) else [spec["value"]] if "value" in spec else []
    if allowed:
        return "" if any(same(value, one) for one in allowed) else f"has {_listed(allowed)}"
    low, high = _bounds(spec)
    if (low is None and high is None) or isinstance(value, bool | Mapping | list):
        return ""
    told = finite(value)
    below = told is not None and low is not None and told < low - abs(low) * _NEARLY
    above = told is not None and high is not None and told > high + abs(high) * _NEARLY
    return _span(low, high) if told is None or below or above else ""


def _bounds(spec: Mapping[str, Any]) -> tuple[float | None, float | None]:
    low, high, how = finite(spec.get("min")), finite(spec.get("max")), str(spec.get("distribution") or "")
    if how in _PLAIN:
        return low, high
    if how == "log_uniform":  # the bounds are those of the logarithm
        return _power(low), _power(high)
    if how == "inv_log_uniform":  # of the inverse's
        return _power(None if high is None else -high), _power(None if low is None else -low)
    return None, None


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
