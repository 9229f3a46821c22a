"""One pass over one source, and what follows from it: logs, links, checkpoints, flags, the report.

Every step is idempotent and derives what it does from the database, so a pass that was killed anywhere is
made good by the next one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Q, QuerySet

from apps.audit.selectors import held_until
from apps.audit.services import mark_joined, note_health, sync_pass
from apps.board.report import write_reports
from apps.checkpoints.configs import read_run_configs
from apps.checkpoints.services import find_checkpoints
from apps.checkpoints.verifying import mark_judged, runs_newly_proven
from apps.checkpoints.wiring import checkpoint_store
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.locks import Busy, lease
from apps.flags.selectors import overdue_runs, runs_that_wait
from apps.flags.services import clear_settled_flags, evaluate_runs, evaluate_sweeps
from apps.joblogs.selectors import jobs_to_catch_up_with
from apps.joblogs.services import read_logs
from apps.joblogs.wiring import log_store
from apps.links.services import relink, relink_agents, runs_touched_by
from apps.slurm.models import Job
from apps.slurm.services import note_unreachable, sync_jobs
from apps.slurm.wiring import cluster_names, make_scheduler
from apps.sweeps.models import Run, Sweep
from apps.sweeps.services.project import sync_project
from apps.sweeps.services.purposes import find_purposes
from apps.sweeps.wiring import make_source
from apps.workspaces.config import ConfigError, SweepboardConfig
from apps.workspaces.selectors import active_workspaces, current_config, workspace_by_project
from apps.workspaces.services import apply_config

LEASE = 45.0  # renewed while a pass runs: a worker killed -9 blocks the others no longer than this
JOIN_WAIT = 240.0
LATE_LINES = timedelta(minutes=5)
Progress = Callable[[str], None]


@dataclass
class Outcome:
    """What a pass changed. ``busy`` says that another pass of the source was under way, and this one did nothing."""

    runs: set[int] = field(default_factory=set)
    sweeps: set[int] = field(default_factory=set)
    jobs: set[int] = field(default_factory=set)
    ok: bool = True
    busy: bool = False


def _quiet(step: str) -> None:
    """Nobody watches."""


def sync_wandb(*, full: bool = False, progress: Progress = _quiet) -> Outcome:
    """Pass over every W&B project; a project that fails does not stop the others."""
    outcome = Outcome()
    if (config := config_in_force()) is None:
        return Outcome(ok=False)
    try:
        with lease("sync:wandb", seconds=LEASE):
            apply_config(config=config)
            for project in config.projects():
                progress(f"W&B {project}")
                _sync_one_project(project, full, outcome)
    except Busy:
        return Outcome(busy=True, ok=False)
    join(runs=outcome.runs, sweeps=outcome.sweeps, jobs=set(), progress=progress)
    return outcome


def _sync_one_project(project: str, full: bool, outcome: Outcome) -> None:
    held = held_until("wandb", project)
    if held is not None and held > utcnow():
        return  # W&B asked us to wait; the board says so with the last pass
    try:
        source = make_source()
    except SweepboardError as error:
        with sync_pass(source="wandb", scope=project, full=full):
            outcome.ok = False
            raise error
        return
    try:
        changes = sync_project(project=project, source=source, now=utcnow(), full=full)
    finally:
        source.close()
    outcome.runs |= changes.runs
    outcome.sweeps |= changes.sweeps
    outcome.ok &= changes.ok


def sync_slurm(*, full: bool = False, progress: Progress = _quiet) -> Outcome:
    """Pass over the queue and accounting of every cluster; one that fails does not stop the others."""
    outcome = Outcome()
    if (config := config_in_force()) is None:
        return Outcome(ok=False)
    try:
        with lease("sync:slurm", seconds=LEASE):
            apply_config(config=config)
            for name in cluster_names():
                progress(f"Slurm {name}".rstrip())
                _sync_one_cluster(name, config, full, outcome)
    except Busy:
        return Outcome(busy=True, ok=False)
    join(runs=set(), sweeps=set(), jobs=outcome.jobs, progress=progress)
    return outcome


def _sync_one_cluster(name: str, config: SweepboardConfig, full: bool, outcome: Outcome) -> None:
    try:
        scheduler = make_scheduler(name)
    except SweepboardError as error:
        note_unreachable(scope=name, error=error, full=full)
        outcome.ok = False
        return
    changes = sync_jobs(
        scheduler=scheduler,
        scope=name,
        now=utcnow(),
        users=config.slurm.users,
        history_days=config.slurm.history_days,
        full=full,
    )
    outcome.jobs |= changes.jobs
    outcome.ok &= changes.ok


def config_in_force() -> SweepboardConfig | None:
    """Return the configuration; None while sweepboard.toml cannot be used, which the board then says."""
    try:
        config = current_config()
    except ConfigError as error:
        note_health(source="config", scope="sweepboard.toml", error=error)
        return None
    note_health(source="config", scope="sweepboard.toml", error=None)
    return config


def join(*, runs: set[int], sweeps: set[int], jobs: set[int], progress: Progress = _quiet) -> set[int]:
    """Bring everything that is derived in line; a defect of ours on the way is noted on the board.

    Returns the runs whose status or flags changed. Raises ``Busy`` when another join takes too long.
    """
    try:
        changed = _join(runs, sweeps, jobs, progress)
    except SweepboardError:
        raise
    except Exception as error:
        note_health(source="join", scope="all sources together", error=error)
        return set()
    finally:
        mark_joined()
    note_health(source="join", scope="all sources together", error=None)
    return changed


def _join(runs: set[int], sweeps: set[int], jobs: set[int], progress: Progress) -> set[int]:
    """Bring everything that is derived in line with what changed, and with the time that passed.

    Live runs and jobs are always looked at, because their logs, checkpoints and heartbeats age without
    any row changing. Returns the runs whose status or flags changed.
    """
    with lease("join", seconds=LEASE, wait=JOIN_WAIT):
        now = utcnow()
        progress("logs")
        overdue = overdue_runs()
        runs = runs | overdue.keys()
        jobs = jobs | {job for job in overdue.values() if job is not None}
        watched = _watched_jobs(jobs, now)
        said = read_logs(jobs=list(watched), store=log_store(), workspaces=active_workspaces())
        progress("links")
        job_pks = jobs | set(watched.values_list("pk", flat=True))
        touched = runs | runs_touched_by(job_pks=jobs, log_keys=said)
        touched |= set(Run.objects.live().values_list("pk", flat=True)) | runs_that_wait()
        touched |= relink(run_pks=touched)
        sweeps = sweeps | relink_agents(job_pks=job_pks)
        sweeps = sweeps | find_purposes(sweep_pks=sweeps)
        progress("checkpoints")
        look_at = Run.objects.filter(pk__in=touched)
        touched |= find_checkpoints(runs=look_at, workspaces=workspace_by_project(), store=checkpoint_store())
        touched |= read_run_configs(runs=look_at, workspaces=workspace_by_project(), store=checkpoint_store())
        progress("flags")
        proven = runs_newly_proven()
        changed = evaluate_runs(run_pks=touched | proven, now=now)
        mark_judged(run_pks=proven, before=now)
        live_sweeps = set(Sweep.objects.live().values_list("pk", flat=True))
        evaluate_sweeps(sweep_pks=sweeps | live_sweeps, now=now)
        clear_settled_flags(now=now)
        progress("report")
        write_reports(workspaces=active_workspaces(), now=now)
    return changed


def _watched_jobs(changed: set[int], now: datetime) -> QuerySet[Job]:
    """The jobs whose logs may say more: changed, live or just ended, and those whose logs were not read to the end.

    A file may appear on our side of a shared filesystem minutes after its job ended.
    """
    behind = {job_id for _, job_id in jobs_to_catch_up_with()}
    return Job.objects.filter(
        Q(pk__in=changed) | Q(pk__in=Job.objects.live()) | Q(end_at__gte=now - LATE_LINES) | Q(job_id__in=behind)
    )


def redo_everything() -> None:
    """Join every run anew, for `manage.py sync --full`."""
    join(
        runs=set(Run.objects.values_list("pk", flat=True)),
        sweeps=set(Sweep.objects.values_list("pk", flat=True)),
        jobs=set(Job.objects.values_list("pk", flat=True)),
    )
