"""The words of a message. Pure.

What runs and logs say is quoted as plain text: it can neither call people in a chat (@channel, <!here>) nor be
taken for markup, nor hide itself behind control characters.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.alerts.domain import Change
from apps.core.units import count, with_ages
from apps.flags.causes import SEVERITIES, Cause

SIGNS = {"critical": "✖", "warning": "▲", "note": "●"}
SHOWN_RUNS, SHOWN_CAUSES, MOST_CHARACTERS = 3, 20, 300
_INVISIBLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ud800-\udfff]+")
_CALL = re.compile(r"@(?=\S)")
_TAG = re.compile(r"<(?=[!@#/A-Za-z:])")
_MARKUP = re.compile(r"([*_~`|\[\]]){2,}|`|\]\(")


@dataclass(frozen=True, slots=True)
class Told:
    """One change as a message tells it; ``cause`` is None when no flag of it is open any more."""

    change: Change
    severity: str
    rule: str
    crash_class: str
    where: str
    runs: int
    link: str
    was: str = ""
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class Message:
    subject: str
    body: str


def quoted(text: str, now: datetime) -> str:
    """Return foreign text as one line that is only text, at most ``MOST_CHARACTERS`` long."""
    line = _INVISIBLE.sub(" ", with_ages(text, now))
    line = " ".join(line.split())
    line = line if len(line) <= MOST_CHARACTERS else line[: MOST_CHARACTERS - 1] + "…"
    line = _TAG.sub("‹", line)
    line = _MARKUP.sub(lambda found: "'" if found[0] == "`" else "\u200b".join(found[0]), line)
    return _CALL.sub("@\u200b", line)  # nothing seen stands between, and no service takes it for a name


def message(told: Sequence[Told], now: datetime, board: str) -> Message:
    """Put several changes into one message, the worst first; ``board`` is the address of all open flags."""
    ordered = sorted(told, key=_urgency)
    parts = [_paragraph(one, now) for one in ordered[:SHOWN_CAUSES]]
    if (left := len(ordered) - SHOWN_CAUSES) > 0:
        parts.append(f"and {count(left, 'more change')}: {board}")
    return Message(_subject(ordered, now), "\n\n".join(parts))


def greeting(channel: str, actor: str, board: str, now: datetime) -> Message:
    """Say what a test says."""
    said = f"{quoted(actor, now)} sent this test from Sweepboard to the channel '{quoted(channel, now)}'. It works."
    return Message("Sweepboard: a test", f"{said}\n{board}")


def _urgency(one: Told) -> tuple[bool, int, int, str]:
    place = SEVERITIES.index(one.severity) if one.severity in SEVERITIES else len(SEVERITIES)
    return (one.change is Change.RESOLVED, place, -one.runs, one.rule)


def _subject(ordered: Sequence[Told], now: datetime) -> str:
    first = ordered[0]
    if len(ordered) == 1:
        return f"{_head(first)}: {first.rule}, {_place(first, now)}"
    open_ones = [one for one in ordered if one.change is not Change.RESOLVED]
    figures = [(sum(one.severity == severity for one in open_ones), severity) for severity in SEVERITIES]
    said = [f"{number} {severity}" for number, severity in figures if number]
    over = len(ordered) - len(open_ones)
    return f"{_sign(first)} Sweepboard: " + ", ".join([*said, *([f"{over} resolved"] if over else [])])


def _sign(one: Told) -> str:
    return "✓" if one.change is Change.RESOLVED else SIGNS.get(one.severity, "●")


def _head(one: Told) -> str:
    if one.change is Change.RESOLVED:
        return "✓ resolved"
    return f"{_sign(one)} {one.severity}" + (f" (was {one.was})" if one.change is Change.WORSE and one.was else "")


def _place(one: Told, now: datetime) -> str:
    where = quoted(one.where, now)
    if not one.runs:
        return where
    return f"{count(one.runs, 'run')} {'on' if one.where.startswith('node ') else 'of'} {where}"


def _paragraph(one: Told, now: datetime) -> str:
    crash = f" · {one.crash_class}" if one.crash_class else ""
    lines = [f"{_head(one)} · {one.rule}{crash} · {_place(one, now)}"]
    if one.change is Change.RESOLVED:
        lines.append("No flag of this cause is open any more.")
    elif one.cause:
        lines += _evidence(one.cause, now)
    return "\n".join([*lines, one.link])


def _evidence(cause: Cause, now: datetime) -> list[str]:
    lines = []
    for flag in cause.flags[:SHOWN_RUNS]:
        name = quoted(flag.run_name or flag.run_id, now)
        next_action = "" if cause.action else f" Next: {quoted(flag.action, now)}"
        lines.append(f"- {name + ': ' if name else ''}{quoted(flag.evidence, now)}{next_action}")
    if (more := len(cause.flags) - SHOWN_RUNS) > 0:
        lines.append(f"- and {more} more")
    if cause.uncertain:
        lines.append("Unknown now: a source is silent.")
    return lines + ([f"Next: {quoted(cause.action, now)}"] if cause.action else [])
