"""Which charts a sweep's page has, in their order, and how each gets its rows."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.core.units import ago
from apps.pages.domain.tables import chosen_parameters
from apps.pages.figures import curves as curve_figures
from apps.pages.figures import results as result_figures
from apps.pages.figures.chart import Chart
from apps.pages.figures.importance import importance
from apps.pages.figures.parallel import parallel
from apps.pages.figures.spans import timeline
from apps.pages.selectors import charts as rows
from apps.pages.services.importances import OPEN, ask_for_importance
from apps.pages.tasks import send_importance
from apps.sweeps.models import Sweep

Maker = Callable[[Sweep, Sequence[int], datetime], Chart]


@dataclass(frozen=True, slots=True)
class Entry:
    """One chart of a sweep; ``make`` takes the sweep, the runs that were chosen, and now.

    ``make_all`` makes it of every run, for its CSV, where the chart itself shows the newest.
    """

    name: str
    title: str
    make: Maker
    wide: bool = False
    make_all: Maker | None = None


def _curves(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    mine, rest, lacking, total = rows.curves_of(sweep, rows.chosen_runs(sweep, runs))
    return curve_figures.curves(mine, rest, sweep.metric_name, without=lacking, total_rest=total)


def _parallel(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    return _trials(sweep, rows.MOST_TRIALS)


def _every_trial(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    return _trials(sweep, rows.MOST_IN_CSV)


def _trials(sweep: Sweep, most: int) -> Chart:
    trials, total = rows.trials_of(sweep, most)
    names = chosen_parameters(sweep.config)
    return parallel(trials, names, sweep.metric_name, rows.log_parameters(sweep), total)


def _importance(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    if not sweep.metric_name or not chosen_parameters(sweep.config):
        return importance({}, "The sweep names no metric, or no parameter that varies: there is nothing to weigh.")
    held, wanted = ask_for_importance(sweep=sweep, now=now)
    if wanted:
        send_importance(held)
    if held.state == "failed":
        return importance({}, f"{held.said} Reference: {held.error_id}. It is tried again when the runs change.")
    waits = held.state in OPEN
    if not held.made_of and waits:
        return importance({}, "A worker weighs the parameters: this takes up to a minute. Load the page again then.")
    made = f"Found {ago(now - held.made_at)}." if held.made_at else ""
    remark = f"{made} The runs changed since; a worker weighs them anew." if waits else made
    return importance(held.result, held.said, remark)


def _best(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    return result_figures.best_so_far(rows.results_of(sweep, now), sweep.metric_name, sweep.metric_goal)


def _cost(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    return result_figures.cost(rows.results_of(sweep, now), sweep.metric_name, sweep.metric_goal)


def _spread(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    return result_figures.spread(rows.results_of(sweep, now))


def _timeline(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    lives, resumes, total = rows.lives_of(sweep)
    return timeline(lives, now, resumes, total=total)


def _every_life(sweep: Sweep, runs: Sequence[int], now: datetime) -> Chart:
    lives, resumes, total = rows.lives_of(sweep, rows.MOST_IN_CSV)
    return timeline(lives, now, resumes, total=total)


CHARTS = {
    one.name: one
    for one in (
        Entry("curves", "Metric over steps", _curves, wide=True),
        Entry("best", "Best so far", _best),
        Entry("cost", "Cost per improvement", _cost),
        Entry("importance", "Importance of parameters", _importance),
        Entry("spread", "Runtime and GPU hours", _spread),
        Entry("timeline", "Timeline of attempts", _timeline, wide=True, make_all=_every_life),
        Entry("parallel", "Parameters and metric, run by run", _parallel, wide=True, make_all=_every_trial),
    )
}
