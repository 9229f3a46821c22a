"""What may be changed before a run is resumed, as its crash class offers it. Pure.

Practice: 'Favor resumes over restarts': a cause that would come back is mended first; 'OOM Prevention & Recovery': the
steps of the ladder, in their order. The config's keys that a step changes are told to the script as its recipe says.
"""

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from apps.core.errors import Permanent
from apps.memory.ladder import Change, Rung, Step

NEEDS_BY_HAND = ("cuda-oom", "host-oom", "data-error", "diverged")
DROP = "drop-earlier"
MOST_WORDS = 300
RUNG = "oom-"  # before the name of a step of the OOM ladder
RUNG_TITLES = {
    Rung.BATCH: "Halve the batch",
    Rung.CHECKPOINTING: "Checkpoint gradients",
    Rung.PRECISION: "Mixed precision",
    Rung.ACCUMULATION: "Accumulate more",
    Rung.LENGTH: "Shorter input",
}
_KEY = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./-]{0,199}")
_TIME = re.compile(r"(\d{1,3}-)?\d{1,4}(:[0-5]\d){0,2}")
_MEMORY = re.compile(r"[1-9]\d{0,8}[KMGT]?")
_NODES = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.,\[\]-]{0,500}")


class BadChoice(Permanent):
    """What was chosen cannot be; the sentence says why."""


@dataclass(frozen=True, slots=True)
class JobShape:
    """What the run's last job had: its nodes as Slurm writes them, its limit, and the most memory that it held."""

    nodes: str = ""
    limit_seconds: int | None = None
    max_rss_bytes: int | None = None


@dataclass(frozen=True, slots=True)
class Offer:
    """One change that can be chosen. ``value`` is proposed and may be typed over; empty where there is none."""

    id: str
    title: str
    value: str = ""
    hint: str = ""
    wants_value: bool = True
    changes: tuple[Change, ...] = ()

    @property
    def recorded(self) -> str:
        """What is kept of the choice, beside its id: the config's keys and their new values as JSON."""
        return json.dumps({one.key: one.new for one in self.changes}) if self.changes else ""


@dataclass(frozen=True, slots=True)
class Applied:
    """What the chosen changes add to a submission. ``said`` is a sentence a change, ``counts`` those that mend."""

    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    config: Mapping[str, Any] = field(default_factory=dict)  # keys of the run's config, with their new values
    said: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()

    def and_then(self, other: "Applied") -> "Applied":
        """Return both together; a node that either keeps off is kept off."""
        off = ",".join(dict.fromkeys(one.options["exclude"] for one in (self, other) if "exclude" in one.options))
        return Applied(
            {**self.options, **other.options, **({"exclude": off} if off else {})},
            {**self.environment, **other.environment},
            {**self.config, **other.config},
            self.said + other.said,
            self.counts + other.counts,
        )

    @property
    def alters_the_job(self) -> bool:
        """Whether a requeue, which changes nothing, would leave it out."""
        return bool(self.options or self.environment or self.config)


def offers(
    crash_class: str, job: JobShape, steps: Sequence[Step] = (), earlier: Sequence[str] = ()
) -> tuple[Offer, ...]:
    """Return what can be chosen for a crash class; ``steps`` is the OOM ladder of the run, in its order.

    ``earlier`` are the changes of earlier resumes in words, which go along unless they are left out.
    """
    found: list[Offer] = []
    if earlier:
        title = f"Without what earlier resumes changed ({'; '.join(earlier)})"
        found.append(Offer(DROP, title, wants_value=False))
    if crash_class == "cuda-oom":
        found += [_rung(step) for step in steps if step.is_open and step.changes]
    if crash_class in ("node-failure", "nccl-timeout"):
        title = "Keep off the nodes that it failed on"
        found.append(Offer("exclude-node", title, job.nodes, "as sbatch --exclude reads it"))
    if crash_class == "time-limit":
        found.append(
            Offer("longer-limit", "A longer time limit", _twice(job.limit_seconds), "days-hours:minutes:seconds")
        )
    if crash_class == "host-oom":
        found.append(Offer("more-memory", "More memory", _half_more(job.max_rss_bytes), "megabytes, or 64G"))
    if crash_class == "nccl-timeout":
        title = "Wait longer for slow ranks, and log why: NCCL_TIMEOUT=1800, NCCL_DEBUG=INFO"
        found.append(Offer("nccl-patience", title, wants_value=False))
    if crash_class in NEEDS_BY_HAND:
        found.append(Offer("by-hand", "Mended by hand", hint="what was changed, in words"))
    return tuple(found)


def _rung(step: Step) -> Offer:
    told = "; ".join(str(change) for change in step.changes)
    why = ". ".join(part[:1].upper() + part[1:] for part in (step.why, step.trade_off) if part)
    return Offer(f"{RUNG}{step.rung.value}", f"{RUNG_TITLES[step.rung]}: {told}", "", f"{why}.", False, step.changes)


def applied(choices: Mapping[str, str], crash_class: str) -> Applied:
    """Return what ``choices`` (offer id: value) add; ``BadChoice`` for one that is not offered or cannot be read."""
    allowed = {DROP, *(offer.id for offer in offers(crash_class, JobShape()))}
    if crash_class == "cuda-oom":
        allowed |= {f"{RUNG}{rung.value}" for rung in Rung}
    total = Applied()
    for name, raw in sorted(choices.items()):
        if name not in allowed:
            raise BadChoice(f"'{name}' is no change that is offered here.")
        one = change_of(name, raw)
        if twice := total.config.keys() & one.config.keys():
            raise BadChoice(f"Two of the chosen steps change {min(twice)}: choose one of them.")
        total = total.and_then(one)
    return total


def change_of(name: str, raw: str) -> Applied:
    """Return what one choice adds. What mends the cause counts; what only makes it less likely does not."""
    value = raw.strip()
    if name == DROP:
        return Applied(said=("without what earlier resumes changed",))
    if name.startswith(RUNG):
        told = _config_in(value)
        said = ", ".join(f"{key} = {as_text(new)}" for key, new in told.items())
        return Applied(config=told, said=(said,), counts=(said,))
    if name == "exclude-node":
        return Applied({"exclude": _matching(_NODES, value, "a list of nodes such as g07 or g[03-05]")},
                       said=(f"not on {value}",))  # fmt: skip
    if name == "longer-limit":
        limit = _matching(_TIME, value, "a time limit such as 2-00:00:00")
        return Applied({"time": limit}, said=(f"time limit {value}",))
    if name == "more-memory":
        memory = _matching(_MEMORY, value, "an amount of memory such as 64G")
        return Applied({"mem": memory}, said=(f"memory {value}",), counts=(f"memory {value}",))
    if name == "nccl-patience":
        return Applied(environment={"NCCL_TIMEOUT": "1800", "NCCL_DEBUG": "INFO"},
                       said=("NCCL_TIMEOUT=1800, NCCL_DEBUG=INFO",))  # fmt: skip
    if not value:
        raise BadChoice("Say what was changed by hand.")
    by_hand = f"by hand: {' '.join(value.split())[:MOST_WORDS]}"
    return Applied(said=(by_hand,), counts=(by_hand,))


def in_words(changes: Applied) -> list[str]:
    """Return each thing that a submission gets by the changes, as people read it."""
    told = [f"{key} = {as_text(new)}" for key, new in changes.config.items()]
    told += [f"--{name}={value}" for name, value in changes.options.items()]
    return told + [f"{name}={value}" for name, value in changes.environment.items()]


def _config_in(value: str) -> dict[str, Any]:
    try:
        told = json.loads(value)
    except ValueError:
        told = None
    if not isinstance(told, dict) or not told or not all(_KEY.fullmatch(key) for key in told):
        raise BadChoice("That step cannot be taken with this config: mend it by hand.")
    return told


def as_text(value: Any) -> str:
    """Return a value of a config as an argument spells it."""
    return str(value).lower() if isinstance(value, bool) else f"{value:.8g}" if isinstance(value, float) else str(value)


def _matching(pattern: re.Pattern[str], value: str, wanted: str) -> str:
    if not pattern.fullmatch(value):
        raise BadChoice(f"'{value[:80]}' is not {wanted}.")
    return value


def _twice(seconds: int | None) -> str:
    if not seconds:
        return ""
    days, rest = divmod(2 * seconds, 86_400)
    clock = f"{rest // 3600:02d}:{rest % 3600 // 60:02d}:{rest % 60:02d}"
    return f"{days}-{clock}" if days else clock


def _half_more(used: int | None) -> str:
    return f"{math.ceil(used * 1.5 / (1 << 20))}M" if used else ""
