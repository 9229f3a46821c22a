"""Sweeps as a whole: their agents, their nodes, their disk. Pure."""

from collections import Counter

from apps.core.units import count
from apps.flags.domain import Finding, Severity, SweepFacts
from apps.flags.rules.registry import sweep_rule


@sweep_rule("zombie-agent", Severity.WARNING, needs=("wandb", "slurm"))
def zombie_agent(facts: SweepFacts) -> Finding | None:
    """W&B says that agents run, and their hearts are silent or no job carries them.

    Practice: 'Cross-reference W&B with Slurm', detect zombie agents (W&B running, no Slurm job).
    An agent beats every few seconds; silent ones are named after policy.stale_heartbeat_minutes.
    """
    if not facts.agents_silent:
        return None
    named = ", ".join(facts.agents_silent[:3])
    return Finding(
        f"{count(len(facts.agents_silent), 'agent')} of {facts.agents_running} that W&B calls running "
        f"{'is' if len(facts.agents_silent) == 1 else 'are'} silent ({named}); "
        f"{count(facts.jobs_alive, 'job')} of the sweep {'is' if facts.jobs_alive == 1 else 'are'} alive.",
        "relaunch agents into the same sweep",
    )


@sweep_rule("under-capacity", Severity.WARNING, needs=("wandb", "slurm"))
def under_capacity(facts: SweepFacts) -> Finding | None:
    """A running sweep has fewer agents than it should.

    Practice: 'Cross-reference W&B with Slurm' and the Agent Health table: active against expected.
    Expected is policy.expected_agents, or else what was submitted and did not leave for good.
    """
    expected = facts.policy.expected_agents or facts.jobs_expected
    if facts.state != "RUNNING" or facts.jobs_alive >= expected:
        return None
    return Finding(
        f"{facts.jobs_alive} of {count(expected, 'agent')} work for this sweep.",
        "relaunch agents into the same sweep",
    )


@sweep_rule("repeated-failure", Severity.CRITICAL, needs=("slurm",))
def repeated_failure(facts: SweepFacts) -> Finding | None:
    """One node burns runs.

    Practice: 'Fast completion = red flag': runs that end quickly one after another have one cause.
    Threshold: policy.repeated_failures failures on one node within a day.
    """
    by_node = Counter(node for node, _ in facts.failures if node)
    if not by_node:
        return None
    node, failures = by_node.most_common(1)[0]
    if failures < facts.policy.repeated_failures:
        return None
    classes = Counter(crash for at, crash in facts.failures if at == node)
    said = ", ".join(f"{crash} ×{times}" for crash, times in classes.most_common(3))
    return Finding(
        f"{failures} runs died on node {node} within a day: {said}.", f"exclude node {node}, and tell its admins"
    )


@sweep_rule("disk-filling", Severity.CRITICAL, needs=())
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
