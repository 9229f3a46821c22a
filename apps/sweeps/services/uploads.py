"""Uploading run folders to W&B: a wish is a row first, and is driven until it is done or has failed."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.audit.services import record
from apps.core.errors import AlreadyDone, Permanent, SweepboardError, Transient
from apps.sweeps.models import RunFolder, UploadRequest
from apps.sweeps.ports import Uploader

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)  # renewed with every line and every turn; a dead worker's claim ends with it
ATTEMPTS = 5
STILL_WRITTEN = timedelta(minutes=2)
Clock = Callable[[], datetime]


def check_can_upload(folder: RunFolder, now: datetime) -> None:
    """Raise with a sentence for people unless this folder can be uploaded now."""
    if folder.synced:
        raise AlreadyDone(f"Run {folder.run_name} is on W&B already.")
    if folder.problem:
        raise Permanent(f"W&B's client cannot read this folder: {folder.problem}")
    if folder.state == "running" and now - folder.modified_at < STILL_WRITTEN:
        raise Permanent(f"Run {folder.run_name} is still being written; upload it when it has ended.")


def can_upload(folder: RunFolder, now: datetime) -> bool:
    try:
        check_can_upload(folder, now)
    except Permanent:
        return False
    return True


def ask_for_upload(*, folder: RunFolder, actor: str, now: datetime) -> UploadRequest:
    """Note the wish that ``folder`` be uploaded; ``AlreadyDone`` while an earlier wish is still open."""
    check_can_upload(folder, now)
    try:
        with transaction.atomic():
            request = UploadRequest.objects.create(folder=folder, asked_by=actor, asked_at=now)
            record(type="upload.requested", actor=actor, subject=f"run {folder.run_name}", path=folder.path)
    except IntegrityError as error:
        raise AlreadyDone(f"The upload of run {folder.run_name} is under way already.") from error
    return request


def unfinished_uploads(now: datetime) -> list[int]:
    """Return the requests that nobody drives: never begun, or begun by a worker that was heard of no more."""
    abandoned = Q(state="queued") | Q(state="running", claimed_at__lt=now - LEASE)
    return list(UploadRequest.objects.filter(abandoned).order_by("pk").values_list("pk", flat=True))


def drive_upload(*, request_pk: int, uploader: Uploader, clock: Clock) -> str:
    """Upload what the request asks for, unless somebody else does; return the state that it is in now.

    A ``Transient`` failure puts the request back into the queue, ``ATTEMPTS`` times at the most. A request whose
    folder is forgotten by now is ``gone``: a message may come late.
    """
    if not _claim(request_pk, clock()):
        return UploadRequest.objects.filter(pk=request_pk).values_list("state", flat=True).first() or "gone"
    request = UploadRequest.objects.select_related("folder__run").get(pk=request_pk)
    run = request.folder.run
    try:
        # A run must arrive where the board shows it; the folder itself often names no project, or no entity.
        uploader.upload(
            Path(request.folder.path), lambda line: _heard(request_pk, line, clock()), run.project_path if run else ""
        )
    except Transient as error:
        return _failed(request, error, clock(), again=request.attempts < ATTEMPTS)
    except SweepboardError as error:
        return _failed(request, error, clock(), again=False)
    except Exception as error:
        log.exception("sweeps.upload.crashed", request=request_pk)
        return _failed(request, error, clock(), again=False)
    return _done(request, clock())


def _claim(request_pk: int, now: datetime) -> bool:
    free = Q(state="queued") | Q(state="running", claimed_at__lt=now - LEASE)
    taken = UploadRequest.objects.filter(free, pk=request_pk).update(
        state="running", claimed_at=now, attempts=F("attempts") + 1
    )
    return taken == 1


def _heard(request_pk: int, line: str, now: datetime) -> None:
    UploadRequest.objects.filter(pk=request_pk, state="running").update(said=line[:500], claimed_at=now)


@transaction.atomic
def _done(request: UploadRequest, now: datetime) -> str:
    ended = UploadRequest.objects.filter(pk=request.pk, state="running").update(state="done", finished_at=now)
    if ended:
        RunFolder.objects.filter(pk=request.folder_id).update(synced=True)
        record(type="upload.done", actor=request.asked_by, subject=f"run {request.folder.run_name}")
    return "done"


@transaction.atomic
def _failed(request: UploadRequest, error: Exception, now: datetime, *, again: bool) -> str:
    reference = uuid.uuid4().hex[:12]
    known = isinstance(error, SweepboardError)
    sentence = str(error) if known else f"Sweepboard failed in this upload ({type(error).__name__})."
    log.warning("sweeps.upload.failed", request=request.pk, error=sentence, error_id=reference, again=again)
    values = {"error": sentence, "error_id": reference}
    if again:
        UploadRequest.objects.filter(pk=request.pk, state="running").update(state="queued", **values)
        return "queued"
    UploadRequest.objects.filter(pk=request.pk, state="running").update(state="failed", finished_at=now, **values)
    record(
        type="upload.failed",
        actor=request.asked_by,
        subject=f"run {request.folder.run_name}",
        error=sentence,
        error_id=reference,
    )
    return "failed"
