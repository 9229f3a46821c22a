"""Claiming a wish and writing down how it goes on: only by the worker whose claim still holds."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import transaction
from django.db.models import F, Q, QuerySet

from apps.audit.services import record
from apps.core.errors import SweepboardError, Transient
from apps.stopping.domain import PATIENCE, Refused
from apps.stopping.models import OPEN, Wish

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=3)  # longer than one look and one act may take
Clock = Callable[[], datetime]
Request = Any  # a row of a model that derives from ``Wish``, with ``subject``, ``detail`` and ``audit_type``


class Writer:
    """Writes to one request for one claim of it. Every write gives the claim back, save ``hold``."""

    def __init__(self, request: Request, clock: Clock) -> None:
        self._request, self._clock = request, clock

    def _mine(self) -> "QuerySet[Any]":
        request, rows = self._request, type(self._request)
        held: QuerySet[Any] = rows._default_manager.filter(pk=request.pk, attempts=request.attempts, state__in=OPEN)
        return held

    def hold(self, **values: Any) -> bool:
        """Write and keep the claim; False when somebody else has taken the request over."""
        return self._mine().update(claimed_at=self._clock(), **values) == 1

    def wait(self, said: str, **values: Any) -> str:
        """Write down what it waits for."""
        self._mine().update(claimed_at=None, said=said, **values)
        return str(values.get("state", self._request.state))

    @transaction.atomic
    def end(self, state: str, said: str) -> str:
        """End the request for good: done, refused, or failed with an id that stands in the log too."""
        error_id = uuid.uuid4().hex[:12] if state == "failed" else ""
        ended = self._mine().update(
            state=state, finished_at=self._clock(), claimed_at=None, said=said, error_id=error_id
        )
        if ended:
            log.info("stopping.ended", subject=self._request.subject, state=state, said=said, error_id=error_id)
            note(self._request, state, self._request.asked_by, said=said, error_id=error_id)
        return state


def note(request: Request, what: str, actor: str, **more: Any) -> None:
    """Add to the audit what happened to a request; call it inside the transaction of the act itself."""
    told = {name: value for name, value in {**request.detail, **more}.items() if value}
    record(type=f"{request.audit_type}.{what}", actor=actor[:150], subject=request.subject, **told)


def unfinished(model: type[Wish], now: datetime) -> list[int]:
    """Return the open requests that nobody has in hand."""
    return list(model._default_manager.filter(_free(now)).order_by("pk").values_list("pk", flat=True))


def _free(now: datetime) -> Q:
    return Q(state__in=OPEN) & (Q(claimed_at=None) | Q(claimed_at__lt=now - LEASE))


def drive(model: type[Wish], pk: int, step: Callable[..., str], clock: Clock) -> str:
    """Bring one request one step on, unless somebody else has it; return its state, ``gone`` where there is none.

    A source that is silent is waited for; what speaks against it ends it as refused.
    """
    now, rows = clock(), model._default_manager
    if rows.filter(_free(now), pk=pk).update(claimed_at=now, attempts=F("attempts") + 1) != 1:
        return rows.filter(pk=pk).values_list("state", flat=True).first() or "gone"
    request: Any = rows.get(pk=pk)
    writer = Writer(request, clock)
    try:
        return step(request, writer)
    except Transient as error:
        return _silent(request, writer, str(error), clock())
    except Refused as error:
        return writer.end("refused", str(error))
    except SweepboardError as error:
        return writer.end("failed", str(error))
    except Exception as error:
        error_id = uuid.uuid4().hex[:12]
        log.exception("stopping.crashed", subject=request.subject, error_id=error_id)
        return _silent(request, writer, f"Sweepboard failed ({type(error).__name__}, {error_id}).", clock())


def _silent(request: Request, writer: Writer, said: str, now: datetime) -> str:
    if now - request.asked_at < PATIENCE:
        return writer.wait(said)
    if request.tried_at is None:
        return writer.end("failed", f"{said} Nothing was done.")
    return writer.end("failed", f"{said} Whether it was done is not known: look for yourself.")
