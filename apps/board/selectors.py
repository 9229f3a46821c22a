"""Reading the board: a fixed number of queries, however many sweeps and runs there are."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from functools import reduce
from operator import or_

from django.core.paginator import Page, Paginator
from django.db.models import (
    Prefetch,
    Q,
    QuerySet,
)

from apps.audit.selectors import Freshness, freshness
from apps.board.domain import (
    AgentHealth,
    Badge,
    BoardRow,
    Need,
    agent_health,
    sorted_rows,
    sweep_percent,
)
from apps.board.figures import (
    actions_of,
    badges_of_sweeps,
    checkpoints_of,
    furthest_of,
    live_first,
    owners_of,
    percents_of,
    run_aggregates,
    sparks_of,
    states_of,
    ticking_gpu_seconds,
)
from apps.board.view import BoardView
from apps.checkpoints.models import Verification
from apps.core.clock import utcnow
from apps.flags.models import Flag
from apps.flags.verdict import SweepStory, verdict_of_sweep
from apps.links.selectors import agent_job_states
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

    @property
    def resumable(self) -> bool:
        """The next action of some run on this page is to resume it."""
        every = (getattr(run, "status", None) for run in self.page.object_list)
        return any(status is not None and status.verdict in ("resume", "change-then-resume") for status in every)


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
    flagged = Flag.objects.standing().filter(severity="critical")
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
    runs = run_aggregates(pks)
    actions = actions_of(pks)
    states, percents, furthest = states_of(pks), percents_of(pks), furthest_of(pks)
    badges, checkpoints, agents = badges_of_sweeps(pks), checkpoints_of(pks), agent_job_states(pks)
    owners, ticking, sparks = owners_of(pks), ticking_gpu_seconds(pks), sparks_of(sweeps, runs)
    health = {
        sweep.pk: _health(agents[sweep.pk], badges[sweep.pk], wanted=sweep.state == "RUNNING") for sweep in sweeps
    }
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
            agents=health[sweep.pk],
            runs_by_state=states[sweep.pk],
            runs=runs[sweep.pk].get("total", 0),
            expected_runs=sweep.expected_runs,
            percent=sweep_percent(percents[sweep.pk], runs[sweep.pk].get("total", 0), sweep.expected_runs),
            metric_name=sweep.metric_name,
            metric_value=runs[sweep.pk].get("highest" if sweep.metric_goal == "maximize" else "lowest"),
            badges=badges[sweep.pk],
            gpu_seconds=(runs[sweep.pk].get("gpu_seconds") or 0.0) + ticking[sweep.pk],
            heartbeat_at=runs[sweep.pk].get("beat"),
            source_ok=sweep.project_path in ok,
            note=sweep.workspace.policy.note if sweep.workspace else "",
            purpose=sweep.purpose,
            spark=sparks[sweep.pk],
            flag_rules=frozenset(badge.rule for badge in badges[sweep.pk]),
            need=_need(sweep, sweep.project_path in ok, actions[sweep.pk], health[sweep.pk], bool(agents[sweep.pk])),
            **furthest[sweep.pk],
            **checkpoints[sweep.pk],
        )
        for sweep in sweeps
    ]


def _need(
    sweep: Sweep, answers: bool, runs: tuple[tuple[str, str, int], ...], health: AgentHealth, has_jobs: bool
) -> Need:
    active, expected = (health.active, health.expected) if has_jobs else (None, None)
    told = verdict_of_sweep(SweepStory(sweep.state, answers, runs, active, expected))
    return Need(told.action.value, told.reason, told.agreement.value, told.chain)


def _health(states: list[str], badges: tuple[Badge, ...], *, wanted: bool) -> AgentHealth:
    zombies = sum(badge.count for badge in badges if badge.rule in ZOMBIES)
    stale = sum(badge.count for badge in badges if badge.rule in STALE)
    return agent_health(states, zombies, stale, wanted=wanted)


def runs_of(sweep_pks: Iterable[int]) -> QuerySet[Run]:
    """Return runs with all that a row shows of them, live ones first, then the newest."""
    return (
        Run.objects.filter(sweep__in=sweep_pks)
        .select_related("status", "status__job", "checkpoint", "sweep", "history", "auto_resume")
        .prefetch_related(Prefetch("flags", Flag.objects.standing().worst_first("rule"), to_attr="open_flags"))
        .prefetch_related(Prefetch("verifications", Verification.objects.exclude(sound=""), to_attr="proofs"))
        .defer("config", "summary")
        .annotate(is_live=live_first("state"))
        .order_by("is_live", "-created_at", "-pk")
    )


def runs_page(sweep_pk: int, number: int) -> RunPage:
    return RunPage(sweep_pk, Paginator(runs_of([sweep_pk]), RUNS_PER_PAGE).get_page(number))
