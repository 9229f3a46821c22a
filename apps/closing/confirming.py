"""Confirming by a later pass over W&B what the client said of a closing."""

import uuid
from datetime import datetime, timedelta

import structlog
from django.db import transaction

from apps.audit.selectors import freshness
from apps.audit.services import record
from apps.closing.models import CloseRequest
from apps.sweeps.ports import LIVE_RUN_STATES

log = structlog.get_logger(__name__)
STILL_LIVE = timedelta(minutes=10)  # a run that W&B calls live for so long after its closing was not closed
NEVER_READ = timedelta(days=1)  # its project is followed no longer, or W&B is away for good


def confirm_closings(*, now: datetime) -> dict[int, str]:
    """Look at every closing that waits for a pass; return the state of each one that came to its end.

    Only a good pass that began after the closing counts; while there is none, it waits, for ``NEVER_READ`` at most.
    """
    read_at = {one.scope: one.good_at for one in freshness() if one.source == "wandb"}
    ended: dict[int, str] = {}
    for request in CloseRequest.objects.filter(state="closed").select_related("run__sweep"):
        if (state := _confirm(request, read_at.get(request.run.project_path), now)) is not None:
            ended[request.pk] = state
    return ended


def _confirm(request: CloseRequest, good_at: datetime | None, now: datetime) -> str | None:
    closed_at, state = request.closed_at or request.asked_at, request.run.state
    if good_at is None or good_at <= closed_at:
        if now - closed_at <= NEVER_READ:
            return None
        said = (
            f"W&B's client said {request.shows}, but no pass over {request.run.project_path} came since to confirm it."
        )
        return _end(request, "failed", said, now)
    if state not in LIVE_RUN_STATES:
        return _end(request, "verified", f"W&B shows {state}: the pass of {good_at:%H:%M:%S} UTC confirms it.", now)
    if now - closed_at > STILL_LIVE:
        minutes = STILL_LIVE // timedelta(minutes=1)
        said = (
            f"W&B says {state} more than {minutes} minutes after the closing: a process goes on with the run, or the "
            "closing did not hold. Look for the process before you try again."
        )
        return _end(request, "failed", said, now)
    return None


@transaction.atomic
def _end(request: CloseRequest, state: str, said: str, now: datetime) -> str:
    run = request.run
    error_id = uuid.uuid4().hex[:12] if state == "failed" else ""
    ended = CloseRequest.objects.filter(pk=request.pk, state="closed").update(
        state=state, finished_at=now, said=said, shows=run.state, error_id=error_id
    )
    if ended:
        log.info("closing.ended", request=request.pk, state=state, said=said, error_id=error_id)
        record(
            type=f"run.close.{state}",
            actor=request.asked_by,
            subject=f"run {run.run_id}",
            sweep=run.sweep.sweep_id if run.sweep else "",
            evidence=request.evidence,
            shows=run.state,
            **({"reason": said, "error_id": error_id} if error_id else {}),
        )
    return state
