"""Resuming runs through the gate; watching and cancelling a resume. There is no override at this door."""

from datetime import datetime
from typing import NoReturn

from django.db import transaction

from apps.api.acts.paging import newest_first
from apps.api.acts.registry import Told, act
from apps.api.acts.runs import run_of
from apps.api.acts.waiting import waited
from apps.api.callers import Caller
from apps.api.domain.problems import Kind, Problem, not_found
from apps.api.domain.tokens import Scope
from apps.api.schemas.training import ResumeNumber, ResumesWish, ResumeWish, RunWish
from apps.core.clock import utcnow
from apps.core.errors import AlreadyDone, Permanent
from apps.resume.checking import ask_for_check
from apps.resume.domain import GateLine
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.presenting import Shown, shown_gate
from apps.resume.selectors import latest_check, lines_with, offers_for
from apps.resume.services import FRESH, ask_for_resume, ask_to_cancel
from apps.resume.tasks import send_check, send_resume
from apps.sweeps.models import Run

LOOKING = "The gate is being looked at: W&B, Slurm and the files are asked. Ask again in a few seconds."


@act(Scope.READ)
def show_gate(caller: Caller, wish: RunWish) -> Told:
    """Show the last look at a run's gate, line by line, and what may be changed before a resume."""
    run = run_of(wish)
    return _gate_told(run, shown_gate(run, latest_check(run), {}, utcnow()))


def _gate_told(run: Run, shown: Shown) -> Told:
    lines = [_line(line) for line in shown.lines]
    state = "looking" if shown.looking else "not-looked-at" if shown.check is None or not lines else ""
    state = state or ("old" if shown.old else "shut" if shown.refusal else "open")
    return {
        "run": run.run_id,
        "project": run.project_path,
        "state": state,
        "checked_at": shown.check.checked_at if shown.check else None,
        "lines": lines,
        "changes": [
            {"id": one.offer.id, "title": one.offer.title, "value": one.value, "hint": one.offer.hint}
            for one in shown.offers
        ],
        "said": LOOKING if state == "looking" else shown.refusal,
    }


def _line(line: GateLine) -> Told:
    told = {name: getattr(line, name) for name in ("id", "title", "evidence", "action")}
    return {**told, "state": line.state.value}


@act(Scope.RESUME, writes=True)
def request_resume(caller: Caller, wish: ResumeWish) -> Told:
    """Ask that a run be resumed from its checkpoint, to its own W&B id, if the gate lets it through.

    The first request has the gate looked at (``looking``); one that follows while that look is fresh makes one job,
    or is refused with the gate's lines.
    """
    run, now = run_of(wish), utcnow()
    choices = _choices(wish, run)
    if (check := _fresh_look(run, now)) is None:
        _under_way_already(run)
        asked = ask_for_check(run=run, actor=caller.name, now=now)
        transaction.on_commit(lambda: send_check(asked))
        return {"state": "looking", "resume": None, "said": LOOKING}
    try:
        made = ask_for_resume(run=run, check=check, actor=caller.name, now=now, choices=choices)
    except AlreadyDone:
        raise
    except Permanent as error:
        _shut(run, check, choices, error)
    transaction.on_commit(lambda: send_resume(made))
    said = "It will be resumed; watch it until it is confirmed."
    return {"state": "asked", "resume": _resume_told(made, run), "said": said}


def _fresh_look(run: Run, now: datetime) -> GateCheck | None:
    """Return the look that a request may stand on; None where the gate must be looked at first."""
    check = latest_check(run)
    if check is None or check.state != "done" or check.checked_at is None or now - check.checked_at > FRESH:
        return None
    return check if check.lines else None


def _under_way_already(run: Run) -> None:
    if ResumeRequest.objects.filter(run=run, state__in=ResumeRequest.OPEN).exists():
        raise AlreadyDone(f"The resume of run {run.run_id} is under way already; nothing was done a second time.")


def _choices(wish: ResumeWish, run: Run) -> dict[str, str]:
    """Return the wished changes as the gate takes them; ``Problem`` 422 for one that is not offered."""
    known = {one.id: one for one in offers_for(run)} if wish.changes else {}
    if unknown := set(wish.changes) - set(known):
        named = ", ".join(known) or "none"
        raise Problem(Kind.INVALID, f"'{min(unknown)[:40]}' is no change that this run is offered; there are: {named}.")
    return {name: known[name].recorded or value for name, value in wish.changes.items()}


def _shut(run: Run, check: GateCheck, choices: dict[str, str], error: Permanent) -> NoReturn:
    try:
        lines = lines_with(run, check, choices)
    except Permanent:
        lines = check.gate
    raise Problem(Kind.GATE, str(error), {"lines": [_line(line) for line in lines]}) from error


@act(Scope.READ)
def list_resumes(caller: Caller, wish: ResumesWish) -> Told:
    """List the wishes to resume a run, or all, the latest first."""
    rows = ResumeRequest.objects.select_related("run")
    rows = rows.filter(run=run_of(RunWish(run=wish.run, project=wish.project))) if wish.run else rows
    if wish.state:
        rows = rows.filter(state__in=ResumeRequest.OPEN if wish.state == "open" else (wish.state,))
    page, after = newest_first(rows.defer("run__config", "run__summary"), wish, "resumes")
    return {"resumes": [_resume_told(one, one.run) for one in page], "next": after}


@act(Scope.READ)
def watch_resume(caller: Caller, wish: ResumeNumber) -> Told:
    """Show how far a resume is; with ``wait`` once that changes."""
    rows = ResumeRequest.objects.filter(pk=wish.resume)
    waited(lambda: rows.values_list("state", "said", "job_id").first(), wish.wait)
    found = _request(wish.resume)
    return _resume_told(found, found.run)


@act(Scope.RESUME, writes=True)
def cancel_resume(caller: Caller, wish: ResumeNumber) -> Told:
    """Give up a resume that still waits; a job that it made by then is cancelled by its own id."""
    found = _request(wish.resume)
    ask_to_cancel(request=found, actor=caller.name, now=utcnow())
    transaction.on_commit(lambda: send_resume(found))
    found = _request(wish.resume)
    return _resume_told(found, found.run)


def _request(number: int) -> ResumeRequest:
    found = ResumeRequest.objects.select_related("run").filter(pk=number).first()
    if found is None:
        raise not_found(f"There is no resume {number}.")
    return found


def _resume_told(one: ResumeRequest, run: Run) -> Told:
    same = ("state", "asked_by", "asked_at", "checkpoint", "checkpoint_step", "cluster", "since", "said")
    return {
        **{name: getattr(one, name) for name in same},
        "resume": one.pk,
        "run": run.run_id,
        "project": run.project_path,
        "open": one.is_open,
        "job": one.job_id,
        "can_be_cancelled": one.can_be_cancelled,
        "lines": [_line(line) for line in one.gate],
    }
