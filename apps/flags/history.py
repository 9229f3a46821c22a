"""All that happened to the flags of one rule on one subject: when they came and went, and what people did."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from apps.audit.models import AuditEvent
from apps.flags.models import Flag

MOST = 200
SWITCHED_OFF = "flag.switched-off"


@dataclass(frozen=True, slots=True)
class Moment:
    """One thing that happened. ``who`` is empty for what the rules found; ``note`` is what a person wrote."""

    at: datetime
    what: str
    who: str = ""
    note: str = ""


def history_of(flag: Flag) -> list[Moment]:
    """Return the newest ``MOST`` moments of a flag and of its earlier occurrences, newest first; two queries."""
    same = Flag.objects.filter(rule=flag.rule, run=flag.run_id)
    if flag.run_id is None:
        same = same.filter(sweep=flag.sweep_id)
    acts = list(AuditEvent.objects.filter(subject=flag.subject)[:MOST])
    off = {event.detail.get("flag") for event in acts if event.type == SWITCHED_OFF}
    before = same.order_by("-opened_at")[:MOST]
    moments = [moment for one in before for moment in _came_and_went(one, switched_off=one.pk in off)]
    moments += [moment_of(event) for event in acts]
    return sorted(moments, key=lambda moment: moment.at, reverse=True)[:MOST]


def _came_and_went(flag: Flag, *, switched_off: bool) -> list[Moment]:
    found = [Moment(flag.opened_at, "raised")]
    if flag.quiet_since is not None and not switched_off:  # nobody looked any more whether it still holds
        found.append(Moment(flag.quiet_since, "its condition was gone"))
    if flag.cleared_at is not None:
        found.append(Moment(flag.cleared_at, "over", note=flag.evidence))
    return found


def moment_of(event: AuditEvent) -> Moment:
    """Return an act as a moment of a history."""
    if event.type == SWITCHED_OFF:
        return Moment(event.at, f"switched off: {event.detail.get('text', '')}", event.actor)
    return Moment(event.at, words_of(event.type, event.detail), event.actor, event.detail.get("text", ""))


def words_of(type: str, detail: dict[str, Any]) -> str:
    """Return what somebody did with a flag or its run, in words."""
    if not type.startswith("flag."):
        return _OF_RUNS.get(type, type.replace(".", " "))
    act = type.removeprefix("flag.")
    if act == "snoozed":
        return f"put off until {detail.get('until', '')[:16].replace('T', ' ')} UTC"
    if act == "assigned":
        return f"assigned to {detail['assignee']}" if detail.get("assignee") else "assigned to nobody"
    if act == "grew-worse":
        return f"grew {detail.get('severity', 'worse')}: what was decided before no longer holds"
    return {"put-back": "put back", "switched-off": "switched off", "cleared-by-hand": "cleared by hand"}.get(act, act)


_OF_RUNS = {
    "run.close.requested": "asked to mark the run failed in W&B",
    "run.close.done": "marked the run failed in W&B",
    "run.close.verified": "saw that W&B shows it ended",
    "run.close.failed": "could not mark the run failed in W&B",
    "run.close.refused": "was refused to mark the run failed in W&B",
    "upload.requested": "asked to upload the run's folder",
    "upload.done": "uploaded the run's folder",
    "upload.failed": "could not upload the run's folder",
}
