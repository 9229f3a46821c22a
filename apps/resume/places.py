"""Where and by what a run is continued: the workspace's recipe, its script, the cluster, the job to requeue."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.core.files import confined
from apps.flags.models import RunStatus
from apps.links.models import AgentLink, RunLink
from apps.resume.carried import carried, holds_them
from apps.resume.changes import DROP, JobShape, applied
from apps.resume.domain import CheckpointFact, Refused
from apps.resume.plan import Plan, Target, submission_for
from apps.slurm.models import Job
from apps.slurm.ports import Scheduler
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace
from apps.workspaces.recipes import RecipeConfig

MAY_REQUEUE = ("preemption", "time-limit", "node-failure")
MARGIN = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Place:
    """``name`` is the cluster's configured name, ``cluster`` its own. ``job`` is the run's last one, if it is known."""

    name: str
    cluster: str
    job: Job | None


def recipe_of(workspace: Workspace) -> RecipeConfig:
    return RecipeConfig.model_validate(workspace.config.get("recipe", {}))


def placed(schedulers: Mapping[str, Scheduler], run: Run, workspace: Workspace) -> Place:
    """Return where a run is to be continued: the recipe's cluster, else the last job's, else the only one there is."""
    wanted, job = recipe_of(workspace).cluster, last_job(run)
    by_own_name = {scheduler.cluster(): name for name, scheduler in schedulers.items()}
    if wanted or (job is not None and len(schedulers) > 1):
        cluster = wanted or (job.cluster if job else "")
        if cluster not in by_own_name:
            raise Refused(f"The cluster '{cluster}' is not configured in sweepboard.toml.")
        return Place(by_own_name[cluster], cluster, job)
    if len(by_own_name) != 1:
        raise Refused(
            "There are several clusters, and nobody knows on which the run ran: name one in [workspace.recipe]."
        )
    ((cluster, name),) = by_own_name.items()
    return Place(name, cluster, job)


def last_job(run: Run) -> Job | None:
    """Return the last attempt that carried a run, by how it was judged, else by its links."""
    status = RunStatus.objects.filter(run=run).select_related("job").first()
    if status is not None and status.job is not None:
        return status.job
    link = RunLink.objects.filter(run=run).select_related("job").order_by("-job__submit_at").first()
    return link.job if link else None


def job_shape(run: Run) -> JobShape:
    job = last_job(run)
    return JobShape(job.nodes, job.time_limit_seconds, job.max_rss_bytes) if job else JobShape()


def how_to_continue(place: Place, workspace: Workspace) -> str:
    """Return in a sentence how; ``Refused`` where the workspace has no script that could do it."""
    recipe = recipe_of(workspace)
    if recipe.script:
        _check_script(recipe, workspace)
        return f"{recipe.script} is submitted on {place.cluster}{', unless a requeue does' if recipe.requeue else ''}."
    if recipe.requeue:
        return f"Its job is requeued on {place.cluster}."
    raise Refused(
        f"The workspace '{workspace.name}' has no recipe: sweepboard.toml names no script that resumes a run."
    )


def _check_script(recipe: RecipeConfig, workspace: Workspace) -> None:
    script = confined(workspace.path, recipe.script)
    if not script.is_file():
        raise Refused(f"The recipe's script {recipe.script} is not in {workspace.root}.")


def plan_of(
    *, run: Run, workspace: Workspace, place: Place, checkpoint: CheckpointFact, config_path: str, key: str,
    choices: Mapping[str, str],
) -> Plan:  # fmt: skip
    """Return what is to be submitted; ``Refused`` where it cannot be, ``BadChoice`` for a change that is none."""
    recipe, crash_class = recipe_of(workspace), _crash_class(run)
    chosen, before = applied(choices, crash_class), carried(run)
    changes = chosen if DROP in choices else before.and_then(chosen)
    submission = None
    if recipe.script:
        _check_script(recipe, workspace)
        sweep = run.sweep.sweep_id if run.sweep else ""
        target = Target(run.entity, run.project, run.run_id, sweep, config_path, checkpoint, key)
        submission = submission_for(recipe, str(workspace.path.resolve()), target, changes)
    has_them = before.alters_the_job and place.job is not None and holds_them(run, place.job)
    alters = chosen.alters_the_job or ((DROP in choices) == has_them and before.alters_the_job)
    if not alters and (job := _to_requeue(recipe, run, place, crash_class)) is not None:
        return Plan("requeue", place.cluster, submission, job.job_id, job.submit_at.isoformat(), changes.said)
    if submission is None:
        raise Refused("Its job cannot be requeued, and the recipe has no script to submit.")
    return Plan("submit", place.cluster, submission, changes=changes.said)


def _crash_class(run: Run) -> str:
    return RunStatus.objects.filter(run=run).values_list("crash_class", flat=True).first() or ""


def _to_requeue(recipe: RecipeConfig, run: Run, place: Place, crash_class: str) -> Job | None:
    """The job whose requeue continues this run and nothing else: its last one, and this run was its last."""
    job = place.job
    if not recipe.requeue or job is None or job.cluster != place.cluster:
        return None
    if crash_class not in MAY_REQUEUE:
        return None
    lives = Job.objects.filter(cluster=job.cluster, job_id=job.job_id)
    others = RunLink.objects.filter(job__in=lives, run__created_at__gt=run.created_at).exclude(run=run)
    agent = (
        AgentLink.objects.filter(job__in=lives).exists() and not RunLink.objects.filter(job__in=lives, run=run).exists()
    )
    return None if others.exists() or agent else lives.order_by("-submit_at").first()


def requeued(scheduler: Scheduler, plan: Plan) -> bool:
    """Tell whether the job has a later life than the one that was to be requeued; asked of queue and accounting."""
    base = datetime.fromisoformat(plan.job_submit_at)
    lives = [one for one in scheduler.queue() if one.job_id == plan.job_id]
    lives += scheduler.attempts_of([plan.job_id], base - MARGIN)
    return any(one.submit_at > base for one in lives)


def scheduler_named(schedulers: Mapping[str, Scheduler], cluster: str) -> Scheduler:
    """Return the scheduler of the cluster that calls itself so; ``Refused`` where none does."""
    for scheduler in schedulers.values():
        if scheduler.cluster() == cluster:
            return scheduler
    raise Refused(f"The cluster '{cluster}' is not configured any more.")
