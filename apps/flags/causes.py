"""Open flags grouped by what caused them, so that forty runs of one dead node read as one line. Pure."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from datetime import datetime
from urllib.parse import urlencode

SEVERITIES = ("critical", "warning", "note")
SHOWN = ("waiting", "acknowledged", "snoozed", "cleared")
NODES_FAULT = frozenset({"node-failure", "nccl-timeout"})  # crash classes that a node causes rather than a sweep


@dataclass(frozen=True, slots=True)
class OpenFlag:
    """An open flag with what the inbox says of its run and sweep; ``run_id`` is empty for a flag on a whole sweep.

    ``node`` is the one node of the job that carries the run, empty where it had several or none is known.
    """

    pk: int
    rule: str
    severity: str
    evidence: str
    action: str
    uncertain: bool
    opened_at: datetime
    sweep_pk: int | None = None
    sweep_id: str = ""
    sweep_name: str = ""
    workspace: str = ""
    run_id: str = ""
    run_name: str = ""
    url: str = ""
    crash_class: str = ""
    node: str = ""
    run_pk: int | None = None
    verdict: str = ""
    quiet_since: datetime | None = None
    acknowledged_by: str = ""
    snoozed_until: datetime | None = None
    snoozed_by: str = ""
    assignee: str = ""
    dismissed_by: str = ""
    dismissed_reason: str = ""
    dismissed_at: datetime | None = None

    @property
    def sent(self) -> str:
        """Its severity and its primary key, such as ``warning.3``: what a form sends back."""
        return f"{self.severity}.{self.pk}"

    @property
    def words(self) -> str:
        told = (self.rule, self.sweep_id, self.sweep_name, self.run_id, self.run_name, self.crash_class, self.node)
        return " ".join((*told, self.workspace, self.evidence, self.assignee)).lower()

    def standing(self, now: datetime) -> str:
        """What people made of it: cleared (by hand), snoozed, acknowledged, or waiting for somebody."""
        if self.dismissed_by:
            return "cleared"
        if self.snoozed_until is not None and self.snoozed_until > now:
            return "snoozed"
        return "acknowledged" if self.acknowledged_by else "waiting"


@dataclass(frozen=True, slots=True)
class Cause:
    """What several flags have in common: rule, crash class, and the node or sweep. ``flags`` are the oldest first."""

    rule: str
    severity: str
    crash_class: str
    node: str
    flags: tuple[OpenFlag, ...]

    @property
    def since(self) -> datetime:
        return self.flags[0].opened_at

    @property
    def runs(self) -> int:
        return sum(bool(flag.run_id) for flag in self.flags)

    @property
    def action(self) -> str:
        """The next action where it is the same for every flag, else empty: then each flag tells its own."""
        actions = {flag.action for flag in self.flags}
        return actions.pop() if len(actions) == 1 else ""

    @property
    def uncertain(self) -> bool:
        return all(flag.uncertain for flag in self.flags)

    @property
    def quiet(self) -> bool:
        """The condition is gone of every flag; they are over soon."""
        return all(flag.quiet_since for flag in self.flags)

    @property
    def waits(self) -> bool:
        """Nobody has taken note of some flag of it."""
        return not all(flag.acknowledged_by or flag.dismissed_by for flag in self.flags)

    @property
    def keys(self) -> str:
        """Its severity and the primary keys of its flags, such as ``warning.3.17``: what a form sends back."""
        return ".".join((self.severity, *(str(flag.pk) for flag in self.flags)))

    @property
    def where(self) -> str:
        """Say what the flags share, such as ``node g07`` or ``sweep warm-up``."""
        if self.node:
            return f"node {self.node}"
        first = self.flags[0]
        return f"sweep {first.sweep_name or first.sweep_id}" if first.sweep_pk is not None else "no sweep"

    @property
    def narrowed(self) -> "Narrowed":
        """The view that shows the flags of this cause and no others."""
        by_node = {"node": self.node} if self.node else {"sweep": self.flags[0].sweep_id or "none"}
        return Narrowed(rule=self.rule, crash=self.crash_class or "none", **by_node)


@dataclass(frozen=True, slots=True)
class Narrowed:
    """The view of the inbox that a URL carries: an empty field lets everything through, 'none' what has none.

    ``show`` is what people made of the flags, see ``OpenFlag.standing``; empty shows what is not put off.
    """

    show: str = ""
    assignee: str = ""
    severity: str = ""
    rule: str = ""
    workspace: str = ""
    sweep: str = ""
    crash: str = ""
    node: str = ""
    q: str = ""

    @classmethod
    def from_query(cls, query: Mapping[str, str]) -> "Narrowed":
        return cls(**{one.name: query.get(one.name, "").strip()[:200] for one in fields(cls)})

    def wants(self, flag: OpenFlag, now: datetime) -> bool:
        standing = flag.standing(now)
        exact = ((self.severity, flag.severity), (self.rule, flag.rule), (self.workspace, flag.workspace))
        own = (
            (self.sweep, flag.sweep_id),
            (self.crash, flag.crash_class),
            (self.node, flag.node),
            (self.assignee, flag.assignee),
        )
        return (
            (standing == self.show if self.show else standing != "snoozed")
            and all(wanted in ("", value) for wanted, value in exact)
            and all(wanted in ("", value or "none") for wanted, value in own)
            and all(word in flag.words for word in self.q.lower().split())
        )

    @property
    def is_one_cause(self) -> bool:
        return bool(self.rule and self.crash and (self.node or self.sweep))

    def query(self) -> str:
        return urlencode({one.name: value for one in fields(self) if (value := getattr(self, one.name))})


def causes_of(flags: Iterable[OpenFlag]) -> list[Cause]:
    """Group flags by cause: worst first, then those that wait for somebody, then the most flags, then the oldest.

    Flags on runs that a node killed belong together whatever their sweep; all others by their sweep.
    """
    grouped: dict[tuple[str | int | None, ...], list[OpenFlag]] = {}
    for flag in flags:
        node = flag.node if flag.crash_class in NODES_FAULT else ""
        place = node or flag.sweep_pk
        grouped.setdefault((flag.rule, flag.severity, flag.crash_class, place), []).append(flag)
    return sorted((_cause(members) for members in grouped.values()), key=_urgency())


def _cause(members: list[OpenFlag]) -> Cause:
    members = sorted(members, key=lambda flag: (flag.opened_at, flag.pk))
    first = members[0]
    node = first.node if first.crash_class in NODES_FAULT else ""
    return Cause(first.rule, first.severity, first.crash_class, node, tuple(members))


def _urgency() -> Callable[[Cause], tuple[int, bool, int, datetime, str]]:
    order = {severity: place for place, severity in enumerate(SEVERITIES)}
    return lambda cause: (
        order.get(cause.severity, len(order)),
        not cause.waits,
        -len(cause.flags),
        cause.since,
        cause.rule,
    )
