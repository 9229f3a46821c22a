"""Reading the board: a fixed number of queries, however many sweeps and runs there are."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_
from typing import Any

from django.core.paginator import Page, Paginator
from django.db.models import (
    Case,
    Count,
    IntegerField,
    Max,
    Min,
    OuterRef,
    Prefetch,
    Q,
    QuerySet,
    Subquery,
    Sum,
    Value,
    When,
)
from django.db.models.functions import Coalesce

from apps.audit.selectors import Freshness, freshness
from apps.board.domain import (
    RUN_STATE_ORDER,
    AgentHealth,
    Badge,
    BoardRow,
    agent_health,
    sorted_rows,
    sweep_percent,
)
from apps.board.view import BoardView
from apps.checkpoints.models import Checkpoint
from apps.core.clock import utcnow
from apps.flags.models import SEVERITY_ORDER, Flag, RunStatus
from apps.links.selectors import agent_jobs
from apps.slurm.selectors import cluster_sources
from apps.sweeps.models import Run, Sweep
from apps.workspaces.config import ConfigError
from apps.workspaces.selectors import current_config

RUNS_PER_PAGE = 25
LINGER = timedelta(days=3)
ZOMBIES = ("zombie",)
STALE = ("stale-heartbeat",)


@dataclass(frozen=True)
class RunPage:
    """One page of a sweep's runs."""

    sweep_pk: int
    page: Page[Run]


@dataclass(frozen=True)
class Board:
    rows: list[BoardRow]
    total: int  # active sweeps before any filter
    open_runs: dict[int, RunPage]
    sources: list[Freshness]
    choices: dict[str, list[str]]

    @property
    def flag_counts(self) -> dict[str, int]:
        counts = {"critical": 0, "warning": 0, "note": 0}
        for row in self.rows:
            for badge in row.badges:
                counts[badge.severity] = counts.get(badge.severity, 0) + badge.count
        return counts


def board(view: BoardView) -> Board:
    """Return what the board shows for this view."""
    sources = followed(freshness())
    every = active_rows(sources)
    rows = sorted_rows((row for row in every if view.wants(row)), view.sort)
    shown = {row.pk for row in rows}
    open_runs = {pk: runs_page(pk, page) for pk, page in view.open.items() if pk in shown}
    return Board(rows, len(every), open_runs, sources, _choices(every))


def _choices(rows: list[BoardRow]) -> dict[str, list[str]]:
    return {
        "workspace": sorted({row.workspace for row in rows if row.workspace}),
        "state": sorted({row.state for row in rows}),
        "flag": sorted({rule for row in rows for rule in row.flag_rules}),
        "owner": sorted({owner for row in rows for owner in row.owners}),
    }


def active_rows(sources: list[Freshness], workspace: str = "") -> list[BoardRow]:
    """Return one row for each sweep that is alive in W&B, or that has an open flag of weight."""
    sweeps = active_sweeps()
    if workspace:
        sweeps = sweeps.filter(workspace__name=workspace)
    return rows_of(list(sweeps.select_related("workspace")), sources)


def active_sweeps() -> QuerySet[Sweep]:
    """Return the sweeps that live, and those that ended a few days ago at most with something critical open.

    Sweeps of projects that are no longer followed are left out: nobody asks W&B about them any more.
    """
    flagged = Flag.objects.open().filter(severity="critical")
    recent = flagged.exclude(run__heartbeat_at__lt=utcnow() - LINGER).values("sweep")
    active = Sweep.objects.filter(Q(pk__in=Sweep.objects.live().values("pk")) | Q(pk__in=recent))
    if not (projects := _projects()):
        return active
    paths = [project.split("/", 1) for project in projects]
    return active.filter(reduce(or_, (Q(entity=entity, project=project) for entity, project in paths)))


def followed(sources: list[Freshness]) -> list[Freshness]:
    """Return the sources without the W&B projects and the clusters that are no longer followed."""
    projects = _projects()
    clusters = cluster_sources(sources)
    others = (one for one in sources if one.source != "wandb" or not projects or one.scope in projects)
    return [one for one in others if one.source != "slurm" or one in clusters]


def _projects() -> list[str]:
    """The projects that are followed; empty, for all, while sweepboard.toml cannot be read."""
    try:
        return current_config().projects()
    except ConfigError:
        return []


def rows_of(sweeps: list[Sweep], sources: list[Freshness]) -> list[BoardRow]:
    """Return the board's rows of these sweeps."""
    pks = [sweep.pk for sweep in sweeps]
    ok = {one.scope for one in sources if one.source == "wandb" and one.ok}
    runs = _run_aggregates(pks)
    states, percents, furthest = _states(pks), _percents(pks), _furthest(pks)
    badges, checkpoints, agents = badges_of_sweeps(pks), _checkpoints(pks), _agents(pks)
    owners = _owners(pks)
    return [
        BoardRow(
            pk=sweep.pk,
            sweep_id=sweep.sweep_id,
            name=sweep.name,
            url=sweep.url,
            workspace=sweep.workspace.name if sweep.workspace else "",
            project=sweep.project_path,
            method=sweep.method,
            state=sweep.state,
            owners=owners[sweep.pk],
            agents=_health(agents[sweep.pk], badges[sweep.pk], wanted=sweep.state == "RUNNING"),
            runs_by_state=states[sweep.pk],
            runs=runs[sweep.pk].get("total", 0),
            expected_runs=sweep.expected_runs,
            percent=sweep_percent(percents[sweep.pk], runs[sweep.pk].get("total", 0), sweep.expected_runs),
            metric_name=sweep.metric_name,
            metric_value=runs[sweep.pk].get("highest" if sweep.metric_goal == "maximize" else "lowest"),
            badges=badges[sweep.pk],
            gpu_seconds=runs[sweep.pk].get("gpu_seconds") or 0.0,
            heartbeat_at=runs[sweep.pk].get("beat"),
            source_ok=sweep.project_path in ok,
            note=sweep.workspace.policy.note if sweep.workspace else "",
            flag_rules=frozenset(badge.rule for badge in badges[sweep.pk]),
            **furthest[sweep.pk],
            **checkpoints[sweep.pk],
        )
        for sweep in sweeps
    ]


def _health(states: list[str], badges: tuple[Badge, ...], *, wanted: bool) -> AgentHealth:
    zombies = sum(badge.count for badge in badges if badge.rule in ZOMBIES)
    stale = sum(badge.count for badge in badges if badge.rule in STALE)
    return agent_health(states, zombies, stale, wanted=wanted)


def _run_aggregates(pks: list[int]) -> dict[int, dict[str, Any]]:
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


def _states(pks: list[int]) -> dict[int, tuple[tuple[str, int], ...]]:
    found: dict[int, list[tuple[str, int]]] = defaultdict(list)
    for row in Run.objects.filter(sweep__in=pks).values("sweep", "state").annotate(count=Count("pk")):
        found[int(row["sweep"])].append((row["state"], row["count"]))
    order = {state: position for position, state in enumerate(RUN_STATE_ORDER)}
    ordered = {pk: tuple(sorted(states, key=lambda one: order.get(one[0], 99))) for pk, states in found.items()}
    return defaultdict(tuple, ordered)


def _percents(pks: list[int]) -> dict[int, list[float]]:
    found: dict[int, list[float]] = defaultdict(list)
    rows = RunStatus.objects.filter(run__sweep__in=pks, percent__isnull=False)
    for sweep, percent in rows.values_list("run__sweep", "percent"):
        found[int(sweep)].append(percent or 0.0)
    return found


def _furthest(pks: list[int]) -> dict[int, dict[str, Any]]:
    """The live run that got furthest speaks for its sweep; without a live one, the furthest of all."""
    nothing = {"epoch": None, "target_epochs": None, "step": None}
    best = (
        RunStatus.objects.filter(run__sweep=OuterRef("pk"))
        .filter(Q(epoch__isnull=False) | Q(step__isnull=False))
        .annotate(is_live=_live_first("run__state"), rank=Coalesce("epoch", 0.0))
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


def _live_first(field: str) -> Case:
    return Case(When(**{field: "running"}, then=Value(0)), default=Value(1), output_field=IntegerField())


def badges_of_sweeps(pks: list[int]) -> dict[int, tuple[Badge, ...]]:
    """Return the open flags of each sweep and its runs, one badge a rule, worst first."""
    grouped: dict[int, dict[tuple[str, str], list[Flag]]] = defaultdict(lambda: defaultdict(list))
    for flag in Flag.objects.open().filter(sweep__in=pks).select_related("run"):
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
    )


def _badge_order(badge: Badge) -> tuple[int, str]:
    return SEVERITY_ORDER.get(badge.severity, 9), badge.rule


def _checkpoints(pks: list[int]) -> dict[int, dict[str, Any]]:
    """The newest checkpoint of any run of the sweep."""
    found: dict[int, dict[str, Any]] = {}
    newest = Checkpoint.objects.filter(run__sweep=OuterRef("pk")).order_by("-modified_at").values("pk")[:1]
    chosen = _chosen(pks, newest)
    checkpoints = Checkpoint.objects.in_bulk(chosen.values())
    for pk, checkpoint in chosen.items():
        if one := checkpoints.get(checkpoint):
            found[pk] = {"checkpoint_step": one.step, "checkpoint_at": one.modified_at}
    return defaultdict(lambda: {"checkpoint_step": None, "checkpoint_at": None}, found)


def _agents(pks: list[int]) -> dict[int, list[str]]:
    """The last state of each agent job of each sweep."""
    found: dict[int, list[str]] = defaultdict(list)
    for pk, jobs in agent_jobs(pks).items():
        last = {(job.cluster, job.job_id): job.state for job in jobs}
        found[pk] = list(last.values())
    return found


def _owners(pks: list[int]) -> dict[int, tuple[str, ...]]:
    found: dict[int, set[str]] = defaultdict(set)
    for sweep, user in Run.objects.filter(sweep__in=pks).exclude(user="").values_list("sweep", "user").distinct():
        found[int(sweep)].add(user)
    return defaultdict(tuple, {pk: tuple(sorted(users)) for pk, users in found.items()})


def runs_of(sweep_pks: Iterable[int]) -> QuerySet[Run]:
    """Return runs with all that a row shows of them, live ones first, then the newest."""
    return (
        Run.objects.filter(sweep__in=sweep_pks)
        .select_related("status", "status__job", "checkpoint", "sweep")
        .prefetch_related(Prefetch("flags", Flag.objects.open().order_by("severity", "rule"), to_attr="open_flags"))
        .defer("config", "summary")
        .annotate(is_live=_live_first("state"))
        .order_by("is_live", "-created_at", "-pk")
    )


def runs_page(sweep_pk: int, number: int) -> RunPage:
    return RunPage(sweep_pk, Paginator(runs_of([sweep_pk]), RUNS_PER_PAGE).get_page(number))
