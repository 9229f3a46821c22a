"""Which agents of a sweep no job carries. Pure.

W&B tells an agent's host and Slurm a job's nodes; nothing names one to the other. So an agent is told only where its
host is no node of any job that could carry it, and a job whose nodes are none of the agents' hosts speaks for all.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

ANYWHERE = frozenset({"", "localhost"})  # what says nothing of where a job is


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent that W&B calls running. ``lived_at`` is the first moment at which it is known to have lived."""

    name: str
    host: str
    beat: datetime | None
    lived_at: datetime | None


def without_job(
    agents: Sequence[Agent], places: Sequence[frozenset[str]], others: Collection[str], read_at: datetime
) -> list[Agent]:
    """Return the agents that no job carries.

    ``places`` are the nodes of each job of the sweep that lives or ended just now, ``others`` those of live jobs
    that may be anybody's. An agent that lived only after Slurm was read (``read_at``) may have a job by now.
    """
    hosts = {short(agent.host) for agent in agents}
    if any(not hosts & nodes - ANYWHERE for nodes in places):
        return []
    taken = {node for nodes in places for node in nodes} | set(others)
    return [
        agent
        for agent in agents
        if (agent.lived_at is None or agent.lived_at <= read_at)
        and (short(agent.host) not in taken if agent.host else not places)
    ]


def short(host: str) -> str:
    """Return a host's name without its domain, as Slurm names nodes."""
    return host.lower().partition(".")[0]
