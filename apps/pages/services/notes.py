"""Writing notes on runs: kept, edited by whoever may write them, each change in the audit trail."""

from datetime import datetime

import structlog
from django.db import transaction

from apps.audit.services import record
from apps.core.errors import Permanent
from apps.core.once import add_once
from apps.pages.models import RunNote
from apps.sweeps.models import Run

log = structlog.get_logger(__name__)
LONGEST = 10_000


class Refused(Permanent):
    """The note cannot be kept as it is; the sentence says why."""


def add_note(*, run: Run, text: str, by: str, now: datetime, key: str) -> RunNote:
    """Keep a note, once for one form, whose ``key`` it is; ``Permanent`` where it says nothing or is too long."""
    return add_once(RunNote, key, {"run": run, "text": _checked(text), "by": by, "at": now}, _added)


def _added(note: RunNote) -> None:
    run = note.run
    where = {"actor": note.by, "subject": f"run {run.run_id}", **_where(run)}
    record(type="run.note.added", **where, note=note.pk, text=note.text)
    log.info("pages.note.added", run=run.run_id, note=note.pk, by=note.by)


@transaction.atomic
def edit_note(*, note: RunNote, text: str, by: str, now: datetime, seen: datetime | None) -> RunNote:
    """Put another text in a note's place; what it said before goes into the audit trail.

    ``seen`` is when the note was last changed as the writer saw it: ``Refused`` where somebody else changed it since,
    unless it says the same already, as after a second press.
    """
    held = RunNote.objects.select_for_update(of=("self",)).select_related("run__sweep").get(pk=note.pk)
    told = _checked(text)
    if told == held.text:
        return held
    if held.edited_at != seen:
        raise Refused(f"{held.edited_by} changed this note meanwhile: read it as it is now, then change it.")
    before, held.text, held.edited_by, held.edited_at = held.text, told, by, now
    held.save(update_fields=["text", "edited_by", "edited_at"])
    detail = {"note": held.pk, "text": told, "before": before}
    record(type="run.note.edited", actor=by, subject=f"run {held.run.run_id}", **_where(held.run), **detail)
    log.info("pages.note.edited", run=held.run.run_id, note=held.pk, by=by)
    return held


def _where(run: Run) -> dict[str, str]:
    return {"project": run.project_path, "sweep": run.sweep.sweep_id if run.sweep else ""}


def _checked(text: str) -> str:
    told = text.replace("\x00", "\ufffd").replace("\r\n", "\n").strip()
    if not told:
        raise Refused("A note says something: write it first.")
    if len(told) > LONGEST:
        raise Refused(f"A note has at most {LONGEST} characters; this has {len(told)}. Nothing was kept.")
    return told
