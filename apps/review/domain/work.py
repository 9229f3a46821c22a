"""Sweeps, runs and GPU hours of a week. Pure."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime

from apps.core.units import DASH
from apps.review.domain import hours
from apps.review.domain.catalogue import VERDICTS
from apps.review.domain.facts import RunFact, SweepFact, WeekFacts
from apps.review.domain.numbers import Figure, Row, Table, counted, summed, table
from apps.review.domain.spans import EVER

LEAST = 0.05  # hours that would be read as none
MOST = 500  # rows that are kept of a table; the screen shows the first dozen and folds the others
_FATES = {
    "hours-useful": (hours.USEFUL,),
    "hours-lost": hours.LOST,
    "hours-untold": (hours.UNTOLD,),
    "hours-crashed": (hours.CRASHED,),
    "hours-zombie": (hours.ZOMBIE,),
    "hours-repeated": (hours.REPEATED,),
    "hours-idle": (hours.IDLE,),
}


def finished_at(sweep: SweepFact, runs: Iterable[RunFact]) -> datetime | None:
    """Return when a sweep was over: the last sign of its runs, else W&B's last change; None while anything lives."""
    own = list(runs)
    if sweep.lives or sweep.later_run or any(run.ended_at is None for run in own):
        return None
    signs = (sweep.last_sign_at, *(run.ended_at for run in own))
    return max((at for at in signs if at), default=sweep.updated_at or sweep.created_at or EVER)


def sweep_figures(facts: WeekFacts) -> list[Figure]:
    """Count the sweeps that were started, finished, and still active when the told part of the week ended."""
    over, gap = _over(facts), facts.known.wandb
    made = [one for one in facts.sweeps if one.created_at is None or one.created_at < facts.until]
    started = [one.pk for one in made if facts.holds(one.created_at)]
    finished = [one.pk for one in made if facts.holds(over[one.pk])]
    limit = limit_of(facts, "wandb")
    return [
        counted("sweeps-started", "sweep", started, limit, unknown=gap),
        counted("sweeps-finished", "sweep", finished, limit, unknown=gap),
        counted("sweeps-active", "sweep", [one.pk for one in _active(made, over, facts)], limit, unknown=gap),
    ]


def _over(facts: WeekFacts) -> dict[int, datetime | None]:
    own: dict[int | None, list[RunFact]] = defaultdict(list)
    for run in facts.runs:
        own[run.sweep].append(run)
    return {one.pk: finished_at(one, own[one.pk]) for one in facts.sweeps}


def _active(made: list[SweepFact], over: dict[int, datetime | None], facts: WeekFacts) -> list[SweepFact]:
    return [one for one in made if (ended := over[one.pk]) is None or ended >= facts.until]


def limit_of(facts: WeekFacts, source: str) -> str:
    """Say what part of the week a source does not tell of; empty where it tells all."""
    return facts.known.limits.get(source, "")


def sweep_table(facts: WeekFacts) -> Table:
    """Return the sweeps of the week: those that go on first."""
    over = _over(facts)
    made = [one for one in facts.sweeps if one.created_at is None or one.created_at < facts.until]
    active = {one.pk for one in _active(made, over, facts)}
    runs: dict[int | None, int] = defaultdict(int)
    for run in facts.runs:
        runs[run.sweep] += 1
    rows = []
    for one in sorted(made, key=lambda each: (each.pk not in active, -runs[each.pk], each.name)):
        began, ended = facts.holds(one.created_at), facts.holds(over[one.pk])
        what = [
            word for word, holds in (("started", began), ("finished", ended), ("active", one.pk in active)) if holds
        ]
        if what:
            rows.append(Row(one.name, (", ".join(what), f"{runs[one.pk]}"), "sweep", one.pk, one.url))
    return table("sweeps", ("Sweep", "This week", "Runs"), rows, MOST)


def run_figures(facts: WeekFacts) -> list[Figure]:
    """Count the runs that lived in the week, and by their verdict; one that was never judged is unknown."""
    gap, limit = facts.known.wandb, limit_of(facts, "wandb")
    found: dict[str, list[int]] = {verdict: [] for verdict in VERDICTS}
    for run in facts.runs:
        found[run.verdict if run.verdict in found else "unknown"].append(run.pk)
    figures = [counted("runs", "run", (run.pk for run in facts.runs), limit, unknown=gap)]
    for verdict, pks in found.items():
        figures.append(counted(f"verdict-{verdict.replace(' ', '-')}", "run", pks, limit, unknown=gap))
    return figures


def hour_figures(facts: WeekFacts, some: list[hours.Share]) -> list[Figure]:
    """Add up the GPU hours by what became of them; the rows are attempts."""
    gap, limit = facts.known.slurm, limit_of(facts, "slurm")
    wanted: dict[str, tuple[str, ...]] = {"hours-total": (hours.USEFUL, hours.UNTOLD, *hours.LOST), **_FATES}
    return [
        summed(id, "job", _by_job(one for one in some if one.fate in fates), limit, unknown=gap)
        for id, fates in wanted.items()
    ]


def _by_job(some: Iterable[hours.Share]) -> list[tuple[int, float]]:
    found: dict[int, float] = defaultdict(float)
    for one in some:
        found[one.job] += one.hours
    return list(found.items())


def hour_tables(facts: WeekFacts, some: list[hours.Share]) -> list[Table]:
    """Return the hours by sweep and by person: all, useful, each kind of loss, not told apart."""
    sweeps: dict[object, SweepFact] = {one.pk: one for one in facts.sweeps}
    by_sweep = [_of_sweep(sweeps.get(group), row) for group, row in _hour_rows(some, "sweep")]
    by_person = [replace(row, name=str(who or DASH)) for who, row in _hour_rows(some, "person")]
    return [
        table("hours-by-sweep", ("Sweep", *_COLUMNS), by_sweep, MOST),
        table("hours-by-person", ("Person", *_COLUMNS), by_person, MOST),
    ]


def _hour_rows(some: list[hours.Share], name: str) -> Iterator[tuple[object, Row]]:
    """Yield a row for each sweep or person, still without a name, with the attempts whose hours it adds up."""
    own: dict[object, list[hours.Share]] = defaultdict(list)
    for one in some:
        own[getattr(one, name)].append(one)
    for group, fates in hours.by(some, name).items():
        keys, amounts = zip(*_by_job(own[group]), strict=True)
        yield group, Row("", _cells(fates), keys=keys, amounts=amounts)


def _of_sweep(sweep: SweepFact | None, row: Row) -> Row:
    if sweep is None:
        return replace(row, name=NO_SWEEP)
    return replace(row, name=sweep.name, kind="sweep", key=sweep.pk, url=sweep.url)


NO_SWEEP = "no sweep is known of"
_SHOWN = (hours.USEFUL, hours.CRASHED, hours.ZOMBIE, hours.REPEATED, hours.IDLE, hours.UNTOLD)
_COLUMNS = ("GPU h", "Lost", "Useful", "Crashed", "Zombie", "Repeated", "Idle", "Not told")


def _cells(fates: dict[str, float]) -> tuple[str, ...]:
    told = (sum(fates.values()), hours.lost(fates), *(fates.get(fate, 0.0) for fate in _SHOWN))
    return tuple("< 0.1" if 0 < one < LEAST else f"{one:.1f}" for one in told)
