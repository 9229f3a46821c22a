"""The best metric of each sweep, and what moved it. Pure."""

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from apps.core.units import number
from apps.review.domain.facts import NOBODYS, RunFact, SweepFact, WeekFacts
from apps.review.domain.numbers import Figure, Row, Table, counted, table
from apps.review.domain.work import MOST, limit_of
from apps.sweeps.domain import lookup

FEW = 3  # parameters that are named
LONGEST = 24  # characters of a value


@dataclass(frozen=True, slots=True)
class Best:
    """The best run of a sweep in the week, and the value that it is held against; None before any."""

    sweep: SweepFact
    run: RunFact
    value: float
    before: float | None

    @property
    def improved(self) -> bool:
        if self.before is None:
            return True
        return self.value < self.before if self.sweep.minimize else self.value > self.before


def best_runs(facts: WeekFacts) -> list[Best]:
    """Return the best run of each sweep that names a metric and has a run of the week with a value for it.

    What is held against it is the best of the runs that had ended before the week; a run that lived on counts with
    what it says when the week is counted.
    """
    own: dict[int | None, list[RunFact]] = defaultdict(list)
    for run in facts.runs:
        if run.metric is not None and run.state not in NOBODYS:
            own[run.sweep].append(run)
    return [_best(sweep, own[sweep.pk]) for sweep in facts.sweeps if sweep.metric and own[sweep.pk]]


def _best(sweep: SweepFact, runs: list[RunFact]) -> Best:
    sign = 1 if sweep.minimize else -1
    run = min(runs, key=lambda one: (sign * (one.metric or 0.0), one.pk))
    return Best(sweep, run, run.metric or 0.0, sweep.best_before.value if sweep.best_before else None)


def moved_by(sweep: SweepFact, before: Mapping[str, Any] | None, after: Mapping[str, Any] | None) -> str:
    """Say in which searched parameters two configs differ, such as ``lr 0.1 → 0.01``; unknown where one is missing."""
    if before is None or after is None:
        return "unknown: a config is missing"
    pairs = [(name, lookup(before, name), lookup(after, name)) for name in sweep.parameters]
    moved = [f"{name} {_short(was)} → {_short(now)}" for name, was, now in pairs if was != now]
    if not moved:
        return "the same parameters" if sweep.parameters else "unknown: the sweep names no parameters"
    more = f" and {len(moved) - FEW} more" if len(moved) > FEW else ""
    return ", ".join(moved[:FEW]) + more


def _short(value: Any) -> str:
    text = number(value) if isinstance(value, float) else "none" if value is None else str(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def result_figures(facts: WeekFacts) -> list[Figure]:
    """Count the sweeps whose best metric got better in the week; the first result of a sweep is one."""
    better = [one.sweep.pk for one in best_runs(facts) if one.improved]
    return [counted("results", "sweep", better, limit_of(facts, "wandb"), unknown=facts.known.wandb)]


def result_table(facts: WeekFacts) -> Table:
    """Return the best metric of each sweep: those that got better first."""
    ordered = sorted(best_runs(facts), key=lambda one: (not one.improved, one.sweep.name, one.sweep.pk))
    columns = ("Sweep", "Metric", "Before", "Best now", "By run", "What moved it")
    return table("results", columns, (_row(one, facts) for one in ordered), MOST)


def _row(one: Best, facts: WeekFacts) -> Row:
    before = one.sweep.best_before
    if before is None:
        moved = "no run had ended before" if one.run.pk in facts.began_before else "the first result"
    elif not one.improved:
        moved = "no better than before"
    else:
        moved = moved_by(one.sweep, facts.configs.get(before.pk), facts.configs.get(one.run.pk))
    best = one.value if one.improved else one.before
    who = (one.run.name or one.run.run_id) if one.improved else "—"
    goal = "↓" if one.sweep.minimize else "↑"
    cells = (f"{one.sweep.metric} {goal}", number(one.before), number(best), who, moved)
    return Row(one.sweep.name, cells, "sweep", one.sweep.pk, one.sweep.url)
