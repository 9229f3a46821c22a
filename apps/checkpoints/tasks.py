"""Proofs as Celery tasks: one drives one checkpoint, a beat pass sends those that nobody drives."""

import contextlib

from celery import shared_task
from celery.exceptions import OperationalError

from apps.checkpoints.models import Verification
from apps.checkpoints.services import checkpoints_of
from apps.checkpoints.verifying import ask_for_newest, ask_for_older, unfinished_proofs
from apps.checkpoints.verifying import drive_proof as drive
from apps.checkpoints.wiring import checkpoint_store
from apps.core.clock import utcnow
from apps.core.errors import AlreadyDone, Transient
from apps.core.tasks import Queue, SweepboardTask
from apps.workspaces.selectors import link_roots, workspace_by_project

AT_ONCE = 50
BAD = ("fail", "unsafe")


@shared_task(base=SweepboardTask, name="checkpoints.drive_proof", lane=Queue.CHECKS)
def drive_proof(*, verification_pk: int) -> None:
    if drive(verification_pk=verification_pk, roots=link_roots(), clock=utcnow) in BAD:
        older = look_further(verification_pk)
        if older is not None:
            send_proof(older)


def look_further(verification_pk: int) -> Verification | None:
    """Of a bad checkpoint's run, have the next older one proven; None where there is none, or none can be listed."""
    bad = Verification.objects.select_related("run").get(pk=verification_pk)
    workspace = workspace_by_project().get(bad.run.project_path)
    if workspace is None:
        return None
    try:
        found = checkpoints_of(run=bad.run, workspace=workspace, store=checkpoint_store())
        return ask_for_older(bad=bad, found=found, now=utcnow())
    except (Transient, AlreadyDone):
        return None


@shared_task(base=SweepboardTask, name="checkpoints.drive_proofs", lane=Queue.CHECKS)
def drive_proofs() -> None:
    for pk in unfinished_proofs(utcnow())[:AT_ONCE]:
        drive_proof.apply_async(kwargs={"verification_pk": pk}, expires=60)


@shared_task(base=SweepboardTask, name="checkpoints.prove_newest", lane=Queue.CHECKS)
def prove_newest() -> None:
    ask_for_newest(now=utcnow())


def send_proof(one: Verification) -> None:
    """Send a wish to the workers at once; when Redis is away, beat's next look does it."""
    with contextlib.suppress(OperationalError):
        drive_proof.apply_async(kwargs={"verification_pk": one.pk}, retry=False)
