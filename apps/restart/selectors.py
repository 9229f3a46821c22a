"""Reading what is known of a run or a sweep that may be restarted, as the last passes left it."""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta

from apps.audit.selectors import freshness
from apps.checkpoints.models import Checkpoint, Verification
from apps.core.errors import Permanent
from apps.flags.run_extras import proofs_of
from apps.links.selectors import gpu_hours_by_run, jobs_of_runs
from apps.restart.domain import RestartFacts, RunFact
from apps.restart.models import RestartRequest
from apps.slurm.selectors import cluster_sources
from apps.stopping.domain import Refused
from apps.stopping.selectors import live_jobs_of
from apps.sweeps.models import Run, Sweep
from apps.sweeps.ports import LIVE_RUN_STATES
from apps.sweeps.selectors import sweep_named
from apps.workspaces.models import Workspace
from apps.workspaces.recipes import AgentRecipeConfig
from apps.workspaces.selectors import workspace_by_project

OLD = timedelta(minutes=15)  # what a source said longer ago is not known any more
Subject = Run | Sweep


def sweep_of(subject: Subject) -> Sweep | None:
    return subject.sweep if isinstance(subject, Run) else subject


def runs_of(subject: Subject) -> list[Run]:
    """Return the runs that a restart would start over."""
    runs = Run.objects.filter(pk=subject.pk) if isinstance(subject, Run) else Run.objects.filter(sweep=subject)
    return list(runs.exclude(state__in=("deleted", "moved")).select_related("status", "checkpoint").order_by("pk"))


def facts_of(subject: Subject, now: datetime) -> RestartFacts:
    """Return what is stored of it; a source that was not read well of late makes its side unknown."""
    sweep, runs = sweep_of(subject), runs_of(subject)
    wandb = _wandb_problem(subject.project_path, now)
    slurm = _slurm_problem(now)
    jobs = live_jobs_of(sweep) if sweep else []
    if isinstance(subject, Run):
        own = {one.job.pk for one in jobs_of_runs([subject.pk]).get(subject.pk, [])}
        jobs = [job for job in jobs if job.run_hint == subject.run_id or (job.pk in own and _is_live(subject))]
    return RestartFacts(
        subject=f"run {subject.run_id}" if isinstance(subject, Run) else f"sweep {subject.sweep_id}",
        runs=run_facts(runs, now),
        sweep_id=sweep.sweep_id if sweep else "",
        sweep_state=None if wandb or sweep is None else sweep.state,
        wandb_problem=wandb,
        live_jobs=None if slurm else tuple(job.job_id for job in jobs),
        slurm_problem=slurm,
        of_run=isinstance(subject, Run),
    )


def _is_live(run: Run) -> bool:
    return run.state in LIVE_RUN_STATES


def run_facts(runs: Sequence[Run], now: datetime) -> tuple[RunFact, ...]:
    """Return what is known of each run; GPU hours over all its attempts."""
    pks = [run.pk for run in runs]
    hours, jobs, proofs = gpu_hours_by_run(pks, now), jobs_of_runs(pks), proofs_of(runs)
    return tuple(_fact(run, hours.get(run.pk, 0.0), len(jobs.get(run.pk, ())), proofs.get(run.pk, [])) for run in runs)


def _fact(run: Run, hours: float, attempts: int, proofs: list[Verification]) -> RunFact:
    status, checkpoint = getattr(run, "status", None), getattr(run, "checkpoint", None)
    own = next((one for one in proofs if checkpoint is not None and one.holds_for(checkpoint)), None)
    good = [one for one in proofs if one.sound == "pass" and one is not own]
    best = max(good, key=lambda one: (one.step or -1, one.modified_at), default=None)
    return RunFact(
        pk=run.pk,
        run_id=run.run_id,
        live=_is_live(run),
        finished=status is not None and status.verdict == "done",
        epoch=status.epoch if status else None,
        step=status.step if status else None,
        gpu_hours=hours,
        attempts=attempts,
        checkpoint=_words(checkpoint),
        sound=own.sound if own else "",
        good=best.path.rpartition("/")[2] if best else "",
        crash_class=status.crash_class if status else "",
        proof=status.proof if status else "",
    )


def _words(checkpoint: Checkpoint | None) -> str:
    return checkpoint.path.rpartition("/")[2] if checkpoint else ""


def _wandb_problem(project: str, now: datetime) -> str:
    told = next((one for one in freshness() if one.source == "wandb" and one.scope == project), None)
    if told is None or told.good_at is None:
        return "W&B was never read well"
    return told.error or ("W&B was not read well of late" if now - told.good_at > OLD else "")


def _slurm_problem(now: datetime) -> str:
    clusters = cluster_sources(freshness())
    if not clusters or any(one.good_at is None for one in clusters):
        return "Slurm was never read well"
    silent = next((one for one in clusters if one.error or now - (one.good_at or now) > OLD), None)
    return (silent.error or "Slurm was not read well of late") if silent else ""


def workspace_of(subject: Subject) -> Workspace | None:
    return workspace_by_project().get(subject.project_path)


def agent_recipe(workspace: Workspace | None) -> AgentRecipeConfig:
    return AgentRecipeConfig.model_validate(workspace.config.get("agent", {}) if workspace else {})


def restarts_of(sweep: Sweep | None) -> list[RestartRequest]:
    """Return the last wishes to restart a sweep or runs of it, the latest first."""
    return list(RestartRequest.objects.filter(sweep=sweep).select_related("sweep", "run")[:5]) if sweep else []


def subject_named(name: str, project: str = "") -> Subject:
    """Return the run or the sweep of that id; ``Permanent`` where none or several are known."""
    runs = Run.objects.filter(run_id=name).select_related("sweep")
    found = [one for one in runs[:5] if not project or one.project_path == project]
    if len(found) > 1:
        raise Permanent(f"Several projects have a run '{name}': name one with --project entity/project.")
    return found[0] if found else sweep_named(name, project)


def known_clusters(names: Iterable[str], wanted: str) -> str:
    """Return the cluster on which agents are submitted: the recipe's, else the only one."""
    clusters = list(names)
    if wanted in clusters:
        return wanted
    if wanted or len(clusters) != 1:
        raise Refused("Nobody knows on which cluster agents are submitted: name one in [workspace.agent].")
    return clusters[0]
