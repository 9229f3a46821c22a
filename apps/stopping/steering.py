"""Steering a sweep in W&B: paused, resumed, stopped or cancelled by a row that a later look confirms."""

from datetime import datetime

from django.db import IntegrityError, transaction

from apps.core.errors import AlreadyDone, Permanent
from apps.stopping.domain import PATIENCE, Refused
from apps.stopping.models import OPEN, SweepRequest
from apps.stopping.services import Tools
from apps.stopping.writing import Clock, Writer, drive, note
from apps.sweeps.asking import check_not_held
from apps.sweeps.control import STATE_AFTER, check_can_set
from apps.sweeps.models import Sweep

ENDED = ("FINISHED", "CANCELED")


def check_can_steer(sweep: Sweep, wish: str) -> None:
    """Raise with a sentence for people unless W&B's last word on the sweep, and no open wish, allow ``wish``."""
    if SweepRequest.objects.filter(sweep=sweep, state__in=OPEN).exists():
        raise AlreadyDone("Something is being done to this sweep in W&B already; wait for its end.")
    check_can_set(sweep.state, wish)


def ask_to_steer(*, sweep: Sweep, wish: str, actor: str, now: datetime) -> SweepRequest:
    """Note the wish that a sweep be brought where ``wish`` wants it; ``AlreadyDone`` where it is, or is under way."""
    if wish not in STATE_AFTER:
        raise Permanent(f"'{wish[:20]}' is nothing that can be done to a sweep.")
    check_can_steer(sweep, wish)
    try:
        with transaction.atomic():
            request = SweepRequest.objects.create(
                sweep=sweep, wish=wish, asked_by=actor[:150], asked_at=now, before=sweep.state
            )
            note(request, "requested", actor)
    except IntegrityError as error:
        raise AlreadyDone("Something is being done to this sweep in W&B already; wait for its end.") from error
    return request


def drive_steering(*, request_pk: int, tools: Tools, clock: Clock) -> str:
    """Bring one wish about a sweep one step on; return its state, ``gone`` where there is none."""
    return drive(SweepRequest, request_pk, lambda request, writer: _step(request, writer, tools, clock), clock)


def _step(request: SweepRequest, writer: Writer, tools: Tools, clock: Clock) -> str:
    sweep = request.sweep
    check_not_held(sweep.project_path, clock())
    if request.tried_at is not None:
        state = tools.control().state(sweep.project_path, sweep.sweep_id)
        if state == STATE_AFTER[request.wish] or state in ENDED:
            return writer.end("done", f"W&B says {state}.")
        if clock() - request.asked_at > PATIENCE:
            return writer.end("failed", f"W&B still says {state} of the sweep, though it was told otherwise.")
    return _act(request, writer, tools, clock)


def _act(request: SweepRequest, writer: Writer, tools: Tools, clock: Clock) -> str:
    sweep, control = request.sweep, tools.control()
    first = request.tried_at is None
    if not writer.hold(state="sent", tried_at=clock()):
        return request.state
    request.state = "sent"
    try:
        told = control.set_state(sweep.project_path, sweep.sweep_id, request.wish)
    except Permanent as error:
        raise Refused(str(error)) from error
    if first and not told.acted:
        return writer.end("done", f"W&B said {told.state} already; nothing was done.")
    return writer.wait(f"W&B says {told.state}; a second look confirms it.")
