"""The table of a sweep's runs: any of ten thousand, a page at a time, in a fixed number of queries."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import DurationField, ExpressionWrapper, F, Prefetch, Q, QuerySet, Value
from django.db.models.functions import Coalesce

from apps.flags.models import Flag, RunStatus
from apps.pages.domain.tables import BUILT_IN, TableView, columns_in, value_of
from apps.pages.selectors.json_values import Seconds, number_at, text_at, with_words
from apps.sweeps.domain import finite
from apps.sweeps.models import Run, RunQuerySet, Sweep

ROWS = 50
SAMPLED = 300  # runs whose keys are offered as columns
CHUNK = 500
_COLUMN = {
    "state": "state",
    "slurm": "status__slurm_state",
    "metric": "metric_value",
    "epoch": "status__epoch",
    "step": "status__step",
    "verdict": "status__verdict",
    "user": "user",
    "created": "created_at",
    "heartbeat": "heartbeat_at",
}


@dataclass(frozen=True)
class TableRow:
    """A run with its value in every column on the screen; ``flags`` are its standing ones."""

    run: Run
    status: RunStatus | None
    values: dict[str, Any]
    flags: list[Flag]


def runs_of_view(sweep: Sweep, view: TableView, now: datetime) -> QuerySet[Run]:
    """Return a sweep's runs that the view's filters let through, in its order, those without a value last."""
    return narrowed(Run.objects.filter(sweep=sweep), view, now)


def narrowed(rows: RunQuerySet, view: TableView, now: datetime) -> QuerySet[Run]:
    """Return those of any runs that the view's filters let through, in its order."""
    if view.state:
        rows = rows.filter(state=view.state)
    if view.verdict:
        rows = rows.filter(status__verdict=view.verdict)
    for word in view.q.split():
        rows = rows.filter(Q(name__icontains=word) | Q(run_id__icontains=word) | Q(user__icontains=word))
    for place, one in enumerate(view.ranges):
        rows = rows.annotate(**{f"range_{place}": _number(one.key, now)})
        rows = rows.filter(**{f"range_{place}__gte": one.low} if one.low > float("-inf") else {})
        rows = rows.filter(**{f"range_{place}__lte": one.high} if one.high < float("inf") else {})
    for place, (key, texts) in enumerate(view.words_of().items()):
        rows = with_words(rows, f"words_{place}", key, texts)
    return rows.order_by(*_order(view.sort, now), "-pk")


def _number(key: str, now: datetime) -> Any:
    if key in ("runtime", "gpu_hours"):
        return _spent(key, now)
    return F(_COLUMN[key]) if key in BUILT_IN else number_at(key)


def _spent(key: str, now: datetime) -> Any:
    """Seconds in jobs, or on GPUs, of which the present attempt's grow while nobody writes them down."""
    since = ExpressionWrapper(Value(now) - F("status__ticking_since"), output_field=DurationField())
    ticked = Coalesce(Seconds(since), 0.0)
    if key == "runtime":
        return F("status__runtime_seconds") + ticked
    return (F("status__gpu_seconds") + ticked * F("status__ticking_gpus")) / 3600.0


def _order(sort: str, now: datetime) -> list[Any]:
    key, down = sort.removeprefix("-"), sort.startswith("-")
    wanted = [_number(key, now)] if key in BUILT_IN else [number_at(key), text_at(key)]
    return [one.desc(nulls_last=True) if down else one.asc(nulls_last=True) for one in wanted]


def _whole(rows: QuerySet[Run]) -> QuerySet[Run]:
    standing = Flag.objects.standing().worst_first("rule")
    return rows.select_related("status").prefetch_related(Prefetch("flags", standing, to_attr="open_flags"))


def table_page(sweep: Sweep, view: TableView, now: datetime) -> Page[Run]:
    """Return one page of the view; three queries, whatever the sweep's size."""
    return Paginator(_whole(runs_of_view(sweep, view, now)), ROWS).get_page(view.page)


def table_rows(runs: Any, columns: tuple[str, ...], now: datetime) -> list[TableRow]:
    return [_row(run, columns, now) for run in runs]


def every_row(sweep: Sweep, view: TableView, columns: tuple[str, ...], now: datetime) -> Iterator[TableRow]:
    """Yield every run of the view, read ``CHUNK`` at a time."""
    for run in _whole(runs_of_view(sweep, view, now)).iterator(chunk_size=CHUNK):
        yield _row(run, columns, now)


def _row(run: Run, columns: tuple[str, ...], now: datetime) -> TableRow:
    status: RunStatus | None = getattr(run, "status", None)
    flags: list[Flag] = getattr(run, "open_flags", [])
    values = {key: _value(run, status, flags, key, now) for key in columns}
    return TableRow(run, status, values, flags)


def _value(run: Run, status: RunStatus | None, flags: list[Flag], key: str, now: datetime) -> Any:
    if key not in BUILT_IN:
        return value_of(key, run.config, run.summary)
    if key == "flags":
        return " ".join(flag.rule for flag in flags) or None
    if key in ("runtime", "gpu_hours"):
        return _spent_by(status, key, now)
    if key in ("state", "user", "created", "heartbeat", "metric"):
        return finite(run.metric_value) if key == "metric" else getattr(run, _COLUMN[key])
    return getattr(status, _COLUMN[key].removeprefix("status__")) if status else None


def _spent_by(status: RunStatus | None, key: str, now: datetime) -> float | None:
    if status is None:
        return None
    return status.runtime_at(now) if key == "runtime" else status.job_time.gpu_seconds_at(now) / 3600


def choosable(sweep: Sweep) -> tuple[list[str], list[str]]:
    """Return the columns that the newest ``SAMPLED`` runs have, of config and of summary; one query."""
    rows = Run.objects.filter(sweep=sweep).order_by("-pk").values_list("config", "summary")
    return columns_in(rows[:SAMPLED])
