"""Gathering the facts of many sweeps at once: a handful of queries, whatever their number."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.db.models import Count, Max

from apps.audit.selectors import freshness
from apps.checkpoints.models import Checkpoint
from apps.core.files import free_bytes
from apps.flags.domain import JobFacts, SweepFacts
from apps.flags.facts import job_facts
from apps.flags.run_ends import Failures, failures_of
from apps.links.domain import agents_alive
from apps.links.selectors import agent_jobs, jobs_with_runs, last_attempts
from apps.slurm.models import Job
from apps.slurm.selectors import cluster_sources
from apps.sweeps.models import Run, Sweep, SweepAgent
from apps.sweeps.selectors import offline_runs_of_sweeps
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import policy_of

NONE = Failures()


def gather_sweeps(sweeps: Iterable[Sweep], now: datetime) -> dict[int, SweepFacts]:
    """Return the facts of these sweeps by primary key."""
    listed = list(sweeps)
    pks = [sweep.pk for sweep in listed]
    sources = freshness()
    projects = {one.scope for one in sources if one.source == "wandb" and one.ok}
    clusters = cluster_sources(sources)
    slurm = bool(clusters) and all(one.ok for one in clusters)
    jobs = {pk: last_attempts(found) for pk, found in agent_jobs(pks).items()}
    waiting = _waiting(jobs)
    offline, failures = offline_runs_of_sweeps(pks), failures_of(pks, now)
    agents, live, sizes = _agents(pks), _live_runs(pks), _checkpoint_sizes(pks)
    free = {one.pk: free_bytes(one.path) for one in {sweep.workspace for sweep in listed if sweep.workspace}}
    found = {}
    for sweep in listed:
        policy = policy_of(sweep.workspace, sweep.sweep_id, sweep.name)
        alive, expected = agents_alive((job.state for job in jobs.get(sweep.pk, ())), wanted=sweep.state == "RUNNING")
        oldest = now - timedelta(minutes=policy.stale_heartbeat_minutes)
        running = agents[sweep.pk]
        known = {"wandb"} if sweep.project_path in projects else set()
        found[sweep.pk] = SweepFacts(
            sweep_id=sweep.sweep_id,
            state=sweep.state,
            url=sweep.url,
            now=now,
            policy=policy,
            known=frozenset(known | ({"slurm"} if slurm else set())),
            method=sweep.method,
            offline_runs=offline.get(sweep.pk, 0),
            agents_running=len(running),
            agents_silent=tuple(name for name, beat in running if beat is not None and beat < oldest),
            agents_pending=waiting.get(sweep.pk, ()),
            jobs_alive=alive,
            jobs_expected=expected,
            live_runs=live.get(sweep.pk, 0),
            failures=failures.get(sweep.pk, NONE).by_node,
            burnt=failures.get(sweep.pk, NONE).burnt,
            checkpoint_bytes=sizes.get(sweep.pk, 0),
            free_bytes=_free_of(sweep.workspace, free),
        )
    return found


def _waiting(jobs: dict[int, list[Job]]) -> dict[int, tuple[JobFacts, ...]]:
    """The agent jobs of each sweep that wait in the queue and carry no run: of one that does its run tells."""
    pending = {pk: [job for job in found if job.state == "PENDING"] for pk, found in jobs.items()}
    carrying = jobs_with_runs(job.pk for found in pending.values() for job in found)
    return {pk: tuple(job_facts(job) for job in found if job.pk not in carrying) for pk, found in pending.items()}


def _free_of(workspace: Workspace | None, free: dict[int, int | None]) -> int | None:
    return free.get(workspace.pk) if workspace else None


def _agents(pks: list[int]) -> dict[int, list[tuple[str, datetime | None]]]:
    found: dict[int, list[tuple[str, datetime | None]]] = defaultdict(list)
    rows = SweepAgent.objects.filter(sweep__in=pks, state="RUNNING").order_by("name")
    for sweep, name, host, beat in rows.values_list("sweep", "name", "host", "heartbeat_at"):
        found[int(sweep)].append((name or host, beat))
    return found


def _live_runs(pks: list[int]) -> dict[int, int]:
    rows = Run.objects.live().filter(sweep__in=pks).values("sweep").annotate(count=Count("pk"))
    return {int(row["sweep"]): int(row["count"]) for row in rows if row["sweep"] is not None}


def _checkpoint_sizes(pks: list[int]) -> dict[int, int]:
    rows = Checkpoint.objects.filter(run__sweep__in=pks).values("run__sweep").annotate(size=Max("bytes"))
    return {int(row["run__sweep"]): int(row["size"]) for row in rows}
