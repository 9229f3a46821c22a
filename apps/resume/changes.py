"""What may be changed before a run is resumed, as its crash class offers it. Pure.

Practice: 'Favor resumes over restarts': a cause that would come back is mended first. A step of the OOM ladder is a
change like these: it adds to the arguments or the environment, says what it does, and counts.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from apps.core.errors import Permanent

NEEDS_BY_HAND = ("cuda-oom", "host-oom", "data-error", "diverged")
MOST_WORDS = 300
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


@dataclass(frozen=True, slots=True)
class Applied:
    """What the chosen changes add to a submission. ``said`` is a sentence a change, ``counts`` those that mend."""

    options: Mapping[str, str] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    args: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    counts: tuple[str, ...] = ()

    @property
    def alters_the_job(self) -> bool:
        """Whether a requeue, which changes nothing, would leave it out."""
        return bool(self.options or self.environment or self.args)


def offers(crash_class: str, job: JobShape) -> tuple[Offer, ...]:
    """Return what can be chosen for a crash class."""
    found: list[Offer] = []
    if crash_class == "node-failure":
        found.append(Offer("exclude-node", "Keep off the node that failed", job.nodes, "as sbatch --exclude reads it"))
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


def applied(choices: Mapping[str, str], crash_class: str) -> Applied:
    """Return what ``choices`` (offer id: value) add; ``BadChoice`` for one that is not offered or cannot be read."""
    allowed = {offer.id for offer in offers(crash_class, JobShape())}
    options: dict[str, str] = {}
    environment: dict[str, str] = {}
    said, counts = [], []
    for name, raw in sorted(choices.items()):
        value = raw.strip()
        if name not in allowed:
            raise BadChoice(f"'{name}' is no change that is offered here.")
        if name == "exclude-node":
            options["exclude"] = _matching(_NODES, value, "a list of nodes such as g07 or g[03-05]")
            said.append(f"not on {value}")
        elif name == "longer-limit":
            options["time"] = _matching(_TIME, value, "a time limit such as 2-00:00:00")
            said.append(f"time limit {value}")
        elif name == "more-memory":
            options["mem"] = _matching(_MEMORY, value, "an amount of memory such as 64G")
            said.append(f"memory {value}")
            counts.append(said[-1])
        elif name == "nccl-patience":
            environment |= {"NCCL_TIMEOUT": "1800", "NCCL_DEBUG": "INFO"}
            said.append("NCCL_TIMEOUT=1800, NCCL_DEBUG=INFO")
        else:
            if not value:
                raise BadChoice("Say what was changed by hand.")
            said.append(f"by hand: {' '.join(value.split())[:MOST_WORDS]}")
            counts.append(said[-1])
    return Applied(options, environment, (), tuple(said), tuple(counts))


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
