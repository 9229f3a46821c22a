"""The figures of many sweeps at once, each in one or two queries, whatever their number."""

from collections import defaultdict
from typing import Any

from django.db.models import Case, Count, IntegerField, Max, Min, OuterRef, Q, QuerySet, Subquery, Sum, Value, When
from django.db.models.functions import Coalesce

from apps.board.domain import RUN_STATE_ORDER, Badge
from apps.checkpoints.models import Checkpoint
from apps.core.clock import utcnow
from apps.flags.models import SEVERITY_ORDER, Flag, RunStatus
from apps.sweeps.models import Run, RunHistory, Sweep

Curve = tuple[tuple[float, float], ...]


def run_aggregates(pks: list[int]) -> dict[int, dict[str, Any]]:
    rows = (
        Run.objects.filter(sweep__in=pks)
        .values("sweep")
        .annotate(
            total=Count("pk"),
            beat=Max("heartbeat_at"),
            lowest=Min("metric_value"),
            highest=Max("metric_value"),
            gpu_seconds=Sum("status__gpu_seconds"),
        )
    )
    return defaultdict(dict, {int(row["sweep"]): dict(row) for row in rows})


def ticking_gpu_seconds(pks: list[int]) -> dict[int, float]:
    """GPU time of attempts that go on, up to now."""
    now, found = utcnow(), defaultdict[int, float](float)
    rows = RunStatus.objects.filter(run__sweep__in=pks, ticking_since__isnull=False, ticking_gpus__gt=0)
    for sweep, since, gpus in rows.values_list("run__sweep", "ticking_since", "ticking_gpus"):
        found[int(sweep)] += max(0.0, (now - since).total_seconds()) * gpus if since else 0.0
    return found


def sparks_of(sweeps: list[Sweep], runs: dict[int, dict[str, Any]]) -> dict[int, Curve]:
    """What the best run of each sweep logged of the sweep's metric, as a thin sample."""
    best = {
        sweep.pk: runs[sweep.pk].get("highest" if sweep.metric_goal == "maximize" else "lowest") for sweep in sweeps
    }
    rows = RunHistory.objects.filter(
        run__sweep__in=best, run__metric_value__in={v for v in best.values() if v is not None}
    )
    found: dict[int, Curve] = defaultdict(tuple)
    for history in rows.select_related("run").defer("loss", "run__config", "run__summary"):
        sweep = history.run.sweep_id
        if sweep is not None and best.get(sweep) == history.run.metric_value and history.metric:
            found[sweep] = tuple((float(step), float(value)) for step, value in history.metric)
    return found


def states_of(pks: list[int]) -> dict[int, tuple[tuple[str, int], ...]]:
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for row in Run.objects.filter(sweep__in=pks).values("sweep", "state").annotate(count=Count("pk")):
        found[int(row["sweep"])].append((row["state"], row["count"]))
    order = {state: position for position, state in enumerate(RUN_STATE_ORDER)}
    ordered = {pk: tuple(sorted(states, key=lambda one: order.get(one[0], 99))) for pk, states in found.items()}
    return defaultdict(tuple, ordered)


def actions_of(pks: list[int]) -> dict[int, tuple[tuple[str, str, int], ...]]:
    """The runs of each sweep by (next action, agreement of their sources), counted."""
    found: dict[int, list[tuple[str, str, int]]] = defaultdict(list)
    rows = RunStatus.objects.filter(run__sweep__in=pks).values_list("run__sweep", "verdict", "agreement")
    for sweep, verdict, agreement, number in rows.annotate(count=Count("pk")):
        found[int(sweep)].append((verdict, agreement, number))
    return defaultdict(tuple, {pk: tuple(some) for pk, some in found.items()})


def percents_of(pks: list[int]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    rows = RunStatus.objects.filter(run__sweep__in=pks, percent__isnull=False)
    for sweep, percent in rows.values_list("run__sweep", "percent"):
        found[int(sweep)].append(percent or 0.0)
    return found


def furthest_of(pks: list[int]) -> dict[int, dict[str, Any]]:
    """The live run that got furthest speaks for its sweep; without a live one, the furthest of all."""
    nothing = {"epoch": None, "target_epochs": None, "step": None}
    best = (
        RunStatus.objects.filter(run__sweep=OuterRef("pk"))
        .filter(Q(epoch__isnull=False) | Q(step__isnull=False))
        .annotate(is_live=live_first("run__state"), rank=Coalesce("epoch", 0.0))
        .order_by("is_live", "-rank")
    )
    chosen = _chosen(pks, best.values("pk")[:1])
    statuses = RunStatus.objects.in_bulk(chosen.values())
    values = {
        pk: {"epoch": one.epoch, "target_epochs": one.target_epochs, "step": one.step}
        for pk, status in chosen.items()
        if (one := statuses.get(status))
    }
    return defaultdict(lambda: dict(nothing), values)


def _chosen(pks: list[int], subquery: QuerySet[Any, Any]) -> dict[int, int]:
    """Return the primary key that ``subquery`` picks for each sweep that it picks one for."""
    rows = Sweep.objects.filter(pk__in=pks).annotate(chosen=Subquery(subquery)).values_list("pk", "chosen")
    return {pk: chosen for pk, chosen in rows if chosen is not None}


def live_first(field: str) -> Case:
    return Case(When(**{field: "running"}, then=Value(0)), default=Value(1), output_field=IntegerField())


def badges_of_sweeps(pks: list[int]) -> dict[int, tuple[Badge, ...]]:
    """Return the open flags of each sweep and its runs, one badge a rule, worst first."""
    grouped: dict[int, dict[tuple[str, str], list[Flag]]] = defaultdict(lambda: defaultdict(list))
    for flag in Flag.objects.standing().filter(sweep__in=pks).select_related("run"):
        grouped[flag.sweep_id or 0][flag.rule, flag.severity].append(flag)
    return defaultdict(
        tuple,
        {
            pk: tuple(sorted((_badge(flags) for flags in rules.values()), key=_badge_order))
            for pk, rules in grouped.items()
        },
    )


def _badge(flags: list[Flag]) -> Badge:
    first = flags[0]
    said = [f"{flag.run.run_id}: {flag.evidence}" if flag.run else flag.evidence for flag in flags[:3]]
    more = f" … and {len(flags) - 3} more." if len(flags) > 3 else ""
    return Badge(
        rule=first.rule,
        severity=first.severity,
        count=len(flags),
        evidence="\n".join(said) + more,
        action=first.action,
        uncertain=any(flag.uncertain for flag in flags),
        seen=_seen(flags),
    )


def _seen(flags: list[Flag]) -> str:
    """Say why none of these needs anybody now; empty where one of them does."""
    now = utcnow()
    told = [flag.seen_at(now) for flag in flags]
    return "; ".join(sorted(set(told))) if all(told) else ""


def _badge_order(badge: Badge) -> tuple[int, str]:
    return SEVERITY_ORDER.get(badge.severity, 9), badge.rule


def checkpoints_of(pks: list[int]) -> dict[int, dict[str, Any]]:
    """The newest checkpoint of any run of the sweep."""
    found: dict[int, dict[str, Any]] = {}
    newest = Checkpoint.objects.filter(run__sweep=OuterRef("pk")).order_by("-modified_at").values("pk")[:1]
    chosen = _chosen(pks, newest)
    checkpoints = Checkpoint.objects.in_bulk(chosen.values())
    for pk, checkpoint in chosen.items():
        if one := checkpoints.get(checkpoint):
            found[pk] = {"checkpoint_step": one.step, "checkpoint_at": one.modified_at}
    return defaultdict(lambda: {"checkpoint_step": None, "checkpoint_at": None}, found)


def owners_of(pks: list[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, set[str]] = defaultdict(set)
    for sweep, user in Run.objects.filter(sweep__in=pks).exclude(user="").values_list("sweep", "user").distinct():
        found[int(sweep)].add(user)
    return defaultdict(tuple, {pk: tuple(sorted(users)) for pk, users in found.items()})
