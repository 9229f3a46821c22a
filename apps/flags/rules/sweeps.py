"""Sweeps as a whole: their agents, their nodes, their disk. Pure."""

from collections import Counter
from collections.abc import Iterable, Sequence
from datetime import timedelta

from apps.core.units import age_mark, count, duration
from apps.flags.domain import Burnt, Finding, Severity, SweepFacts
from apps.flags.rules.registry import sweep_rule
from apps.sweeps.ports import LIVE_SWEEP_STATES

NO_NODES_FAULT = frozenset({"config-error", "missing-dependency"})


@sweep_rule(
    "zombie-agent",
    Severity.WARNING,
    needs=("wandb", "slurm"),
    example="1 agent of 3 that W&B calls running is silent (g01-1); 2 jobs of the sweep are alive.",
)
def zombie_agent(facts: SweepFacts) -> Finding | None:
    """W&B says that agents run, and their hearts are silent or no job carries them.

    Practice: 'Cross-reference W&B with Slurm', detect zombie agents (W&B running, no Slurm job).
    Threshold: policy.stale_heartbeat_minutes without a beat, or policy.dead_job_grace_minutes without a job.
    An agent beats every few seconds. One that beats is named where its host is no node of a live job of the sweep, or
    of one that may be; so is one that never beat.
    """
    silent, jobless = facts.agents_silent, facts.agents_jobless
    if not silent and not jobless:
        return None
    told = []
    if silent:
        told.append(f"{'is' if len(silent) == 1 else 'are'} silent ({', '.join(silent[:3])})")
    if jobless:
        told.append(f"{'is' if len(jobless) == 1 else 'are'} carried by no live job ({', '.join(jobless[:3])})")
    first = silent or jobless
    also = f", and {len(jobless)} {told[1]}" if len(told) > 1 else ""
    return Finding(
        f"{count(len(first), 'agent')} of {facts.agents_running} that W&B calls running {told[0]}{also}; "
        f"{count(facts.jobs_alive, 'job')} of the sweep {'is' if facts.jobs_alive == 1 else 'are'} alive.",
        "relaunch agents into the same sweep"
        if silent
        else "find where they run, and end them; relaunch them by Slurm",
    )


@sweep_rule("under-capacity", Severity.WARNING, needs=("wandb", "slurm"), example="2 of 4 agents work for this sweep.")
def under_capacity(facts: SweepFacts) -> Finding | None:
    """A running sweep has fewer agents than it should.

    Practice: 'Cross-reference W&B with Slurm' and the Agent Health table: active against expected.
    Threshold: policy.expected_agents, or else what was submitted and did not leave for good.
    """
    expected = facts.policy.expected_agents or facts.jobs_expected
    if facts.state != "RUNNING" or facts.jobs_alive >= expected:
        return None
    return Finding(
        f"{facts.jobs_alive} of {count(expected, 'agent')} work for this sweep.",
        "relaunch agents into the same sweep",
    )


# Why a job waits that was told to: its own array's limit, another job, or an hour.
AS_TOLD = ("JobArrayTaskLimit", "Dependency", "BeginTime")


@sweep_rule(
    "agent-pending-too-long",
    Severity.NOTE,
    needs=("slurm",),
    example="Agent job 77 is pending; it was submitted 3 d 0 h ago. Slurm's reason: QOSMaxGRESPerUser.",
)
def agent_pending_too_long(facts: SweepFacts) -> Finding | None:
    """A job that is to be an agent of the sweep waits in the queue for long.

    Practice: 'Cross-reference W&B with Slurm' and the Agent Health table: a job that cannot begin, such as by a limit
    of its user, is no agent. Threshold: policy.pending_minutes since it was submitted.
    A job that waits as it was told to, and one that comes back with a run (`job-pending-too-long`), is left out.
    """
    limit = timedelta(minutes=facts.policy.pending_minutes)
    long = [
        (job.submit_at, job)
        for job in facts.agents_pending
        if job.submit_at is not None and facts.now - job.submit_at > limit and job.reason not in AS_TOLD
    ]
    if facts.state not in LIVE_SWEEP_STATES or not long:
        return None
    since, job = min(long, key=lambda one: (one[0], one[1].job_id))
    why = f" Slurm's reason: {job.reason}." if job.reason else ""
    others = len(long) - 1
    more = (
        f" {others} more {'waits' if others == 1 else 'wait'} longer than the limit of {duration(limit)}."
        if others
        else ""
    )
    return Finding(
        f"Agent job {job.job_id} is pending; it was submitted {age_mark(since)}.{why}{more}", "wait, or ask for less"
    )


@sweep_rule(
    "repeated-failure",
    Severity.CRITICAL,
    needs=("slurm",),
    example="6 runs died one after another on agent job 4711 (node g07) within a day: cuda-oom ×6.",
)
def repeated_failure(facts: SweepFacts) -> Finding | None:
    """One node, or one agent, burns runs.

    Practice: 'Fast completion = red flag': runs that end quickly one after another have one cause.
    Threshold: policy.repeated_failures failures on one node, or one after another on one agent, within a day.
    A config error or a missing package counts for an agent, but is no node's fault.
    """
    nodes = Counter(node for node, _ in facts.failures if node)
    agents = Counter(one.agent for one in facts.burnt if one.agent)
    node, on_node = _most(nodes)
    agent, on_agent = _most(agents)
    limit = facts.policy.repeated_failures
    if on_agent >= limit and on_agent >= on_node:
        return _burning_agent(agent, [one for one in facts.burnt if one.agent == agent])
    if on_node < limit:
        return None
    said = _classes(crash for at, crash in facts.failures if at == node)
    return Finding(
        f"{on_node} runs died on node {node} within a day: {said}.", f"exclude node {node}, and tell its admins"
    )


def _most(counted: Counter[str]) -> tuple[str, int]:
    return counted.most_common(1)[0] if counted else ("", 0)


def _classes(crashes: Iterable[str]) -> str:
    return ", ".join(f"{crash} ×{times}" for crash, times in Counter(crashes).most_common(3))


def _burning_agent(agent: str, died: Sequence[Burnt]) -> Finding:
    nodes = sorted({one.node for one in died if one.node})
    where = f" (node {nodes[0]})" if len(nodes) == 1 else f" (nodes {', '.join(nodes[:3])})" if nodes else ""
    innocent = all(one.crash_class in NO_NODES_FAULT for one in died)
    said = _classes(one.crash_class for one in died) + ("; that is no node's fault" if innocent else "")
    return Finding(
        f"{len(died)} runs died one after another on agent {agent}{where} within a day: {said}.",
        f"mend what the logs of {agent} name"
        if innocent
        else f"read the logs of {agent}, and stop it until it is mended",
    )


@sweep_rule(
    "disk-filling",
    Severity.CRITICAL,
    needs=(),
    example="5 GiB are free, and 2 live runs with checkpoints of 2 GiB want 12 GiB.",
)
def disk_filling(facts: SweepFacts) -> Finding | None:
    """The disk has no room for the next checkpoints.

    Practice: 'Checkpoint verification before a resume': a checkpoint on a full disk is half of one.
    Threshold: room for policy.spare_checkpoints of the largest checkpoint, for each live run.
    """
    if facts.free_bytes is None or not facts.checkpoint_bytes or not facts.live_runs:
        return None
    needed = facts.checkpoint_bytes * facts.policy.spare_checkpoints * facts.live_runs
    if facts.free_bytes >= needed:
        return None
    return Finding(
        f"{_gib(facts.free_bytes)} are free, and {count(facts.live_runs, 'live run')} with checkpoints of "
        f"{_gib(facts.checkpoint_bytes)} want {_gib(needed)}.",
        "remove old checkpoints, or move outputs",
    )


def _gib(size: int) -> str:
    """To two figures: the sentence is kept, and would be another one at every look."""
    return f"{float(f'{size / 2**30:.2g}'):g} GiB"
