"""What the page shows of a gate: its lines, the changes, what would be submitted, and why the button is shut."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from apps.core.errors import SweepboardError
from apps.resume.changes import Offer
from apps.resume.domain import GateLine, check_can_resume
from apps.resume.gate import crash_class_line
from apps.resume.models import GateCheck
from apps.resume.selectors import lines_with, offers_for, planned_for, preview_of
from apps.resume.services import FRESH
from apps.sweeps.models import Run

TOO_OLD = "It was looked at too long ago: look again."


@dataclass(frozen=True, slots=True)
class ShownOffer:
    """A change with what was typed into it."""

    offer: Offer
    chosen: bool
    value: str


@dataclass(frozen=True, slots=True)
class Shown:
    """``refusal`` says why the button cannot be pressed; ``old`` that the look is too old to press on.

    ``overridable`` are the lines of which one may be let through: none where two are shut.
    """

    check: GateCheck | None
    looking: bool
    lines: list[GateLine] = field(default_factory=list)
    offers: list[ShownOffer] = field(default_factory=list)
    preview: dict[str, Any] = field(default_factory=dict)
    preview_refusal: str = ""
    refusal: str = ""
    old: bool = False
    overridable: list[GateLine] = field(default_factory=list)

    @property
    def shut(self) -> int:
        return sum(not line.passes for line in self.lines)


def shown_gate(run: Run, check: GateCheck | None, choices: Mapping[str, str], now: datetime) -> Shown:
    """Return what is to be shown of the last look at a run's gate, with the chosen changes applied."""
    told = [ShownOffer(one, one.id in choices, choices.get(one.id, "") or one.value) for one in offers_for(run)]
    if check is None or check.state == "queued":
        return Shown(check, check is not None, offers=told, refusal="The gate was not looked at yet.")
    if not check.lines:
        return Shown(check, False, offers=told, refusal=check.said or "The gate could not be looked at.")
    lines, refusal = check.gate, ""
    try:
        lines = lines_with(run, check, choices)
    except SweepboardError as error:
        refusal = str(error)
    refusal = refusal or _shut_by(lines)
    preview, preview_refusal = _preview(run, check, choices)
    old = _is_old(check, now)
    shut = [line for line in lines if not line.passes]
    return Shown(
        check,
        False,
        lines=lines,
        offers=told,
        preview=preview,
        preview_refusal=preview_refusal,
        refusal=refusal or (TOO_OLD if old else preview_refusal),
        old=old,
        overridable=[line for line in shut if line.overridable] if len(shut) == 1 and preview and not old else [],
    )


def shown_lines(run: Run, check: GateCheck | None, now: datetime) -> Shown:
    """Return what a list shows of the last look at a run's gate; nothing is asked of the database.

    The run comes with its status. What would be submitted is left to the run's own page, and to the press.
    """
    if check is None or not check.lines:
        return Shown(check, check is not None and check.state == "queued", refusal=check.said if check else "")
    anew = crash_class_line(run.status.crash_class, run.status.resumable, "")
    lines = [anew if line.id == anew.id else line for line in check.gate]
    return Shown(check, False, lines, refusal=_shut_by(lines) or (TOO_OLD if _is_old(check, now) else ""))


def _shut_by(lines: list[GateLine]) -> str:
    """Return in a sentence why these lines shut the gate; '' where they do not."""
    try:
        check_can_resume(lines)
    except SweepboardError as error:
        return str(error)
    return ""


def _is_old(check: GateCheck, now: datetime) -> bool:
    return check.checked_at is not None and now - check.checked_at > FRESH


def _preview(run: Run, check: GateCheck, choices: Mapping[str, str]) -> tuple[dict[str, Any], str]:
    try:
        return preview_of(planned_for(run, check, choices)), ""
    except SweepboardError as error:
        return {}, str(error)
