"""Uploads as Celery tasks: one drives one request, a beat pass sends those that nobody drives."""

import contextlib

from celery import shared_task
from celery.exceptions import OperationalError

from apps.core.clock import utcnow
from apps.core.tasks import Queue, SweepboardTask
from apps.sweeps.models import UploadRequest
from apps.sweeps.services.uploads import drive_upload as drive
from apps.sweeps.services.uploads import unfinished_uploads
from apps.sweeps.wiring import make_uploader


@shared_task(base=SweepboardTask, name="sweeps.drive_upload", lane=Queue.ACTIONS)
def drive_upload(*, request_pk: int) -> None:
    drive(request_pk=request_pk, uploader=make_uploader(), clock=utcnow)


@shared_task(base=SweepboardTask, name="sweeps.drive_uploads", lane=Queue.ACTIONS)
def drive_uploads() -> None:
    for request_pk in unfinished_uploads(utcnow()):
        drive_upload.apply_async(kwargs={"request_pk": request_pk}, expires=60)


def send_upload(request: UploadRequest) -> None:
    """Send a request to the workers at once; when Redis is away, beat's next look does it."""
    with contextlib.suppress(OperationalError):
        drive_upload.apply_async(kwargs={"request_pk": request.pk}, retry=False)
