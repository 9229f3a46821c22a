"""Figures as people read them, and the digest of Monday morning. Pure."""

from collections.abc import Iterable

from apps.core.units import count, duration
from apps.review.domain.numbers import Figure
from apps.review.domain.review import Review, Shown
from apps.review.domain.work import LEAST

UNKNOWN = "unknown"
_DIGEST = (
    ("sweeps-started", "sweeps-finished", "sweeps-active"),
    ("hours-total", "hours-useful", "hours-lost"),
    ("flags-raised", "flags-cleared", "flags-open"),
    ("preemptions", "resumes", "hours-saved"),
    ("results",),
    ("handovers-written", "handovers-never"),
    ("plans-open", "questions-open"),
)
_TOLD = tuple(id for group in _DIGEST for id in group)
FEW = 5


def amount(figure: Figure | None, unit: str) -> str:
    """``1 204``, ``318.5 h``, ``3 h 05 min``; ``unknown`` where nothing is known."""
    if figure is None or figure.value is None:
        return UNKNOWN
    if unit == "seconds":
        return duration(figure.value)
    if unit == "hours":
        if 0 < figure.value < LEAST:
            return "< 0.1 h"
        whole = round(figure.value, 1)
        return f"{whole:,.1f} h".replace(",", "\u202f") if abs(whole) < 100 else f"{count(round(whole))} h"
    return count(round(figure.value))


def told(one: Shown) -> str:
    """``12 (last week 9)``, with what is late, and why it is unknown where it is."""
    text = f"{amount(one.figure, one.measure.unit)} (last week {amount(one.before, one.measure.unit)})"
    if one.late is not None:
        text += f", late: now {amount(one.late.now, one.measure.unit)}"
    return f"{text} – {one.figure.why}" if one.figure.why and one.figure.value is None else text


def limits(some: Iterable[Shown]) -> list[str]:
    """Return what is known in part only of these figures, each said once."""
    return list(dict.fromkeys(one.figure.why for one in some if one.figure.why and one.figure.value is not None))


def standing(one: Review) -> str:
    """Say of when the numbers are."""
    if one.frozen_at is not None:
        kept = f"As it was known on {one.frozen_at:%Y-%m-%d %H:%M} UTC"
        changed = f"; {count(one.late_count, 'figure')} changed since" if one.late_count else ""
        return f"{kept}{changed}."
    if one.numbers.since >= one.numbers.made_at:
        return "This week has not begun: nothing is known of it yet."
    if one.numbers.running:
        return f"This week still runs: told until {one.numbers.until:%Y-%m-%d %H:%M} UTC."
    if one.unreadable:
        return "What was kept of this week cannot be read: it is counted from what is known now."
    return "Nobody froze this week: it is counted from what is known now."


def digest_of(one: Review, link: str) -> tuple[str, str]:
    """Return subject and body of the message about a week: plain text, short, each line a group of figures."""
    where = f" of {one.workspace}" if one.workspace else ""
    lines = [f"Week {one.week}, {one.week.days} ({one.week.zone}). {standing(one)}", ""]
    lines += [f"Known in part: {limit}." for limit in limits(map(one.shown, _TOLD))]
    for group in _DIGEST:
        lines.append("; ".join(f"{shown.measure.title}: {told(shown)}" for shown in map(one.shown, group)))
    causes = one.numbers.tables.get("causes")
    if causes and causes.rows:
        lines += ["", "Went wrong, worst first:"]
        lines += [f"- {row.name}: {row.cells[0]} ({row.cells[1]})" for row in causes.rows[:FEW]]
    active = one.numbers.tables.get("sweeps")
    if active and active.rows:
        lines += ["", "Sweeps:"]
        lines += [f"- {row.name} ({row.cells[0]}): {row.url or 'no W&B link'}" for row in active.rows[:FEW]]
    if one.open_items:
        lines += ["", f"Open action items: {len(one.open_items)}"]
        lines += [f"- {item.who}: {item.what}{_due(item.due, item.overdue)}" for item in one.open_items[:FEW]]
    return f"Sweepboard: the week {one.week}{where}", "\n".join([*lines, "", link])


def _due(due: object, overdue: bool) -> str:
    return f" (by {due}{', overdue' if overdue else ''})" if due else ""
