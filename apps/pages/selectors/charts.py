"""The rows behind the charts of a sweep, each in a fixed number of queries."""

import zlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from django.db.models import Count, Max

from apps.flags.models import RunStatus
from apps.links.selectors import jobs_of_runs
from apps.pages.domain.importances import Sample
from apps.pages.domain.runlife import RunLife
from apps.pages.domain.tables import chosen_parameters, parameter_space
from apps.pages.figures.curves import MOST_CHOSEN, Curve
from apps.pages.figures.parallel import Trial
from apps.pages.figures.results import Result
from apps.pages.selectors.run import life_of
from apps.resume.models import ResumeRequest
from apps.sweeps.domain import finite, lookup
from apps.sweeps.models import Run, RunHistory, Sweep
from apps.sweeps.ports import ENDED_RUN_STATES

MOST_IN_BAND = 500
MOST_TRIALS = 2000
MOST_ON_TIMELINE = 100
MOST_IN_CSV = 10_000  # runs
BEST = 3  # runs whose curves are drawn where nobody chose any


def label(run: Run | Mapping[str, Any]) -> str:
    """Return what tells a run apart on a chart: names may be the same, ids are not."""
    name, run_id = (run["name"], run["run_id"]) if not isinstance(run, Run) else (run.name, run.run_id)
    return f"{name} ({run_id})" if name and name != run_id else run_id


def chosen_runs(sweep: Sweep, pks: Sequence[int]) -> list[Run]:
    """Return the runs of the sweep that are asked for, in that order; without any, the best ones so far."""
    rows = Run.objects.filter(sweep=sweep).defer("config", "summary")
    if pks:
        found = rows.in_bulk(list(dict.fromkeys(pks))[:MOST_CHOSEN])
        return [found[pk] for pk in dict.fromkeys(pks) if pk in found]
    best = "-metric_value" if sweep.metric_goal == "maximize" else "metric_value"
    return list(rows.filter(metric_value__isnull=False).order_by(best, "pk")[:BEST])


def curves_of(sweep: Sweep, chosen: Sequence[Run]) -> tuple[list[Curve], list[Curve], int, int]:
    """Return the chosen curves, those of the newest others, how many runs lack one, and how many others there are."""
    pks = {run.pk for run in chosen}
    held = dict(RunHistory.objects.filter(run__in=pks).values_list("run_id", "metric"))
    every = RunHistory.objects.filter(run__sweep=sweep).exclude(metric=[]).exclude(run__in=pks)
    total = every.count()
    names = every.order_by("-run__created_at", "-pk").values_list("run__name", "run__run_id", "metric")
    rest = [_curve(label({"name": name, "run_id": run_id}), points) for name, run_id, points in names[:MOST_IN_BAND]]
    mine = [_curve(label(run), held.get(run.pk, [])) for run in chosen]
    lacking = Run.objects.filter(sweep=sweep).count() - total - sum(bool(one.points) for one in mine)
    return mine, rest, max(0, lacking), total


def _curve(name: str, points: Sequence[Any]) -> Curve:
    told = ((finite(step), finite(value)) for step, value in points)
    return Curve(name, tuple(sorted((step, value) for step, value in told if step is not None and value is not None)))


def trials_of(sweep: Sweep, most: int = MOST_TRIALS) -> tuple[list[Trial], int]:
    """Return the newest runs with what the sweep chose for each, and how many there are in all."""
    names = chosen_parameters(sweep.config)
    rows = Run.objects.filter(sweep=sweep).order_by("-created_at", "-pk")
    told = rows.values("name", "run_id", "config", "metric_value")[:most]
    found = [
        Trial(label(row), {name: lookup(row["config"], name) for name in names}, finite(row["metric_value"]))
        for row in told
    ]
    return found, rows.count() if len(found) == most else len(found)


def log_parameters(sweep: Sweep) -> frozenset[str]:
    return frozenset(one.name for one in parameter_space(sweep.config) if one.log)


def results_of(sweep: Sweep, now: datetime) -> list[Result]:
    """Return what came of every run of a sweep; two queries, without their configs."""
    spent = {
        one.run_id: one
        for one in RunStatus.objects.filter(run__sweep=sweep).only(
            "run_id", "runtime_seconds", "gpu_seconds", "ticking_since", "ticking_gpus"
        )
    }
    rows = Run.objects.filter(sweep=sweep).values(
        "pk", "name", "run_id", "heartbeat_at", "trained_until", "metric_value"
    )
    return [_result(row, spent.get(row["pk"]), now) for row in rows]


def _result(row: Mapping[str, Any], status: RunStatus | None, now: datetime) -> Result:
    seconds = status.runtime_at(now) if status else None
    # A run without any job has no GPU time that is known, which is not the same as none.
    gpu = status.job_time.gpu_seconds_at(now) if status and seconds is not None else None
    at = row["trained_until"] or row["heartbeat_at"]
    return Result(
        label(row), at, finite(row["metric_value"]), None if seconds is None else seconds / 3600,
        None if gpu is None else gpu / 3600,
    )  # fmt: skip


def lives_of(sweep: Sweep, most: int = MOST_ON_TIMELINE) -> tuple[list[RunLife], list[tuple[str, datetime]], int]:
    """Return the newest runs with their attempts, when each was resumed by Sweepboard, and how many runs there are."""
    rows = Run.objects.filter(sweep=sweep).defer("config", "summary").order_by("-created_at", "-pk")
    runs = list(rows[:most])
    attempts = jobs_of_runs([run.pk for run in runs])
    names = {run.pk: label(run) for run in runs}
    asked = ResumeRequest.objects.filter(run__in=names).exclude(submitted_at=None).values_list("run_id", "submitted_at")
    resumes = [(names[pk], at) for pk, at in asked if at is not None]
    total = rows.count() if len(runs) == most else len(runs)
    return [life_of(run, attempts.get(run.pk, []), names[run.pk]) for run in runs], resumes, total


def stamp_of(sweep: Sweep) -> str:
    """Return what changes when a run of the sweep ends, comes or goes: by it kept figures are known to be old."""
    ended = Run.objects.filter(sweep=sweep, state__in=ENDED_RUN_STATES, metric_value__isnull=False)
    told = ended.aggregate(n=Count("pk"), last=Max("heartbeat_at"), newest=Max("pk"))
    beat = f"{told['last']:%Y%m%dT%H%M%S}" if told["last"] else "-"
    return f"{told['n']}.{told['newest'] or 0}.{beat}.{_question(sweep)}"


def _question(sweep: Sweep) -> int:
    """A number for what is asked of the runs: another metric, goal or parameter is another question."""
    return zlib.crc32(repr((sweep.metric_name, sweep.metric_goal, parameter_space(sweep.config))).encode())


def samples_of(sweep: Sweep) -> list[Sample]:
    """Return the runs that ended with the metric, each with what the sweep chose; one query, read in chunks."""
    names = chosen_parameters(sweep.config)
    ended = Run.objects.filter(sweep=sweep, state__in=ENDED_RUN_STATES, metric_value__isnull=False)
    rows = ended.order_by("pk").values_list("config", "metric_value").iterator(chunk_size=500)
    return [
        Sample({name: lookup(config, name) for name in names}, value)
        for config, metric in rows
        if (value := finite(metric)) is not None
    ]
