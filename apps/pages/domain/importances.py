"""How much each parameter of a sweep bears on its metric, by PED-ANOVA of optuna. Pure and seeded.

PED-ANOVA asks which parameters tell the best tenth of the runs from all of them. It needs no model of the metric and
none of scikit-learn; fANOVA would bring scikit-learn and scipy along, 45 MB, for a figure that nobody acts on at two
digits. How sure a figure is, is told by the same on resamples of the runs.
"""

import math
import random
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.importance import PedAnovaImportanceEvaluator
from optuna.trial import FrozenTrial, create_trial

from apps.core.units import count
from apps.sweeps.domain import finite

LEAST_RUNS = 20
MOST_RUNS = 2000  # more are drawn from by the seed
RESAMPLES = 20
SEED = 7
METHOD = "PED-ANOVA (optuna)"
BEST = 0.1  # of the runs, whom PED-ANOVA compares with all
NOTHING = 1e-12  # a divergence below it is rounding
MOST_WORDS = 50  # of a parameter that is chosen among texts; one with more names runs, not choices

optuna.logging.set_verbosity(optuna.logging.ERROR)  # what it tells a notebook is nothing for a worker's log


@dataclass(frozen=True, slots=True)
class Sample:
    """A run that ended: what its sweep chose, by parameter, and its metric."""

    values: Mapping[str, Any]
    metric: float


def importances(samples: Sequence[Sample], metric: str, goal: str, logs: frozenset[str], of: int) -> dict[str, Any]:
    """Return the figures as JSON, or only ``said`` where they could not be told honestly.

    ``logs`` are parameters on a scale of magnitudes; ``of`` counts the sweep's runs, ended or not.
    """
    names = sorted({name for one in samples for name in one.values})
    varying = [name for name in names if len({repr(one.values.get(name)) for one in samples}) > 1]
    whole = [one for one in samples if all(one.values.get(name) is not None for name in varying)]
    if len(whole) < LEAST_RUNS:
        return {"said": _too_few(len(whole), metric)}
    spaces = {name: space for name in varying if (space := _space(name, whole, name in logs)) is not None}
    if len(spaces) < 2:
        return {"said": f"{count(len(spaces), 'parameter')} of the sweep varies; importance compares two or more."}
    drawn = random.Random(SEED).sample(whole, min(MOST_RUNS, len(whole)))  # noqa: S311 - a sample, no secret
    trials = [_trial(one, spaces) for one in drawn]
    found = _told(trials, goal)
    if not any(found.values()):
        return {"said": _nothing_told(trials, goal, metric)}
    spread = _resampled(trials, goal)
    lines = [_line(name, value, spread.get(name, []), drawn) for name, value in found.items()]
    return {
        "method": METHOD, "metric": metric, "goal": goal, "runs": len(drawn), "of": of, "seed": SEED,
        "resamples": RESAMPLES, "parameters": sorted(lines, key=lambda one: -one["importance"]),
        "constant": [name for name in names if name not in varying],
        "left": [name for name in varying if name not in spaces],
    }  # fmt: skip


def _too_few(runs: int, metric: str) -> str:
    return (
        f"Too few runs: {runs} ended with {metric} and every parameter, and fewer than {LEAST_RUNS} tell chance from "
        "importance. Nothing is shown until there are more."
    )


def _nothing_told(trials: Sequence[FrozenTrial], goal: str, metric: str) -> str:
    same = _as_good_as_the_best(trials, goal)
    return (
        f"Nothing tells the best runs apart: by {metric}, {same} of {len(trials)} are among the best tenth or as good. "
        "No parameter is weighed."
    )


def _as_good_as_the_best(trials: Sequence[FrozenTrial], goal: str) -> int:
    """Count the best tenth of the runs, with those that are as good as its last."""
    sign = -1.0 if goal == "maximize" else 1.0
    losses = sorted(sign * one.value for one in trials if one.value is not None)
    return bisect_right(losses, losses[math.ceil(BEST * len(losses)) - 1])


def _space(name: str, samples: Sequence[Sample], log: bool) -> BaseDistribution | None:
    values = [one.values[name] for one in samples]
    numbers = [finite(value) for value in values]
    told = [one for one in numbers if one is not None]
    if len(told) == len(values) and not any(isinstance(value, bool) for value in values):
        low, high = min(told), max(told)
        return FloatDistribution(low, high, log=log and low > 0) if low < high else None
    words = sorted({str(value) for value in values})
    return CategoricalDistribution(words) if 1 < len(words) <= MOST_WORDS else None


def _trial(one: Sample, spaces: Mapping[str, BaseDistribution]) -> FrozenTrial:
    told = {
        name: finite(one.values[name]) if isinstance(space, FloatDistribution) else str(one.values[name])
        for name, space in spaces.items()
    }
    return create_trial(params=told, distributions=dict(spaces), value=one.metric)


def _told(trials: Sequence[FrozenTrial], goal: str) -> dict[str, float]:
    """Return each parameter's share; all together make 1, or are 0 where nothing tells the best runs apart.

    So it is where more than half of the runs are as good as the best tenth: that they are best says little then.
    """
    if _as_good_as_the_best(trials, goal) * 2 > len(trials):
        return dict.fromkeys(trials[0].params, 0.0)
    study = optuna.create_study(direction="maximize" if goal == "maximize" else "minimize")
    study.add_trials(list(trials))
    # Not through get_param_importances: where no parameter tells anything, it gives each the same share.
    found = PedAnovaImportanceEvaluator(target_quantile=BEST).evaluate(study)
    told = {name: value if math.isfinite(value) else 0.0 for name, value in found.items()}
    total = sum(told.values())
    return {name: value / total if total > NOTHING else 0.0 for name, value in told.items()}


def _resampled(trials: Sequence[FrozenTrial], goal: str) -> dict[str, list[float]]:
    """Return each parameter's shares on resamples of the runs, drawn with replacement."""
    chance = random.Random(SEED)  # noqa: S311 - a sample, no secret
    found: dict[str, list[float]] = {}
    for _ in range(RESAMPLES):
        for name, value in _told(chance.choices(trials, k=len(trials)), goal).items():
            found.setdefault(name, []).append(value)
    return found


def _line(name: str, value: float, spread: Sequence[float], drawn: Sequence[Sample]) -> dict[str, Any]:
    pairs = [(number, one.metric) for one in drawn if (number := _number(one.values[name])) is not None]
    told = sorted(spread)
    return {
        "name": name,
        "importance": value,
        "low": told[len(told) // 10] if told else value,
        "high": told[-1 - len(told) // 10] if told else value,
        "spearman": rank_correlation(pairs),
        "n": len(drawn),
    }


def _number(value: Any) -> float | None:
    return None if isinstance(value, bool) else finite(value)


def rank_correlation(pairs: Sequence[tuple[float, float]]) -> float | None:
    """Return Spearman's rank correlation, ties sharing their ranks; None for too few pairs or a flat side."""
    if len(pairs) < LEAST_RUNS:
        return None
    first, second = _ranks([one for one, _ in pairs]), _ranks([other for _, other in pairs])
    middle = (len(pairs) - 1) / 2
    ours = math.sqrt(sum((one - middle) ** 2 for one in first))
    theirs = math.sqrt(sum((one - middle) ** 2 for one in second))
    if not ours or not theirs:
        return None
    shared = sum((one - middle) * (other - middle) for one, other in zip(first, second, strict=True))
    return max(-1.0, min(1.0, shared / (ours * theirs)))


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda place: values[place])
    ranks = [0.0] * len(values)
    at = 0
    while at < len(order):
        end = at
        while end + 1 < len(order) and values[order[end + 1]] == values[order[at]]:
            end += 1
        for place in order[at : end + 1]:
            ranks[place] = (at + end) / 2
        at = end + 1
    return ranks
