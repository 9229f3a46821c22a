"""Runs that were closed in W&B from outside: the closing is W&B's last heartbeat of them, and not the run's own."""

from collections.abc import Iterable
from datetime import datetime

from apps.sweeps.models import Run
from apps.sweeps.ports import RunRecord


def note_closing(*, run_pk: int, at: datetime, last_heartbeat: datetime | None) -> None:
    """Remember, before a run is closed, when it was last heard of itself; heartbeats until ``at`` are the closer's."""
    Run.objects.filter(pk=run_pk).update(closed_until=at, trained_until=last_heartbeat)


def ends_that_were_closed(project: str, records: Iterable[RunRecord]) -> dict[str, datetime]:
    """Return ``{run id: its own last sign}`` of the runs whose last heartbeat in W&B is a closing from outside.

    A run that was resumed after it, and so has later heartbeats, is a run like any other again.
    """
    told = {record.run_id: record for record in records}
    closed = Run.objects.of_project(project).filter(
        run_id__in=list(told), closed_until__isnull=False, trained_until__isnull=False
    )
    found: dict[str, datetime] = {}
    for run_id, until, own in closed.values_list("run_id", "closed_until", "trained_until"):
        beat = told[run_id].heartbeat_at
        if beat is not None and until is not None and own is not None and beat <= until:
            found[run_id] = own
    return found
