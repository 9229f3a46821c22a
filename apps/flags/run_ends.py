"""How the runs of many sweeps ended lately, and which node and which agent carried them: two queries."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from apps.flags.domain import Burnt
from apps.flags.models import RunStatus
from apps.links.states import MOVED_ON
from apps.slurm.domain import first_node
from apps.sweeps.models import SweepAgent

LATELY = timedelta(days=1)
NOBODYS_FAULT = frozenset({"preemption", "time-limit"})
NOT_A_NODES_FAULT = NOBODYS_FAULT | {"config-error", "missing-dependency"}
_FIELDS = (
    "run__sweep", "crash_class", "run__state", "slurm_state", "run__heartbeat_at", "run__trained_until", "run__host",
    "job__cluster", "job__job_id", "job__nodes", "job__end_at",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Failures:
    """``by_node`` are (node, crash class) of the runs that died lately; ``burnt`` those of each agent's last streak."""

    by_node: tuple[tuple[str, str], ...] = ()
    burnt: tuple[Burnt, ...] = ()


@dataclass(frozen=True, slots=True)
class _End:
    sweep: int
    at: datetime
    agent: str
    node: str
    crash_class: str
    good: bool
    may_live: bool

    @property
    def is_nodes_fault(self) -> bool:
        return bool(self.crash_class) and self.crash_class not in NOT_A_NODES_FAULT and not self.may_live

    @property
    def is_agents_fault(self) -> bool:
        return bool(self.crash_class) and self.crash_class not in NOBODYS_FAULT


def failures_of(sweep_pks: Sequence[int], now: datetime) -> dict[int, Failures]:
    """Return how the runs of each sweep died lately."""
    ends: dict[int, list[_End]] = defaultdict(list)
    for end in _ends(sweep_pks, now - LATELY):
        ends[end.sweep].append(end)
    return {
        pk: Failures(tuple((one.node, one.crash_class) for one in found if one.is_nodes_fault), _streaks(found))
        for pk, found in ends.items()
    }


def _streaks(ends: Iterable[_End]) -> tuple[Burnt, ...]:
    """What died on each agent after its last run that ended well: a search that fails now and then burns nothing."""
    streaks: dict[str, list[_End]] = defaultdict(list)
    for end in sorted((one for one in ends if one.agent), key=lambda one: one.at):
        if end.good:
            streaks[end.agent].clear()
        elif end.is_agents_fault:
            streaks[end.agent].append(end)
    return tuple(Burnt(one.agent, one.node, one.crash_class) for found in streaks.values() for one in found)


def _ends(sweep_pks: Sequence[int], since: datetime) -> Iterable[_End]:
    lately = Q(job__end_at__gte=since) | Q(run__heartbeat_at__gte=since) | Q(run__trained_until__gte=since)
    told = RunStatus.objects.filter(lately, run__sweep__in=sweep_pks)
    over = told.filter(~Q(crash_class="") | Q(run__state="finished")).order_by("pk")
    agents = _agents_by_host(sweep_pks)
    rows = [dict(zip(_FIELDS, values, strict=True)) for values in over.values_list(*_FIELDS)]
    clusters = {row["job__cluster"] for row in rows if row["job__cluster"]}
    for row in rows:
        at = _ended_at(row)
        # A run that somebody stopped in W&B, and of which nothing else is wrong, did not die of anything.
        stopped = row["run__state"] == "killed" and row["crash_class"] == "unknown"
        if at is not None and at >= since and not stopped:
            yield _End(
                sweep=int(row["run__sweep"]),
                at=at,
                agent=_agent_of(row, agents, tell_cluster=len(clusters) > 1),
                node=first_node(row["job__nodes"] or ""),
                crash_class=row["crash_class"],
                good=not row["crash_class"],
                may_live=_may_live(row),
            )


def _ended_at(row: Mapping[str, Any]) -> datetime | None:
    """The job's end, unless the job lives on or had gone on to another run: then the run's own last sign."""
    last: datetime | None = row["run__trained_until"] or row["run__heartbeat_at"]
    end: datetime | None = None if row["slurm_state"] == MOVED_ON else row["job__end_at"]
    return end or last


def _may_live(row: Mapping[str, Any]) -> bool:
    """W&B calls crashed what it no longer hears of: of many on one node with live jobs the network may be to blame."""
    silent = row["run__state"] == "crashed" and row["crash_class"] == "unknown"
    return silent and row["slurm_state"] in ("RUNNING", "COMPLETING", "SUSPENDED")


def _agent_of(row: Mapping[str, Any], by_host: Mapping[tuple[int, str], str], *, tell_cluster: bool) -> str:
    if row["job__job_id"]:
        return f"job {row['job__job_id']}" + (f" of {row['job__cluster']}" if tell_cluster else "")
    return by_host.get((row["run__sweep"], row["run__host"] or ""), "")


def _agents_by_host(sweep_pks: Sequence[int]) -> dict[tuple[int, str], str]:
    """W&B does not tell which agent pulled a run; where a host has one of the sweep's alone, it was that one."""
    found: dict[tuple[int, str], list[str]] = defaultdict(list)
    rows = SweepAgent.objects.filter(sweep__in=sweep_pks).exclude(host="")
    for sweep, host, name in rows.values_list("sweep", "host", "name"):
        found[int(sweep), host].append(name or host)
    return {key: names[0] for key, names in found.items() if len(names) == 1}
