"""Writing down how a resume goes on: only by the worker whose claim still holds."""

import uuid
from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction
from django.db.models import QuerySet

from apps.audit.services import record
from apps.resume.models import ResumeRequest

log = structlog.get_logger(__name__)


class Writer:
    """Writes to one request for one claim of it. Every write gives the claim back, save ``hold``."""

    def __init__(self, request: ResumeRequest, clock: Callable[[], datetime]) -> None:
        self._request, self._clock = request, clock

    def _mine(self) -> "QuerySet[ResumeRequest]":
        """The request, as long as nobody claimed it after us and nobody ended it."""
        request = self._request
        return ResumeRequest.objects.filter(pk=request.pk, attempts=request.attempts, state__in=ResumeRequest.OPEN)

    def hold(self, **values: Any) -> bool:
        """Write and keep the claim; False when somebody else has taken the request over."""
        return self._mine().update(claimed_at=self._clock(), **values) == 1

    def wait(self, said: str, **values: Any) -> str:
        """Write down what it waits for."""
        log.info("resume.waits", request=self._request.pk, said=said)
        self._mine().update(claimed_at=None, said=said, **values)
        return str(values.get("state", self._request.state))

    @transaction.atomic
    def has_job(self, job_id: str) -> str:
        """Write down the job's id, and nothing else with it."""
        now = self._clock()
        said = f"Slurm has it as job {job_id}."
        changed = self._mine().update(
            state="submitted", job_id=job_id, submitted_at=now, claimed_at=None, said=said, silent_since=None
        )
        if changed:
            self._note("submitted", job=job_id, plan=self._request.plan)
        return "submitted"

    @transaction.atomic
    def end(self, state: str, said: str, **detail: Any) -> str:
        """End the request for good: confirmed, cancelled, or failed with an id that stands in the log too."""
        error_id = uuid.uuid4().hex[:12] if state == "failed" else ""
        ended = self._mine().update(
            state=state, finished_at=self._clock(), claimed_at=None, said=said, error_id=error_id
        )
        if ended:
            log.info("resume.ended", request=self._request.pk, state=state, said=said, error_id=error_id)
            more = {"error_id": error_id} if error_id else {}
            self._note(state, said=said, job=self._request.job_id, **more, **detail)
        return state

    def _note(self, what: str, **detail: Any) -> None:
        request, run = self._request, self._request.run
        record(
            type=f"resume.request.{what}",
            actor=request.asked_by,
            subject=f"run {run.run_id}",
            sweep=run.sweep.sweep_id if run.sweep else "",
            key=request.key,
            **detail,
        )
