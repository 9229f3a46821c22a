"""Gathering the facts of many sweeps at once: a handful of queries, whatever their number."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from django.db.models import Count, Max, Min

from apps.audit.selectors import freshness
from apps.checkpoints.models import Checkpoint
from apps.core.files import free_bytes
from apps.flags.agents import Agent, short, without_job
from apps.flags.domain import JobFacts, SweepFacts
from apps.flags.facts import job_facts
from apps.flags.run_ends import Failures, failures_of
from apps.links.domain import agents_alive
from apps.links.selectors import agent_jobs, jobs_with_runs, last_attempts, nodes_of_nobodys_jobs
from apps.slurm.domain import nodes_in
from apps.slurm.models import Job
from apps.slurm.selectors import cluster_sources
from apps.sweeps.models import Run, Sweep, SweepAgent
from apps.sweeps.ports import LIVE_SWEEP_STATES
from apps.sweeps.selectors import offline_runs_of_sweeps
from apps.workspaces.selectors import policy_of

NONE = Failures()
CARRIES = ("RUNNING", "COMPLETING", "SUSPENDED", "CONFIGURING")
Runs = tuple[int, datetime | None]


@dataclass(frozen=True, slots=True)
class _Saved:
    """The largest newest checkpoint of a sweep's runs, in bytes, and a folder in which they are."""

    bytes: int
    folder: Path


def gather_sweeps(sweeps: Iterable[Sweep], now: datetime) -> dict[int, SweepFacts]:
    """Return the facts of these sweeps by primary key."""
    listed = list(sweeps)
    pks = [sweep.pk for sweep in listed]
    sources = freshness()
    projects = {one.scope for one in sources if one.source == "wandb" and one.ok}
    clusters = cluster_sources(sources)
    slurm = bool(clusters) and all(one.ok for one in clusters)
    attempts = agent_jobs(pks)
    jobs = {pk: last_attempts(found) for pk, found in attempts.items()}
    waiting = _waiting(jobs)
    offline, failures = offline_runs_of_sweeps(pks), failures_of(pks, now)
    live, saved = _live_runs(pks), _checkpoints(pks)
    agents = _agents(pks, live)
    # Without agents nobody asks where all the cluster's jobs are.
    others = _nodes(nodes_of_nobodys_jobs(CARRIES)) if slurm and agents else frozenset()
    read_at = min((one.good_at for one in clusters if one.good_at), default=now)
    free = _free(listed, saved)
    found = {}
    for sweep in listed:
        policy = policy_of(sweep.workspace, sweep.sweep_id, sweep.name)
        alive, expected = agents_alive((job.state for job in jobs.get(sweep.pk, ())), wanted=sweep.state == "RUNNING")
        oldest = now - timedelta(minutes=policy.stale_heartbeat_minutes)
        running = agents.get(sweep.pk, [])
        silent = [agent for agent in running if agent.beat is not None and agent.beat < oldest]
        places = _places(attempts.get(sweep.pk, []), now - timedelta(minutes=policy.dead_job_grace_minutes))
        jobless = without_job(running, places, others, read_at) if slurm else []
        if sweep.state not in LIVE_SWEEP_STATES:  # of an ended one W&B's agents are not asked for any more
            jobless = [agent for agent in jobless if agent.beat is not None]
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
            agents_silent=tuple(agent.name for agent in silent),
            agents_jobless=tuple(agent.name for agent in jobless if agent not in silent),
            agents_pending=waiting.get(sweep.pk, ()),
            jobs_alive=alive,
            jobs_expected=expected,
            live_runs=sum(runs for runs, _ in live.get(sweep.pk, {}).values()),
            failures=failures.get(sweep.pk, NONE).by_node,
            burnt=failures.get(sweep.pk, NONE).burnt,
            checkpoint_bytes=saved[sweep.pk].bytes if sweep.pk in saved else 0,
            free_bytes=free.get(sweep.pk),
        )
    return found


def _waiting(jobs: dict[int, list[Job]]) -> dict[int, tuple[JobFacts, ...]]:
    """The agent jobs of each sweep that wait in the queue and carry no run: of one that does its run tells."""
    pending = {pk: [job for job in found if job.state == "PENDING"] for pk, found in jobs.items()}
    carrying = jobs_with_runs(job.pk for found in pending.values() for job in found)
    return {pk: tuple(job_facts(job) for job in found if job.pk not in carrying) for pk, found in pending.items()}


def _free(sweeps: Iterable[Sweep], saved: Mapping[int, _Saved]) -> dict[int, int | None]:
    """How much room is left where the checkpoints of each sweep are, which may be another disk than the workspace's."""
    folders: dict[int, Path] = {}
    for one in sweeps:
        if one.pk in saved:
            folders[one.pk] = saved[one.pk].folder
        elif one.workspace:
            folders[one.pk] = one.workspace.path
    room = {folder: free_bytes(folder) for folder in set(folders.values())}
    return {pk: room[folder] for pk, folder in folders.items()}


def _places(attempts: Iterable[Job], since: datetime) -> list[frozenset[str]]:
    """The nodes of each attempt that runs, or ended after ``since``: W&B notices late that its agent is gone."""
    held = [job for job in attempts if job.state in CARRIES or (job.over_at is not None and job.over_at > since)]
    return [_nodes([job.nodes]) for job in held]


def _nodes(lists: Iterable[str]) -> frozenset[str]:
    return frozenset(short(node) for nodes in lists for node in nodes_in(nodes))


def _agents(pks: list[int], live: Mapping[int, Mapping[str, Runs]]) -> dict[int, list[Agent]]:
    """The agents that W&B calls running; one whose run began before its last heartbeat lived then already."""
    found: dict[int, list[Agent]] = defaultdict(list)
    rows = SweepAgent.objects.filter(sweep__in=pks, state="RUNNING").order_by("name")
    for sweep, name, host, beat in rows.values_list("sweep", "name", "host", "heartbeat_at"):
        began = live.get(int(sweep), {}).get(host, (0, None))[1]
        lived = min((moment for moment in (began, beat) if moment is not None), default=None)
        found[int(sweep)].append(Agent(name or host, host, beat, lived))
    return dict(found)


def _live_runs(pks: list[int]) -> dict[int, dict[str, Runs]]:
    """How many live runs each sweep has on each host, and when the first of them began."""
    rows = Run.objects.live().filter(sweep__in=pks).values("sweep", "host")
    found: dict[int, dict[str, Runs]] = defaultdict(dict)
    for row in rows.annotate(count=Count("pk"), began=Min("created_at")):
        found[int(row["sweep"] or 0)][row["host"]] = (int(row["count"]), row["began"])
    return found


def _checkpoints(pks: list[int]) -> dict[int, _Saved]:
    own = Checkpoint.objects.filter(run__sweep__in=pks).values("run__sweep")
    rows = list(own.annotate(size=Max("bytes"), one=Max("pk")))
    paths = dict(Checkpoint.objects.filter(pk__in=[row["one"] for row in rows]).values_list("pk", "path"))
    return {
        int(row["run__sweep"]): _Saved(row["size"], Path(paths[row["one"]]).parent)
        for row in rows
        if row["one"] in paths
    }
