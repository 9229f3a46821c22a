"""Looks at gates and resumes as Celery tasks: one drives one row, a beat pass sends those that nobody has in hand."""

import contextlib

from celery import shared_task
from celery.exceptions import OperationalError

from apps.checkpoints.wiring import checkpoint_store, prover
from apps.core.clock import utcnow
from apps.core.tasks import Queue, SweepboardTask
from apps.resume.automatic import look_after_runs
from apps.resume.checking import drive_check as check
from apps.resume.checking import unfinished_checks
from apps.resume.fresh import Tools
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.services import drive_resume as drive
from apps.resume.services import unfinished_resumes
from apps.slurm.wiring import make_schedulers
from apps.sweeps.wiring import make_source


def tools() -> Tools:
    """The W&B, the schedulers and the files that are configured."""
    return Tools(source=make_source, schedulers=make_schedulers, store=checkpoint_store, prover=prover)


@shared_task(base=SweepboardTask, name="resume.drive_check", lane=Queue.CHECKS)
def drive_check(*, check_pk: int) -> None:
    check(check_pk=check_pk, tools=tools(), clock=utcnow)


@shared_task(base=SweepboardTask, name="resume.drive_resume", lane=Queue.ACTIONS)
def drive_resume(*, request_pk: int) -> None:
    drive(request_pk=request_pk, tools=tools(), clock=utcnow)


@shared_task(base=SweepboardTask, name="resume.drive_resumes", lane=Queue.ACTIONS)
def drive_resumes() -> None:
    for request_pk in unfinished_resumes(utcnow()):
        drive_resume.apply_async(kwargs={"request_pk": request_pk}, expires=60)
    for check_pk in unfinished_checks(utcnow()):
        drive_check.apply_async(kwargs={"check_pk": check_pk}, expires=60)


@shared_task(base=SweepboardTask, name="resume.auto_resume", lane=Queue.ACTIONS)
def auto_resume() -> None:
    look_after_runs(now=utcnow(), send_check=send_check, send_resume=send_resume)


def send_check(asked: GateCheck) -> None:
    """Send a look to the workers at once; when Redis is away, beat's next look does it."""
    with contextlib.suppress(OperationalError):
        drive_check.apply_async(kwargs={"check_pk": asked.pk}, retry=False)


def send_resume(request: ResumeRequest) -> None:
    """Send a request to the workers at once; when Redis is away, beat's next look does it."""
    with contextlib.suppress(OperationalError):
        drive_resume.apply_async(kwargs={"request_pk": request.pk}, retry=False)
