"""What a channel tells: which causes, and which of their changes. Pure.

A cause is told, not a run: the forty runs of one dead node are one cause, whatever their severities. Each function
looks at one channel; ``next_step`` compares what the channel knows of a cause with what is open now.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from apps.flags.causes import SEVERITIES, Cause, Narrowed, OpenFlag, causes_of

_ORDER = {severity: place for place, severity in enumerate(SEVERITIES)}


class Change(StrEnum):
    """What can happen to a cause that is worth a message."""

    OPENED = "opened"
    WORSE = "worse"
    RESOLVED = "resolved"


class Step(StrEnum):
    """What a channel notes of a cause at one look.

    ``OPEN``, ``WORSE`` and ``RESOLVE`` make a change that will be told. ``RAISE`` notes a higher severity of a cause
    that waits to be told anyway. ``END`` closes a cause without a word; ``REOPEN`` takes back an end that was not
    told yet.
    """

    OPEN = "open"
    RAISE = "raise"
    WORSE = "worse"
    RESOLVE = "resolve"
    END = "end"
    REOPEN = "reopen"


@dataclass(frozen=True, slots=True)
class Scope:
    """Which causes a channel hears of: those of one workspace (empty = all) from ``least`` severity on."""

    workspace: str = ""
    least: str = "warning"
    tell_resolved: bool = True


@dataclass(frozen=True, slots=True)
class OpenCause:
    """A cause that is open now, of all severities together; ``calls``: some flag of it calls for an alert."""

    key: str
    cause: Cause
    calls: bool

    @property
    def severity(self) -> str:
        return self.cause.severity


@dataclass(frozen=True, slots=True)
class KnownCause:
    """What a channel knows of a cause.

    ``severity`` is the worst that was noted. ``told``: a message about it went out, or is going out. ``waiting``: a
    change of it waits for a message. ``ending``: it is over, and that was not told yet.
    """

    key: str
    severity: str
    told: bool = False
    waiting: bool = False
    ending: bool = False


def calls_for_alert(flag: OpenFlag, now: datetime) -> bool:
    """Tell whether a flag may wake somebody at ``now``: nobody took note of it or put it off, and it still holds."""
    return flag.quiet_since is None and flag.standing(now) == "waiting"


def is_worse(severity: str, than: str) -> bool:
    return _ORDER.get(severity, len(_ORDER)) < _ORDER.get(than, len(_ORDER))


def key_of(cause: Cause) -> str:
    """Name a cause across looks: the rule, the crash class and the node or sweep, whatever the severity."""
    place = f"node {cause.node}" if cause.node else f"sweep {cause.flags[0].sweep_pk or 'none'}"
    return "|".join((cause.rule, cause.crash_class, place))[:500]


def open_causes(flags: Iterable[OpenFlag], scope: Scope, now: datetime) -> dict[str, OpenCause]:
    """Return the causes of a channel that are open now by key, the worst first, also those below its severity."""
    mine = [flag for flag in flags if scope.workspace in ("", flag.workspace)]
    grouped: dict[str, list[Cause]] = {}
    for cause in causes_of(mine):
        grouped.setdefault(key_of(cause), []).append(cause)
    return {key: _together(key, causes, now) for key, causes in grouped.items()}


def _together(key: str, causes: list[Cause], now: datetime) -> OpenCause:
    """Make one cause of those that differ in severity only; they come the worst first."""
    flags = tuple(flag for cause in causes for flag in cause.flags)
    return OpenCause(key, replace(causes[0], flags=flags), any(calls_for_alert(flag, now) for flag in flags))


def narrowed(cause: Cause, scope: Scope) -> Narrowed:
    """Return the view of the inbox that shows what a message about ``cause`` tells."""
    return replace(cause.narrowed, workspace=scope.workspace)


def next_step(known: KnownCause | None, found: OpenCause | None, scope: Scope) -> Step | None:
    """Return what the channel has to note; None where nothing changed."""
    if known is None:
        return Step.OPEN if found and found.calls and not is_worse(scope.least, found.severity) else None
    if known.ending:
        return Step.REOPEN if found else None
    if found is None:
        return Step.RESOLVE if known.told and scope.tell_resolved else Step.END
    if not is_worse(found.severity, known.severity):
        return None
    if known.waiting:
        return Step.RAISE
    return Step.WORSE if found.calls else None


def steps(
    known: Mapping[str, KnownCause], found: Mapping[str, OpenCause], scope: Scope, *, complete: bool = True
) -> list[tuple[str, Step]]:
    """Return every step of one look in a fixed order: what is open first, then what is over.

    Where the list of open flags was cut off (not ``complete``), a cause that is not in it may still be open: none ends.
    """
    gone = [key for key in known if key not in found] if complete else []
    pairs = ((key, next_step(known.get(key), found.get(key), scope)) for key in (*found, *gone))
    return [(key, step) for key, step in pairs if step is not None]
