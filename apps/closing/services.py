"""Closing runs in W&B: a wish is a row first, is driven until it has a truthful end, and never acts on old evidence."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.audit.services import record
from apps.closing.domain import Refused, check_facts
from apps.closing.fresh import Tools, live_attempt, wandb_now, with_fresh
from apps.closing.models import CloseRequest
from apps.closing.selectors import check_can_close, closing_facts, evidence_of
from apps.core.errors import AlreadyDone, SweepboardError, Transient
from apps.sweeps.models import Run
from apps.sweeps.ports import CLOSED_STATE, LIVE_RUN_STATES
from apps.sweeps.services.closed import note_closing

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=3)  # longer than one closing and the questions before it may take
WINDOW = timedelta(minutes=2)  # heartbeats that long after the client was let loose may be its own
PATIENCE = timedelta(minutes=10)  # how long a silent source is waited for
Clock = Callable[[], datetime]


def ask_for_closing(*, run: Run, actor: str, now: datetime) -> CloseRequest:
    """Note the wish that ``run`` be closed in W&B, with the evidence that speaks for it.

    ``AlreadyDone`` while an earlier wish is open or when the run has ended; a refusal is noted in the audit.
    """
    if CloseRequest.objects.filter(run=run, state__in=CloseRequest.OPEN).exists():
        raise _under_way(run)
    evidence = evidence_of(run, now)
    try:
        check_can_close(run, now)
    except SweepboardError as error:
        _note("refused", run, actor, evidence=evidence, reason=str(error))
        raise
    try:
        with transaction.atomic():
            request = CloseRequest.objects.create(
                run=run, asked_by=actor[:150], asked_at=now, evidence=evidence, heartbeat_at=run.heartbeat_at
            )
            _note("requested", run, actor, evidence=evidence, shows=CLOSED_STATE)
    except IntegrityError as error:
        raise _under_way(run) from error
    return request


def _under_way(run: Run) -> AlreadyDone:
    return AlreadyDone(f"The closing of run {run.run_id} is under way already; nothing was done a second time.")


def unfinished_closings(now: datetime) -> list[int]:
    """Return the requests that nobody drives: waiting, or begun by a worker that was heard of no more."""
    abandoned = Q(state="queued") | Q(state="running", claimed_at__lt=now - LEASE)
    return list(CloseRequest.objects.filter(abandoned).order_by("pk").values_list("pk", flat=True))


def drive_closing(*, request_pk: int, tools: Tools, clock: Clock) -> str:
    """Close what the request asks for, unless somebody else does; return the state that it is in now.

    Everything is asked again first. A source that is silent puts the request back into the queue for ``PATIENCE``;
    what speaks against it ends it as refused. ``gone`` is a request whose run is forgotten by now.
    """
    now = clock()
    if not _claim(request_pk, now):
        return CloseRequest.objects.filter(pk=request_pk).values_list("state", flat=True).first() or "gone"
    request = CloseRequest.objects.select_related("run__sweep").get(pk=request_pk)
    try:
        return _close(request, tools, clock)
    except Transient as error:
        again = clock() - request.asked_at < PATIENCE
        return _wait(request, error) if again else _end(request, "failed", str(error), clock())
    except Refused as error:
        return _end(request, "refused", str(error), clock())
    except SweepboardError as error:
        return _end(request, "failed", str(error), clock())
    except Exception as error:
        log.exception("closing.crashed", request=request_pk)
        return _end(request, "failed", f"Sweepboard failed in this closing ({type(error).__name__}).", clock())


def _claim(request_pk: int, now: datetime) -> bool:
    free = Q(state="queued") | Q(state="running", claimed_at__lt=now - LEASE)
    taken = CloseRequest.objects.filter(free, pk=request_pk).update(
        state="running", claimed_at=now, attempts=F("attempts") + 1
    )
    return taken == 1


def _close(request: CloseRequest, tools: Tools, clock: Clock) -> str:
    run = request.run
    told = wandb_now(tools, run, clock())
    if told.state not in LIVE_RUN_STATES:
        return _found_ended(request, told.state, clock())
    facts = closing_facts(run, clock())
    if request.acted_at is not None:
        facts = replace(facts, closing_until=request.acted_at + WINDOW)
    check_facts(with_fresh(facts, told, live_attempt(tools, run, clock()), clock()), clock())
    closer = tools.closer()
    if not _about_to_act(request, told.heartbeat_at, clock()):
        return "running"  # somebody else took it over while the sources were slow to answer
    closed = closer.close(run.project_path, run.run_id)
    return _found_ended(request, closed.state, clock()) if not closed.acted else _done(request, closed.state, clock())


def _mine(request: CloseRequest) -> Any:
    """The request, as long as it is still this worker's: nobody claimed it after us."""
    return CloseRequest.objects.filter(pk=request.pk, state="running", attempts=request.attempts)


@transaction.atomic
def _about_to_act(request: CloseRequest, heartbeat_at: datetime | None, now: datetime) -> bool:
    """Write down that the client is let loose, before it is: its heartbeat must not pass for the run's own."""
    own = heartbeat_at if request.acted_at is None else request.heartbeat_at
    if _mine(request).update(acted_at=now, heartbeat_at=own) != 1:
        return False
    note_closing(run_pk=request.run_id, at=now + WINDOW, last_heartbeat=own)
    return True


def _found_ended(request: CloseRequest, state: str, now: datetime) -> str:
    """W&B says that it has ended: by itself, or by an attempt of ours that did not live to say so."""
    if request.acted_at is not None:  # as it was when this worker took the request
        return _done(request, state, now)
    return _end(request, "verified", f"It ended by itself as {state}; nothing was done.", now, shows=state)


@transaction.atomic
def _done(request: CloseRequest, state: str, now: datetime) -> str:
    said = f"W&B says {state}; the next pass over W&B confirms it."
    if _mine(request).update(state="closed", closed_at=now, shows=state, said=said, error_id=""):
        _note("done", request.run, request.asked_by, evidence=request.evidence, shows=state)
    return "closed"


def _wait(request: CloseRequest, error: Exception) -> str:
    log.warning("closing.waits", request=request.pk, error=str(error))
    _mine(request).update(state="queued", said=str(error))
    return "queued"


@transaction.atomic
def _end(request: CloseRequest, state: str, said: str, now: datetime, *, shows: str = "") -> str:
    """End a request for good: verified without having acted, refused, or failed with an id for the log."""
    error_id = uuid.uuid4().hex[:12] if state == "failed" else ""
    ended = _mine(request).update(state=state, finished_at=now, said=said, shows=shows, error_id=error_id)
    if ended:
        log.info("closing.ended", request=request.pk, state=state, said=said, error_id=error_id)
        detail = {"shows": shows} if shows else {"reason": said, "error_id": error_id}
        _note(state, request.run, request.asked_by, evidence=request.evidence, **detail)
    return state


def _note(what: str, run: Run, actor: str, **detail: Any) -> None:
    sweep = run.sweep.sweep_id if run.sweep else ""
    record(type=f"run.close.{what}", actor=actor[:150], subject=f"run {run.run_id}", sweep=sweep, **detail)
