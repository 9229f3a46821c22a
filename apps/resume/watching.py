"""Watching a submitted job and its run until both tell the same story, or a deadline passes."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta

import structlog

from apps.core.errors import Permanent, SweepboardError
from apps.resume.fresh import Tools
from apps.resume.models import ResumeRequest
from apps.resume.places import scheduler_named
from apps.resume.watch import Mark, Seen, judge
from apps.resume.writing import Writer
from apps.slurm.ports import JobAttempt, Scheduler
from apps.sweeps.asking import check_not_held
from apps.sweeps.domain import EPOCH_KEYS, STEP_KEYS, finite, lookup
from apps.sweeps.ports import RunRecord, SweepSource
from apps.workspaces.selectors import policy_of, workspace_by_project

log = structlog.get_logger(__name__)
MARGIN = timedelta(days=1)
SKEW = timedelta(seconds=5)
SAMPLES = 500


def watch(request: ResumeRequest, writer: Writer, tools: Tools, clock: Callable[[], datetime]) -> str:
    """Look at the job and at the run; return the request's state. ``Transient`` when Slurm does not answer."""
    scheduler = scheduler_named(tools.schedulers(), request.cluster)
    if request.cancel_by:
        return _cancel(request, writer, scheduler)
    attempt = _attempt(scheduler, request)
    seen = _with_wandb(_of_job(request, attempt, clock()), request, attempt, tools)
    told = judge(seen)
    said = told.said
    if told.stop and seen.policy.stop_wrong_resume:
        _stop(scheduler, request)
        said = f"{said} The job was stopped."
    if told.state in ("confirmed", "failed"):
        return writer.end(told.state, said, job_state=seen.job_state)
    started = {"running_at": seen.started_at} if told.state == "running" and request.running_at is None else {}
    return writer.wait(said, state=told.state, silent_since=None, **started)


def _cancel(request: ResumeRequest, writer: Writer, scheduler: Scheduler) -> str:
    _stop(scheduler, request)
    return writer.end("cancelled", f"Cancelled by {request.cancel_by}, with job {request.job_id}.")


def _stop(scheduler: Scheduler, request: ResumeRequest) -> None:
    with suppress(Permanent):  # it has ended already
        scheduler.cancel(request.job_id)


def _attempt(scheduler: Scheduler, request: ResumeRequest) -> JobAttempt | None:
    """Return the job's last life; of a requeued one only those that began by the requeue."""
    plan = request.planned
    base = datetime.fromisoformat(plan.job_submit_at) if request.job_id == plan.job_id else None
    lives = scheduler.attempts_of([request.job_id], request.asked_at - MARGIN)
    lives += [one for one in scheduler.queue() if one.job_id == request.job_id]
    own = [one for one in lives if base is None or one.submit_at > base]
    # The queue's word comes last, and stands where both tell of the same life: unless accounting knows its end.
    return max(own, key=lambda one: (one.submit_at, one.ended, one.start_at is not None), default=None)


def _of_job(request: ResumeRequest, attempt: JobAttempt | None, now: datetime) -> Seen:
    run, logged = request.run, request.before.get("log", {})
    sweep = run.sweep
    seen = Seen(
        now=now,
        submitted_at=request.submitted_at or request.asked_at,
        job_id=request.job_id,
        job_state="",
        job_ended=False,
        before=Mark(finite(logged.get("_timestamp")), finite(logged.get("_step"))),
        checkpoint_step=request.checkpoint_step,
        checkpoint_epoch=request.checkpoint_epoch,
        policy=policy_of(
            workspace_by_project().get(run.project_path), sweep.sweep_id if sweep else "", sweep.name if sweep else ""
        ),
    )
    if attempt is None:
        return seen
    return replace(
        seen,
        job_state=attempt.state,
        job_ended=attempt.ended,
        reason=attempt.reason,
        exit_code=attempt.exit_code,
        exit_signal=attempt.exit_signal,
        log_path=attempt.stderr_path or attempt.stdout_path,
        started_at=attempt.start_at,
        ended_at=attempt.end_at,
    )


def _with_wandb(seen: Seen, request: ResumeRequest, attempt: JobAttempt | None, tools: Tools) -> Seen:
    """Ask W&B once the job has started; nothing is concluded from a W&B that does not answer."""
    if attempt is None or seen.started_at is None:
        return seen
    run = request.run
    try:
        check_not_held(run.project_path, seen.now)
        source = tools.source()
        try:
            return _asked(source, seen, request, attempt)
        finally:
            source.close()
    except SweepboardError as error:
        log.warning("resume.watch.wandb_silent", request=request.pk, error=str(error))
        return seen


def _asked(source: SweepSource, seen: Seen, request: ResumeRequest, attempt: JobAttempt) -> Seen:
    run, since = request.run, (seen.started_at or seen.now) - SKEW
    records = {one.run_id: one for one in source.runs(run.project_path, since, [run.run_id])}
    own = records.pop(run.run_id, None)
    others = [one.run_id for one in records.values() if _opened_by(one, attempt, since)]
    seen = replace(seen, wandb_state=own.state if own else "", other_run=others[0] if others else "")
    if own is None:
        return seen
    first = _first_logged(source, run.project_path, own, seen.before)
    return replace(seen, heartbeat_at=own.heartbeat_at, summary=own.summary, first=first)


def _opened_by(record: RunRecord, attempt: JobAttempt, since: datetime) -> bool:
    """Whether this life of the job opened that run; earlier runs of an agent's job were opened by its earlier life."""
    return any(
        job.raw_id == attempt.raw_id and ((job.started_at or record.created_at or since) >= since)
        for job in record.jobs
    )


def _first_logged(source: SweepSource, project: str, own: RunRecord, before: Mark) -> float | None:
    """Return the lowest step (else epoch) that was logged after the resume; None where nothing was."""
    key = next((name for name in (*STEP_KEYS, *EPOCH_KEYS) if finite(lookup(own.summary, name)) is not None), "")
    if not key or before.calls is None:
        return None
    points = source.history(project, [own.run_id], key, SAMPLES).get(own.run_id, [])
    return min((value for call, value in points if call > before.calls), default=None)
