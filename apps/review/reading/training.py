"""Sweeps, runs, attempts and flags of a week."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Exists, F, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Coalesce

from apps.checkpoints.models import CheckpointTime
from apps.flags.models import Flag
from apps.links.models import AgentLink, RunLink
from apps.review.domain.facts import NOBODYS, AttemptFact, BestRun, FlagFact, LinkFact, RunFact, SweepFact
from apps.slurm.domain import first_node
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep
from apps.sweeps.ports import LIVE_RUN_STATES, LIVE_SWEEP_STATES
from apps.workspaces.selectors import workspace_by_project


@dataclass(frozen=True, slots=True)
class Asked:
    """The time that is asked about, and the workspace; empty for all."""

    since: datetime
    until: datetime
    workspace: str = ""
    projects: frozenset[str] = frozenset()  # entity/project of the workspace, whose runs without a sweep are its own

    def within(self, rows: QuerySet[Any], path: str) -> QuerySet[Any]:
        """Narrow rows to the workspace, whose name lies behind ``path``."""
        return rows.filter(**{path: self.workspace}) if self.workspace else rows

    def of_runs(self, rows: QuerySet[Any], run: str = "") -> QuerySet[Any]:
        """Narrow rows of runs, or of what lies before ``run``, to those of the workspace: by sweep, else by project."""
        if not self.workspace:
            return rows
        loose = Q(pk__in=[])
        for project in self.projects:
            entity, _, name = project.partition("/")
            loose |= Q(**{f"{run}entity": entity, f"{run}project": name})
        return rows.filter(Q(sweep__workspace__name=self.workspace) | (Q(sweep=None) & loose))


def asked_of(since: datetime, until: datetime, workspace: str) -> Asked:
    """Return what is asked about; one query."""
    projects = (project for project, one in workspace_by_project().items() if one.name == workspace)
    return Asked(since, until, workspace, frozenset(projects))


def _last_sign() -> Coalesce:
    """When a run was last known to live; one that never sent a heartbeat, when it was made."""
    return Coalesce("trained_until", "heartbeat_at", "created_at")


def _lived(asked: Asked) -> QuerySet[Run]:
    runs = Run.objects.annotate(last=_last_sign()).filter(created_at__lt=asked.until)
    return asked.of_runs(runs.filter(Q(state__in=LIVE_RUN_STATES) | Q(last__gte=asked.since)))


_RUN = (
    "pk", "sweep_id", "run_id", "name", "url", "state", "created_at", "last", "heartbeat_at", "metric_value",
    "status__verdict", "status__crash_class", "status__runtime_seconds", "status__ticking_since",
    "checkpoint__modified_at", "sweep__workspace_id", "entity", "project",
)  # fmt: skip


def runs_of(asked: Asked) -> tuple[RunFact, ...]:
    """Return the runs that lived in the time; three queries."""
    saved = _saved_times(asked)
    runs = _facts(_lived(asked), asked)
    return tuple(replace(run, saved_at=tuple(saved[run.pk])) if run.pk in saved else run for run in runs)


def _facts(runs: QuerySet[Run], asked: Asked) -> Iterator[RunFact]:
    followed = workspace_by_project()
    for row in runs.order_by("pk").values_list(*_RUN).iterator(chunk_size=5000):
        yield _run(row, followed, asked.until)


def others_of(asked: Asked) -> tuple[tuple[RunFact, ...], tuple[LinkFact, ...], tuple[tuple[int, int], ...]]:
    """Return the runs, links and agents of other workspaces that were in the same jobs; nothing where all is asked."""
    if not asked.workspace:
        return (), (), ()
    own = Q(run_links__run__in=_lived(asked).values("pk")) | Q(agent_links__sweep__workspace__name=asked.workspace)
    jobs = Job.objects.filter(own).values("pk")
    every = replace(asked, workspace="")
    runs = _lived(every).filter(job_links__job__in=jobs).exclude(pk__in=_lived(asked).values("pk")).distinct()
    links = RunLink.objects.filter(job__in=jobs, run__in=runs.values("pk")).order_by("pk")
    agents = AgentLink.objects.filter(job__in=jobs).exclude(sweep__workspace__name=asked.workspace).order_by("pk")
    return (
        tuple(_facts(runs, asked)),
        tuple(LinkFact(*row) for row in links.values_list("pk", "run_id", "job_id")),
        tuple(agents.values_list("job_id", "sweep_id")),
    )


def _saved_times(asked: Asked) -> dict[int, list[datetime]]:
    """Return when checkpoints were written, by run; only of those whose attempts some other one followed."""
    several = RunLink.objects.filter(run__in=_lived(asked).values("pk")).order_by().values("run")
    several = several.annotate(attempts=Count("pk")).filter(attempts__gt=1).values("run")
    found: dict[int, list[datetime]] = defaultdict(list)
    rows = CheckpointTime.objects.filter(run__in=several).order_by("run_id", "at")
    for run, at in rows.values_list("run_id", "at").iterator(chunk_size=5000):
        found[run].append(at)
    return found


def _run(row: tuple[Any, ...], followed: Mapping[str, Any], until: datetime) -> RunFact:
    (pk, sweep, run_id, name, url, state, created, last, beat, metric, verdict, crash, seconds, ticking, saved,
     workspace, entity, project) = row  # fmt: skip
    trained = seconds
    if seconds is not None and ticking is not None:
        trained = seconds + max(0.0, (until - ticking).total_seconds())
    return RunFact(
        pk=pk,
        sweep=sweep,
        run_id=run_id,
        name=name,
        url=url,
        state=state,
        created_at=created,
        ended_at=None if state in LIVE_RUN_STATES else last,
        beat_at=beat,
        metric=metric,
        verdict=verdict or "",
        crash_class=crash or "",
        trained_seconds=trained,
        checkpoint_at=saved,
        looked=workspace is not None or f"{entity}/{project}" in followed,
    )


_JOB = (
    "pk",
    "job_id",
    "user",
    "gpus",
    "state",
    "submit_at",
    "start_at",
    "end_at",
    "gone_at",
    "elapsed_seconds",
    "nodes",
)


def links_of(asked: Asked) -> tuple[tuple[LinkFact, ...], dict[int, AttemptFact]]:
    """Return every attempt of the runs that lived in the time, also earlier and later ones; one query."""
    rows = RunLink.objects.filter(run__in=_lived(asked).values("pk")).order_by("pk")
    links, attempts = [], {}
    for pk, run, *job in rows.values_list("pk", "run_id", *(f"job__{name}" for name in _JOB)).iterator(chunk_size=5000):
        attempts[job[0]] = _attempt(job)
        links.append(LinkFact(pk, run, job[0]))
    return tuple(links), attempts


def _held(asked: Asked, path: str = "") -> Q:
    """Attempts that had GPUs at some moment of the time; those without an end are looked at one by one."""
    begun = Q(**{f"{path}gpus__gt": 0, f"{path}start_at__lt": asked.until})
    return begun & (Q(**{f"{path}end_at__gte": asked.since}) | Q(**{f"{path}end_at": None}))


def attempts_of(asked: Asked) -> dict[int, AttemptFact]:
    """Return the attempts that had GPUs in the time; one query."""
    rows = Job.objects.filter(_held(asked)).order_by("pk").values_list(*_JOB)
    return {row[0]: _attempt(list(row)) for row in rows.iterator(chunk_size=5000)}


def _attempt(row: list[Any]) -> AttemptFact:
    pk, job_id, user, gpus, state, submit, start, end, gone, elapsed, nodes = row
    over = end or gone
    if over is None and start is not None and elapsed:
        over = start + timedelta(seconds=elapsed)  # it ended without telling when
    return AttemptFact(pk, job_id, user, gpus, state, submit, start, over, first_node(nodes))


def agents_of(asked: Asked) -> tuple[tuple[int, int], ...]:
    """Return (attempt, sweep) of those that worked for a sweep; one query."""
    links = asked.within(AgentLink.objects.filter(_held(asked, "job__")), "sweep__workspace__name")
    return tuple(links.order_by("pk").values_list("job_id", "sweep_id"))


def flags_of(asked: Asked) -> tuple[FlagFact, ...]:
    """Return the flags that were open at some moment of the time; one query."""
    rows = Flag.objects.filter(opened_at__lt=asked.until).filter(Q(cleared_at=None) | Q(cleared_at__gte=asked.since))
    told = asked.of_runs(rows, "run__").order_by("pk")
    fields = ("pk", "rule", "severity", "run_id", "sweep_id", "evidence", "opened_at", "cleared_at", "dismissed_at")
    return tuple(FlagFact(*row) for row in told.values_list(*fields).iterator(chunk_size=5000))


def sweeps_of(asked: Asked) -> tuple[tuple[SweepFact, ...], dict[int, int]]:
    """Return the sweeps of the time, and by sweep the run that was best before it; one query."""
    earlier = Run.objects.annotate(last=_last_sign()).filter(
        sweep=OuterRef("pk"), metric_value__isnull=False, last__lt=asked.since
    )
    earlier = earlier.exclude(state__in=(*LIVE_RUN_STATES, *NOBODYS))
    ended = Q(pk__in=_lived(asked).exclude(sweep=None).values("sweep")) | Q(updated_at__gte=asked.since)
    rows = Sweep.objects.filter(ended | Q(created_at__gte=asked.since) | Q(pk__in=Sweep.objects.live().values("pk")))
    rows = rows.filter(Q(created_at=None) | Q(created_at__lt=asked.until)).annotate(
        lowest=Subquery(earlier.order_by("metric_value", "pk").values("pk")[:1]),
        highest=Subquery(earlier.order_by("-metric_value", "pk").values("pk")[:1]),
        later=Exists(Run.objects.filter(sweep=OuterRef("pk"), created_at__gte=asked.until)),
        last_sign=Subquery(_last_signs()),
    )
    found, best = [], {}
    for sweep in asked.within(rows, "workspace__name").order_by("pk"):
        fact = _sweep(sweep)
        found.append(fact)
        if (held := sweep.lowest if fact.minimize else sweep.highest) is not None:
            best[sweep.pk] = held
    return tuple(found), best


def _last_signs() -> QuerySet[Any, Any]:
    """The last sign of life of any run of the outer sweep."""
    own = Run.objects.filter(sweep=OuterRef("pk")).order_by().values("sweep")
    return own.annotate(last=Max(_last_sign())).values("last")


def _sweep(sweep: Any) -> SweepFact:
    parameters = sweep.config.get("parameters") if isinstance(sweep.config, Mapping) else None
    return SweepFact(
        pk=sweep.pk,
        sweep_id=sweep.sweep_id,
        name=sweep.name or sweep.sweep_id,
        url=sweep.url,
        created_at=sweep.created_at,
        updated_at=sweep.updated_at,
        lives=sweep.state in LIVE_SWEEP_STATES,
        metric=sweep.metric_name,
        minimize=sweep.metric_goal != "maximize",
        parameters=tuple(str(name) for name in parameters) if isinstance(parameters, Mapping) else (),
        later_run=sweep.later,
        last_sign_at=sweep.last_sign,
    )


def configs_of(run_pks: Collection[int]) -> dict[int, tuple[float | None, Mapping[str, Any]]]:
    """Return the metric and the config of a few runs; one query."""
    rows = Run.objects.filter(pk__in=run_pks).annotate(value=F("metric_value")).values_list("pk", "value", "config")
    return {pk: (value, config if isinstance(config, Mapping) else {}) for pk, value, config in rows}


def with_best(
    sweeps: tuple[SweepFact, ...], best: Mapping[int, int], values: Mapping[int, Any]
) -> tuple[SweepFact, ...]:
    """Return the sweeps with the run that was best before the time, and its value."""
    return tuple(
        replace(one, best_before=BestRun(best[one.pk], values[best[one.pk]][0]))
        if one.pk in best and best[one.pk] in values
        else one
        for one in sweeps
    )
