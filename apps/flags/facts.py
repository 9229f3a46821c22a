"""Gathering the facts of many runs at once: a handful of queries, whatever their number."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from apps.audit.selectors import Freshness, freshness
from apps.checkpoints.models import Verification
from apps.flags.domain import Evidence, JobFacts, Progress, ProgressSource, RunFacts, Twin
from apps.flags.drift import drifts_of
from apps.flags.progress import Reading, progress_from
from apps.flags.run_extras import checkpoint_facts, logged_facts, proofs_of
from apps.flags.twins import twins_of
from apps.joblogs.endings import clue_from
from apps.joblogs.models import LogTrace
from apps.joblogs.selectors import traces_by_job
from apps.links.domain import JobTime
from apps.links.selectors import LinkedJob, jobs_of_runs, time_in_jobs
from apps.links.states import MOVED_ON, NO_JOB, UNKNOWN, meaning
from apps.slurm.models import Job
from apps.slurm.selectors import cluster_sources
from apps.sweeps.domain import summary_epoch, summary_step, target_epochs
from apps.sweeps.models import Run
from apps.sweeps.ports import LIVE_RUN_STATES
from apps.sweeps.selectors import unsynced_since
from apps.workspaces.domain import Policy
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import policy_of, workspace_by_project

ALIVE_SOMEWHERE = timedelta(minutes=2)


@dataclass(frozen=True)
class Gathered:
    """The facts of one run, and the rows that its status points at."""

    run: Run
    job: Job | None
    facts: RunFacts
    time: JobTime
    job_how: str = ""
    job_evidence: str = ""


@dataclass(frozen=True)
class _Pool:
    """What the runs that are gathered together share."""

    linked: dict[int, list[LinkedJob]]
    traces: dict[tuple[str, str], list[LogTrace]]
    sources: list[Freshness]
    clusters: list[Freshness]
    workspaces: dict[str, Workspace]
    unsynced: dict[int, datetime]
    twins: dict[int, Twin]
    proofs: dict[int, list[Verification]]
    drifts: dict[int, tuple[str, ...]]
    policies: dict[tuple[str, int | None], Policy] = field(default_factory=dict)


def gather(run_pks: Iterable[int], now: datetime) -> list[Gathered]:
    """Return the facts of these runs."""
    joined = ("checkpoint", "history", "disk_config")
    # The sweeps apart: many runs share one, and its config is large.
    # In one order for every worker: two that write the same rows in another order would wait for each other.
    rows = Run.objects.filter(pk__in=set(run_pks)).order_by("pk")
    runs = list(rows.select_related(*joined).prefetch_related("sweep"))
    linked, sources, workspaces = jobs_of_runs(run.pk for run in runs), freshness(), workspace_by_project()
    pool = _Pool(
        linked=linked,
        traces=traces_by_job((one.job.cluster, one.job.job_id) for jobs in linked.values() for one in jobs),
        sources=sources,
        clusters=cluster_sources(sources),
        workspaces=workspaces,
        unsynced=unsynced_since(run.pk for run in runs),
        twins=twins_of(runs, workspaces),
        proofs=proofs_of(runs),
        drifts=drifts_of(runs, lambda run: _policy_in(run, workspaces).may_differ),
    )
    return [_gather_one(run, pool, now) for run in runs]


def _gather_one(run: Run, pool: _Pool, now: datetime) -> Gathered:
    linked = pool.linked.get(run.pk, [])
    current = linked[-1] if linked else None
    slurm_state = slurm_state_of(run, current, pool.clusters, now)
    own, time = traces_of(run, linked, pool.traces), job_time_of(run, linked)
    facts = RunFacts(
        run_id=run.run_id,
        wandb_state=run.state,
        now=now,
        policy=_policy(run, pool),
        slurm_state=slurm_state,
        meaning=meaning(run.state, slurm_state),
        progress=progress_of(run, own, time),
        known=_known(run, current, pool),
        url=run.url,
        created_at=run.created_at,
        heartbeat_at=run.heartbeat_at,
        runtime_seconds=_runtime(run, linked, time, now),
        job=job_facts(current.job) if current else None,
        next_run=current.next_run if current else "",
        log_path=own[-1].log.path if own else "",
        evidence=_evidence_of(traces_of(run, linked[-1:], pool.traces)),
        gpu_percent=run.gpu_percent,
        twin=pool.twins.get(run.pk),
        offline=run.offline,
        unsynced_since=pool.unsynced.get(run.pk),
        sweep_state=run.sweep.state if run.sweep else "",
        **checkpoint_facts(run, pool.proofs.get(run.pk, ())),
        **logged_facts(run, own, pool.drifts.get(run.pk, ())),
    )
    if current is None:
        return Gathered(run, None, facts, time)
    return Gathered(run, current.job, facts, time, current.how.value, current.evidence)


def _policy(run: Run, pool: _Pool) -> Policy:
    """Return the policy of the run's sweep, read once for all its runs."""
    key = (run.project_path, run.sweep_id)
    if key not in pool.policies:
        pool.policies[key] = _policy_in(run, pool.workspaces)
    return pool.policies[key]


def _policy_in(run: Run, workspaces: Mapping[str, Workspace]) -> Policy:
    told = (run.sweep.sweep_id, run.sweep.name) if run.sweep else ("", "")
    return policy_of(workspaces.get(run.project_path), *told)


def _runtime(run: Run, linked: list[LinkedJob], time: JobTime, now: datetime) -> float | None:
    """For how many seconds the run trained; None where neither jobs nor heartbeats tell."""
    known = linked or (run.created_at and (run.trained_until or run.heartbeat_at))
    return time.seconds_at(now) if known else None


def _known(run: Run, current: LinkedJob | None, pool: _Pool) -> frozenset[str]:
    """The sources that answered at their last pass; of W&B the run's own project counts, of Slurm its job's cluster.

    A run without a job may have one on any cluster; so may one that lives in W&B though its job has ended.
    """
    known = {"wandb" for one in pool.sources if one.source == "wandb" and one.scope == run.project_path and one.ok}
    if run.offline:
        known.add("wandb")  # what its folder says is all that can be known
    own = [one for one in pool.clusters if current is not None and one.scope == current.job.cluster]
    elsewhere = current is None or (current.job.ended and run.state in LIVE_RUN_STATES)
    asked = pool.clusters if elsewhere or not own else own
    if asked and all(one.ok for one in asked):
        known.add("slurm")
    return frozenset(known)


def slurm_state_of(run: Run, current: LinkedJob | None, clusters: list[Freshness], now: datetime) -> str:
    """Return the Slurm side of a run: its attempt's state, or why there is none.

    How an agent's job ended says nothing of a run from which it had gone on to the next one.
    'No job' needs every cluster that is followed to have answered: the job could be on any of them.
    """
    if current is not None:
        last = run.trained_until or run.heartbeat_at  # of a run that was uploaded later, the heartbeat is the upload's
        moved_on = current.next_run_at is not None and (last is None or last < current.next_run_at)
        return MOVED_ON if moved_on else current.job.state
    if not clusters or not all(one.ok for one in clusters):
        return UNKNOWN
    began = run.created_at or now
    asked_since = all(one.good_at is not None and one.good_at > began for one in clusters)
    beats = run.heartbeat_at is not None and now - run.heartbeat_at < ALIVE_SOMEWHERE
    # A heart that beats without a job: it runs outside Slurm, or its log has not named it yet.
    return NO_JOB if asked_since and not (beats and run.state in LIVE_RUN_STATES) else UNKNOWN


def traces_of(run: Run, linked: list[LinkedJob], traces: dict[tuple[str, str], list[LogTrace]]) -> list[LogTrace]:
    """Return what the logs of the run's jobs say of this run.

    Lines before any run is named count only in the log of a job that carries no other run.
    """
    keys = dict.fromkeys((one.job.cluster, one.job.job_id) for one in linked)
    found: list[LogTrace] = []
    for key in keys:
        of_job = traces.get(key, [])
        others = {trace.run_id for trace in of_job} - {run.run_id, ""}
        found += [trace for trace in of_job if trace.run_id == run.run_id or (not trace.run_id and not others)]
    return found


def progress_of(run: Run, traces: list[LogTrace], time: JobTime) -> Progress:
    """Return the run's progress from the best source: its log, then its checkpoint, then W&B's summary.

    The target is the config's; a log that prints it (``Epoch 3/10``) is believed where no config says so.
    """
    logged = next((trace for trace in reversed(traces) if trace.epoch is not None or trace.step is not None), None)
    target = target_epochs(run.config, run.sweep.config if run.sweep else None)
    readings = [_logged(logged)] if logged else []
    if (checkpoint := getattr(run, "checkpoint", None)) is not None:
        readings.append(
            Reading(ProgressSource.CHECKPOINT, checkpoint.epoch, checkpoint.step, at=checkpoint.modified_at)
        )
    epoch, step = summary_epoch(run.summary), summary_step(run.summary)
    readings.append(Reading(ProgressSource.SUMMARY, epoch, step, at=run.trained_until or run.heartbeat_at))
    target = target or (logged.target_epochs if logged else None)
    return progress_from(readings, target, time, live=run.state in LIVE_RUN_STATES)


def _logged(trace: LogTrace) -> Reading:
    return Reading(
        source=ProgressSource.LOG,
        epoch=trace.epoch,
        step=trace.step,
        total_steps=trace.total_steps,
        steps_per_second=trace.steps_per_second,
        at=trace.progress_at or trace.log.modified_at,
    )


def job_time_of(run: Run, linked: list[LinkedJob]) -> JobTime:
    """Return the time that the run spent in its jobs; where none is known, what its heartbeats show."""
    if linked:
        return time_in_jobs(run, linked)
    last = run.trained_until or run.heartbeat_at
    if run.created_at is None or last is None:
        return JobTime()
    return JobTime(max(0.0, (last - run.created_at).total_seconds()))


def job_facts(job: Job) -> JobFacts:
    return JobFacts(
        job_id=job.job_id,
        state=job.state,
        reason=job.reason,
        nodes=job.nodes,
        gpus=job.gpus,
        submit_at=job.submit_at,
        start_at=job.start_at,
        end_at=job.end_at,
        exit_code=job.exit_code,
        exit_signal=job.exit_signal,
    )


def _evidence_of(traces: list[LogTrace]) -> tuple[Evidence, ...]:
    """The evidence of the job that carried the run last: why an earlier one ended is history."""
    return tuple(
        clue_from(
            item,
            trace.log.path,
            trains=trace.epoch is not None or trace.step is not None,
            finished=bool(trace.target_epochs) and (trace.epoch or 0) >= (trace.target_epochs or 0),
        )
        for trace in traces
        for item in trace.evidence
    )
