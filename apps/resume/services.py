"""Resuming runs: a wish is a row first, makes one job at the most, and is driven until its end is known."""

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import F, Q

from apps.audit.services import record
from apps.core.errors import AlreadyDone, SweepboardError, Transient
from apps.resume.checking import Clock, checkpoint_from, lines_as_json
from apps.resume.domain import GateLine, Refused, check_can_resume
from apps.resume.fresh import Tools
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.plan import Plan
from apps.resume.selectors import lines_with, planned_for
from apps.resume.submitting import submit
from apps.resume.watching import watch
from apps.resume.writing import Writer
from apps.sweeps.models import Run

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=4)  # longer than one look at every source and one submission may take
FRESH = timedelta(minutes=10)  # a look at the gate serves for so long
PATIENCE = timedelta(minutes=30)  # how long a silent source is waited for before anything is submitted
LONGEST_SILENCE = timedelta(days=1)  # and while a submitted job is watched


def ask_for_resume(
    *, run: Run, check: GateCheck, actor: str, now: datetime, choices: Mapping[str, str], override: str = "",
    reason: str = "", may_override: bool = False,
) -> ResumeRequest:  # fmt: skip
    """Note the wish that ``run`` be resumed, on the evidence of ``check``, which serves for this one press only.

    ``AlreadyDone`` while an earlier wish is open, or when the look was used; ``Refused`` when the gate is shut.
    """
    if ResumeRequest.objects.filter(run=run, state__in=ResumeRequest.OPEN).exists():
        raise _under_way(run)
    try:
        lines = _open_gate(run, check, choices, override, reason, may_override, now)
        plan = planned_for(run, check, choices)
    except SweepboardError as error:
        if not isinstance(error, AlreadyDone):
            _note(run, "refused", actor, reason=str(error), override=override)
        raise
    try:
        with transaction.atomic():
            if GateCheck.objects.filter(pk=check.pk, state="done").update(state="used") != 1:
                raise _under_way(run)
            request = _create(run, check, plan, lines, actor, now, choices, override, reason)
            _note(run, "requested", actor, key=request.key, evidence=request.evidence, plan=request.plan,
                  override=override, reason=reason)  # fmt: skip
    except IntegrityError as error:
        raise _under_way(run) from error
    return request


def _open_gate(
    run: Run,
    check: GateCheck,
    choices: Mapping[str, str],
    override: str,
    reason: str,
    may_override: bool,
    now: datetime,
) -> list[GateLine]:
    if check.run_id != run.pk or check.checked_at is None:
        raise Refused("The gate of this run was not looked at yet.")
    if check.state == "used":
        raise _under_way(run)
    if now - check.checked_at > FRESH:
        raise Refused("The gate was looked at too long ago: look again.")
    if override and not may_override:
        raise Refused("Only an admin may override a check.")
    if override and not reason.strip():
        raise Refused("An override needs a written reason.")
    lines = lines_with(run, check, choices)
    check_can_resume(lines, override)
    return lines


def _create(
    run: Run, check: GateCheck, plan: Plan, lines: list[GateLine], actor: str, now: datetime,
    choices: Mapping[str, str], override: str, reason: str,
) -> ResumeRequest:  # fmt: skip
    checkpoint = checkpoint_from(check.found)
    if checkpoint is None:
        raise Refused("There is no checkpoint to resume from.")
    return ResumeRequest.objects.create(
        run=run,
        key=check.key,
        asked_by=actor[:150],
        asked_at=now,
        override=override,
        reason=reason.strip()[:2000],
        choices=dict(choices),
        evidence=lines_as_json(lines),
        plan=plan.as_json(),
        cluster=plan.cluster,
        checkpoint=checkpoint.path,
        checkpoint_step=checkpoint.step,
        checkpoint_epoch=checkpoint.epoch,
        before={"checkpoint": check.found["checkpoint"]},
    )


def _under_way(run: Run) -> AlreadyDone:
    return AlreadyDone(f"The resume of run {run.run_id} is under way already; nothing was done a second time.")


def ask_to_cancel(*, request: ResumeRequest, actor: str, now: datetime) -> None:
    """Note the wish that a resume be given up while it waits. A job that it has made by then is cancelled by its id."""
    waiting = ResumeRequest.objects.filter(pk=request.pk, state__in=("asked", "submitting", "submitted"), cancel_by="")
    with transaction.atomic():
        if waiting.update(cancel_by=actor[:150]) != 1:
            raise AlreadyDone("It does not wait any more: there is nothing to cancel.")
        _note(request.run, "cancel-requested", actor, key=request.key, job=request.job_id)


def unfinished_resumes(now: datetime) -> list[int]:
    """Return the open requests that nobody has in hand."""
    return list(ResumeRequest.objects.filter(_free(now)).order_by("pk").values_list("pk", flat=True))


def _free(now: datetime) -> Q:
    return Q(state__in=ResumeRequest.OPEN) & (Q(claimed_at=None) | Q(claimed_at__lt=now - LEASE))


def drive_resume(*, request_pk: int, tools: Tools, clock: Clock) -> str:
    """Bring one request one step on, unless somebody else has it; return its state, ``gone`` where there is none.

    Before a submission everything is asked again; after it, the job and the run are watched.
    """
    now = clock()
    if ResumeRequest.objects.filter(_free(now), pk=request_pk).update(claimed_at=now, attempts=F("attempts") + 1) != 1:
        return ResumeRequest.objects.filter(pk=request_pk).values_list("state", flat=True).first() or "gone"
    request = ResumeRequest.objects.select_related("run__sweep").get(pk=request_pk)
    writer = Writer(request, clock)
    try:
        step = submit if request.state in ("asked", "submitting") else watch
        return step(request, writer, tools, clock)
    except Transient as error:
        return _silent(request, writer, str(error), clock())
    except SweepboardError as error:
        return writer.end("failed", str(error))
    except Exception as error:
        error_id = uuid.uuid4().hex[:12]
        log.exception("resume.crashed", request=request_pk, error_id=error_id)
        # What was submitted may live: a defect of ours must not let go of it before the patience is over.
        return _silent(request, writer, f"Sweepboard failed ({type(error).__name__}, {error_id}).", clock())


def _silent(request: ResumeRequest, writer: Writer, said: str, now: datetime) -> str:
    """A source is silent: try again for as long as there is patience, then say truthfully what is not known."""
    if request.job_id:
        since = request.silent_since or now
        if now - since < LONGEST_SILENCE:
            return writer.wait(said, silent_since=since)
        return writer.end("failed", f"{said} Nobody knows what became of job {request.job_id}: look for it.")
    if now - request.asked_at < PATIENCE:
        return writer.wait(said)
    if request.tried_at is None:
        return writer.end("failed", f"{said} Nothing was submitted.")
    return writer.end(
        "failed",
        f"{said} Whether Slurm took the job is not known: look for the key {request.key} in names and comments.",
    )


def _note(run: Run, what: str, actor: str, **detail: Any) -> None:
    sweep = run.sweep.sweep_id if run.sweep else ""
    record(type=f"resume.request.{what}", actor=actor[:150], subject=f"run {run.run_id}", sweep=sweep, **detail)
