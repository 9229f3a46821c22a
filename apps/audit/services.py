"""Adding to the record."""

import uuid
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import structlog

from apps.audit.models import AuditEvent, PassScope, SyncPass
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError, Transient

log = structlog.get_logger(__name__)
LONGEST_HOLD = 900.0  # seconds
_ANSWERS_FOR: ContextVar[dict[str, str]] = ContextVar("answers_for", default={})  # noqa: B039 - replaced, never changed


@contextmanager
def on_behalf_of(**told: str) -> Iterator[None]:
    """Add to every event of the block who answers for it, such as a token and its owner."""
    held = _ANSWERS_FOR.set({**_ANSWERS_FOR.get(), **told})
    try:
        yield
    finally:
        _ANSWERS_FOR.reset(held)


def record(*, type: str, actor: str, subject: str, **detail: Any) -> AuditEvent:
    """Add one event; call it inside the transaction of the act itself."""
    detail = {**detail, **_ANSWERS_FOR.get()}
    return AuditEvent.objects.create(at=utcnow(), type=type, actor=actor, subject=subject, detail=detail)


def record_all(*, type: str, actor: str, acts: Iterable[tuple[str, dict[str, Any]]]) -> None:
    """Add one event for each of ``acts`` (its subject and detail): what one press did to many things at once."""
    now, more = utcnow(), _ANSWERS_FOR.get()
    events = (
        AuditEvent(at=now, type=type, actor=actor, subject=subject, detail={**detail, **more})
        for subject, detail in acts
    )
    AuditEvent.objects.bulk_create(events, batch_size=1000)


@dataclass
class PassTally:
    """What a running pass counts; the caller fills it in."""

    seen: int = 0
    changed: int = 0
    requests: int = 0
    cursor: dict[str, Any] = field(default_factory=dict)
    error: str = ""
    error_id: str = ""
    retry_at: datetime | None = None


@contextmanager
def sync_pass(*, source: str, scope: str, full: bool = False) -> Iterator[PassTally]:
    """Note one pass, whatever becomes of it.

    An error that was meant for people is kept as its sentence and not raised again: the other
    sources go on. Anything else is a defect of ours; it is kept with a reference id and logged.
    """
    started, tally = utcnow(), PassTally()
    try:
        yield tally
    except SweepboardError as error:
        tally.error, tally.error_id = str(error), uuid.uuid4().hex[:12]
        tally.retry_at = _retry_at(source, scope, error)
        log.warning("sync.pass.failed", source=source, scope=scope, error=tally.error, error_id=tally.error_id)
    except Exception as error:
        tally.error_id = uuid.uuid4().hex[:12]
        tally.error = f"Sweepboard failed in this pass ({type(error).__name__}). Reference: {tally.error_id}."
        log.exception("sync.pass.crashed", source=source, scope=scope, error_id=tally.error_id)
    finally:
        PassScope.objects.get_or_create(source=source, scope=scope)
        SyncPass.objects.create(
            source=source,
            scope=scope,
            full=full,
            started_at=started,
            finished_at=utcnow(),
            seen=tally.seen,
            changed=tally.changed,
            requests=tally.requests,
            cursor=tally.cursor,
            error=tally.error,
            error_id=tally.error_id,
            retry_at=tally.retry_at,
            joined=False,
        )


def _retry_at(source: str, scope: str, error: SweepboardError) -> datetime | None:
    """Return until when a source that asks us to slow down is left alone: twice as long every further time."""
    wait = error.retry_after if isinstance(error, Transient) else None
    if wait is None:
        return None
    last = SyncPass.objects.filter(source=source, scope=scope).order_by("-pk").first()
    if last is not None and last.retry_at is not None:
        wait = min(LONGEST_HOLD, 2 * (last.retry_at - last.finished_at).total_seconds())
    return utcnow() + timedelta(seconds=wait)


def mark_joined() -> None:
    """Say that everything that was pulled until now has reached the board."""
    SyncPass.objects.filter(joined=False).update(joined=True)


def note_health(*, source: str, scope: str, error: Exception | None) -> None:
    """Note a problem outside of any pull; when it is over, note that once and nothing more."""
    if error is None:
        last = (
            SyncPass.objects.filter(source=source, scope=scope).order_by("-pk").values_list("error", flat=True).first()
        )
        if not last:
            return
    with sync_pass(source=source, scope=scope):
        if error is not None:
            raise error
    mark_joined()
