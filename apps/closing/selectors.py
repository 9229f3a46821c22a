"""Reading what is known of a run that may be closed, and what became of the wish."""

from datetime import datetime, timedelta

from apps.audit.selectors import freshness
from apps.closing.domain import ClosingFacts, check_facts
from apps.closing.models import CloseRequest
from apps.core.errors import Permanent, SweepboardError
from apps.core.units import ago, with_ages
from apps.flags.models import RunStatus
from apps.links.models import AgentLink, RunLink
from apps.links.selectors import jobs_of_runs
from apps.links.states import NO_JOB
from apps.slurm.models import Job
from apps.slurm.selectors import cluster_sources
from apps.sweeps.models import Run
from apps.sweeps.ports import LIVE_RUN_STATES
from apps.workspaces.config import ConfigError, SweepboardConfig
from apps.workspaces.selectors import current_config, policy_of, workspace_by_project

INTERVALS = 3  # a cluster that was not read well for so many of its passes is not known
AT_LEAST = timedelta(minutes=3)
HOW = {
    "metadata": "the run's metadata names it",
    "comment": "its comment names the run",
    "log": "its log names the run",
}


def check_can_close(run: Run, now: datetime) -> None:
    """Raise with a sentence for people unless ``run`` is, by what is stored, a zombie beyond doubt."""
    check_facts(closing_facts(run, now), now)


def can_close(run: Run, now: datetime) -> bool:
    try:
        check_can_close(run, now)
    except SweepboardError:
        return False
    return True


def closing_facts(run: Run, now: datetime) -> ClosingFacts:
    """Return what the last passes told of a run."""
    status = status_of(run)
    job = status.job if status else None
    read_at, problem = _slurm_side()
    current = jobs_of_runs([run.pk]).get(run.pk, [])
    slurm_state = status.slurm_state if status else ""
    return ClosingFacts(
        run_id=run.run_id,
        wandb_state=run.state,
        judged_state=status.wandb_state if status else "",
        slurm_state=slurm_state,
        slurm_read_at=read_at,
        slurm_problem=problem,
        slurm_patience=max(AT_LEAST, INTERVALS * timedelta(seconds=_config().slurm.sync_seconds)),
        stale_after=timedelta(minutes=_stale_minutes(run)),
        offline=run.offline,
        heartbeat_at=run.heartbeat_at,
        created_at=run.created_at,
        job_id=job.job_id if job else "",
        job_ended=job.ended if job else None,
        next_run=current[-1].next_run if current else "",
        idle_jobs=_idle_jobs(run) if slurm_state == NO_JOB else (),
    )


def status_of(run: Run) -> RunStatus | None:
    """Return what all sources together say of a run; None before it was judged."""
    return RunStatus.objects.filter(run=run).select_related("job").first()


def _slurm_side() -> tuple[datetime | None, str]:
    """Return since when every cluster is known, and why not until now. A run's job could be on any of them."""
    clusters = cluster_sources(freshness())
    good = [one.good_at for one in clusters if one.good_at is not None]
    if not clusters or len(good) < len(clusters):
        return None, ""
    return min(good), next((one.error for one in clusters if one.error), "")


def _config() -> SweepboardConfig:
    try:
        return current_config()
    except ConfigError:
        return SweepboardConfig()


def _stale_minutes(run: Run) -> float:
    sweep = run.sweep
    workspace = workspace_by_project().get(run.project_path)
    policy = policy_of(workspace, sweep.sweep_id if sweep else "", sweep.name if sweep else "")
    return policy.stale_heartbeat_minutes


def _idle_jobs(run: Run) -> tuple[str, ...]:
    """Return the live jobs of the run's sweep of which no other live run is known: this one may be theirs."""
    if run.sweep_id is None:
        return ()
    busy = RunLink.objects.filter(run__state__in=LIVE_RUN_STATES).exclude(run=run).values("job")
    agents = AgentLink.objects.filter(sweep=run.sweep_id, job__is_live=True, job__start_at__isnull=False)
    return tuple(agents.exclude(job__in=busy).order_by("job__job_id").values_list("job__job_id", flat=True))


def evidence_of(run: Run, now: datetime) -> list[str]:
    """Return what W&B, Slurm, the log and the checkpoints say of a run, a sentence each, as they read at ``now``."""
    status = status_of(run)
    if status is None:
        return [f"W&B says {run.state}; the run was not compared with Slurm yet."]
    told = [with_ages(sentence, now) for sentence in status.chain]
    told = told or [_wandb_sentence(run, now), f"Slurm says {status.slurm_state}."]
    if status.job is not None:
        told.insert(2, _job_sentence(status, status.job, now))
    read_at, _ = _slurm_side()
    told.append(f"Slurm was last read well {ago(now - read_at)}." if read_at else "Slurm was never read well.")
    return [sentence for sentence in told if sentence]


def _job_sentence(status: RunStatus, job: Job, now: datetime) -> str:
    """How the job is known to carry the run, and since when it is over."""
    over = f"ended {ago(now - job.over_at)}" if job.over_at and job.ended else ""
    how = status.job_evidence or HOW.get(status.job_how, "")
    known = f"is known to carry the run because {how}" if how else ""
    told = " and ".join(part for part in (over, known) if part)
    return f"Job {job.job_id} {told}." if told else ""


def _wandb_sentence(run: Run, now: datetime) -> str:
    beat = f", last heartbeat {ago(now - run.heartbeat_at)}" if run.heartbeat_at else ", no heartbeat ever"
    return f"W&B says {run.state}{beat}."


def closings_of(run: Run) -> list[CloseRequest]:
    """Return the wishes to close a run, the latest first."""
    return list(CloseRequest.objects.filter(run=run)[:5])


def run_named(run_id: str, project: str = "") -> Run:
    """Return the run of that id; ``Permanent`` where none or several projects know it."""
    runs = Run.objects.filter(run_id=run_id).select_related("sweep")
    if project:
        runs = runs.of_project(project) if "/" in project else runs.none()
    found = list(runs[:2])
    if not found:
        raise Permanent(f"No run '{run_id}' is known{f' in {project}' if project else ''}; `manage.py sync` reads W&B.")
    if len(found) > 1:
        raise Permanent(f"Several projects have a run '{run_id}': name one with --project entity/project.")
    return found[0]
