"""Which parameters the next run of a sweep gets: grid and random search, as pure functions.

Both are functions of the run's ordinal alone, so that a restart of the server continues where it was.
"""

import math
import random
from collections.abc import Callable
from typing import Any

from apps.sandbox.wandb_server.errors import Refused

Parameters = dict[str, Any]
METHODS = ("grid", "random", "bayes")


def expected_runs(config: dict[str, Any]) -> int | None:
    """Return how many runs the sweep will have; None when it has no end."""
    cap = config.get("run_cap")
    total = None
    if config.get("method") == "grid":
        total = math.prod(len(choices) for _, choices in _grid(config.get("parameters", {})))
    known = [limit for limit in (cap, total) if limit is not None]
    return min(known) if known else None


def draw(config: dict[str, Any], ordinal: int, seed: str) -> Parameters:
    """Return the parameters of the run with this ordinal (from 0): a plain, possibly nested dict."""
    parameters = config.get("parameters", {})
    if config.get("method") == "grid":
        return _combination(parameters, ordinal)
    generator = random.Random(f"{seed}:{ordinal}")  # noqa: S311 (a search, not a secret)
    return _sample_all(parameters, generator)


def check(config: dict[str, Any]) -> list[str]:
    """Refuse a search that cannot be run (400); return warnings about what is done differently from W&B."""
    if config.get("method") not in METHODS:
        raise Refused(f"sweep method must be one of {', '.join(METHODS)}", 400)
    expected_runs(config)
    draw(config, 0, "check")
    return ["bayes is drawn at random by this server"] if config["method"] == "bayes" else []


def _grid(parameters: dict[str, Any], prefix: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], list[Any]]]:
    axes: list[tuple[tuple[str, ...], list[Any]]] = []
    for name, spec in parameters.items():
        if "parameters" in spec:
            axes += _grid(spec["parameters"], (*prefix, name))
        else:
            axes.append(((*prefix, name), _choices(name, spec)))
    return axes


def _choices(name: str, spec: dict[str, Any]) -> list[Any]:
    if "value" in spec:
        return [spec["value"]]
    if "values" in spec:
        return list(spec["values"])
    if "min" in spec and "max" in spec and spec.get("distribution", "int_uniform") in ("int_uniform", "q_uniform"):
        step = spec.get("q", 1)
        count = math.floor((spec["max"] - spec["min"]) / step) + 1
        return [spec["min"] + step * index for index in range(count)]
    raise Refused(f"parameter {name} cannot be searched by grid: give it values", 400)


def _combination(parameters: dict[str, Any], ordinal: int) -> Parameters:
    """Read the ordinal as a number whose digits are the axes, the last axis turning fastest."""
    chosen: Parameters = {}
    for path, choices in reversed(_grid(parameters)):
        ordinal, digit = divmod(ordinal, len(choices))
        place = chosen
        for step in path[:-1]:
            place = place.setdefault(step, {})
        place[path[-1]] = choices[digit]
    return chosen


def _sample_all(parameters: dict[str, Any], generator: random.Random) -> Parameters:
    return {
        name: _sample_all(spec["parameters"], generator) if "parameters" in spec else _sample(spec, generator)
        for name, spec in parameters.items()
    }


def _sample(spec: dict[str, Any], generator: random.Random) -> Any:
    if "value" in spec:
        return spec["value"]
    if "values" in spec:
        return generator.choices(spec["values"], weights=spec.get("probabilities"))[0]
    name = spec.get("distribution") or _default_distribution(spec)
    bare = name.removeprefix("q_")
    if bare not in DISTRIBUTIONS:
        raise Refused(f"unknown distribution {name}", 400)
    value = DISTRIBUTIONS[bare](spec, generator)
    step = spec.get("q", 1)
    return round(value / step) * step if bare != name else value


def _default_distribution(spec: dict[str, Any]) -> str:
    whole = all(isinstance(spec.get(bound), int) for bound in ("min", "max"))
    return "int_uniform" if whole else "uniform"


def _log_between(low: float, high: float, generator: random.Random) -> float:
    return math.exp(generator.uniform(math.log(low), math.log(high)))


DISTRIBUTIONS: dict[str, Callable[[dict[str, Any], random.Random], float]] = {
    "int_uniform": lambda spec, generator: generator.randint(spec["min"], spec["max"]),
    "uniform": lambda spec, generator: generator.uniform(spec["min"], spec["max"]),
    "log_uniform": lambda spec, generator: math.exp(generator.uniform(spec["min"], spec["max"])),
    "log_uniform_values": lambda spec, generator: _log_between(spec["min"], spec["max"], generator),
    "inv_log_uniform_values": lambda spec, generator: 1 / _log_between(1 / spec["max"], 1 / spec["min"], generator),
    "normal": lambda spec, generator: generator.gauss(spec.get("mu", 0), spec.get("sigma", 1)),
    "log_normal": lambda spec, generator: math.exp(generator.gauss(spec.get("mu", 0), spec.get("sigma", 1))),
    "beta": lambda spec, generator: generator.betavariate(spec.get("a", 1), spec.get("b", 1)),
}
