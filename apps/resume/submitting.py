"""The one step that makes a job: look, ask everything again, look, act, and write the job's id down by itself."""

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import structlog

from apps.core.errors import Permanent, Transient
from apps.resume.changes import applied
from apps.resume.checking import checkpoint_from, lines_as_json
from apps.resume.domain import GateLine, LineState, Refused, check_can_resume
from apps.resume.fresh import Tools, gate_facts
from apps.resume.gate import gate_lines
from apps.resume.looking import job_of_press
from apps.resume.models import ResumeRequest
from apps.resume.places import scheduler_named
from apps.resume.selectors import crash_of
from apps.resume.writing import Writer
from apps.slurm.ports import Scheduler

log = structlog.get_logger(__name__)
# A submission that was broken off may still be on its way to Slurm, and accounting hears of a job a little later.
SETTLE = timedelta(seconds=60)


def submit(request: ResumeRequest, writer: Writer, tools: Tools, clock: Callable[[], datetime]) -> str:
    """Make the job of this press, unless it exists; return the request's state.

    ``Transient`` while a source is silent, any other ``SweepboardError`` where nothing can be submitted.
    """
    scheduler = scheduler_named(tools.schedulers(), request.cluster)
    if request.tried_at is not None:
        if job_id := job_of_press(scheduler, request):
            return writer.has_job(job_id)
        if clock() - request.tried_at < SETTLE:
            raise Transient("A submission was broken off; waiting whether Slurm took it.")
    if request.cancel_by:
        return writer.end("cancelled", f"Cancelled by {request.cancel_by}; nothing was submitted.")
    lines, summary = _gate_again(request, tools, clock())
    values: dict[str, Any] = {"state": "submitting", "tried_at": clock(), "evidence": lines_as_json(lines)}
    if "log" not in request.before:
        values["before"] = {**request.before, "log": {key: summary.get(key) for key in ("_timestamp", "_step")}}
    if not writer.hold(**values):
        return request.state  # somebody else took it over while the sources were slow to answer
    request.state, request.tried_at = "submitting", values["tried_at"]
    return writer.has_job(job_of_press(scheduler, request) or _act(scheduler, request))


def _gate_again(request: ResumeRequest, tools: Tools, now: datetime) -> tuple[list[GateLine], dict[str, object]]:
    """Ask everything anew; ``Transient`` where only the unknown keeps the gate shut."""
    run = request.run
    change = "; ".join(applied(request.choices, crash_of(run)[0]).counts)
    facts = gate_facts(tools, run, now, change=change, known=checkpoint_from(request.before))
    lines = gate_lines(facts)
    shut = [line for line in lines if not line.passes and line.id != request.override]
    if shut and all(line.state is LineState.UNKNOWN for line in shut):
        raise Transient(f"{shut[0].title}: {shut[0].evidence}")
    try:
        check_can_resume(lines, request.override)
    except Refused as error:
        raise Refused(f"{error} Nothing was submitted.") from error
    if facts.newest is None or facts.newest.path != request.checkpoint:
        raise Refused("The newest checkpoint is another one than at the press. Nothing was submitted: look again.")
    return lines, dict(facts.wandb_summary)


def _act(scheduler: Scheduler, request: ResumeRequest) -> str:
    """Requeue or submit; return the job's id."""
    plan = request.planned
    if plan.how == "requeue":
        try:
            scheduler.requeue(plan.job_id)
        except Permanent as error:
            if plan.submission is None:
                raise
            log.warning("resume.requeue.refused", request=request.pk, job=plan.job_id, error=str(error))
        else:
            return plan.job_id
    if plan.submission is None:
        raise Refused("There is nothing to submit.")
    return scheduler.submit(plan.submission)
