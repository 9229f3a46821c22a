"""Resuming without a person: the same look at the gate and the same press, by policy and by a switch that is seen."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

import structlog
from django.db import transaction

from apps.audit.services import record
from apps.core.errors import SweepboardError
from apps.flags.models import RunStatus
from apps.resume.auto import ACTOR, Act, AutoFacts, Look, Past, decide
from apps.resume.checking import ask_for_check, checkpoint_from
from apps.resume.domain import check_can_resume
from apps.resume.models import AutoResume, GateCheck, ResumeRequest
from apps.resume.selectors import latest_check
from apps.resume.services import ask_for_resume
from apps.sweeps.models import Run, Sweep
from apps.workspaces.domain import AutoResumePolicy
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import policy_of, workspace_by_project

log = structlog.get_logger(__name__)
CLASSES = ("preemption", "time-limit")


@dataclass(frozen=True, slots=True)
class InForce:
    """Whether it is on for a run or a sweep, and who says so: a person since when, or the policy (``by`` empty)."""

    on: bool
    by: str
    since: datetime | None
    policy: AutoResumePolicy
    said: str = ""
    stopped: str = ""
    stopped_at: datetime | None = None


def switch_auto(*, subject: Run | Sweep, on: bool, actor: str, now: datetime) -> None:
    """Switch it on or off for a run or a whole sweep; whatever stopped it before is forgotten."""
    key = {"run": subject} if isinstance(subject, Run) else {"sweep": subject}
    values = {"switch": "on" if on else "off", "by": actor[:150], "at": now, "stopped_at": None, "stopped_why": "",
              "said": ""}  # fmt: skip
    with transaction.atomic():
        AutoResume.objects.update_or_create(**key, defaults=values)
        name = f"run {subject.run_id}" if isinstance(subject, Run) else f"sweep {subject.sweep_id}"
        record(type=f"resume.auto.{'on' if on else 'off'}", actor=actor[:150], subject=name)


def in_force(run: Run) -> InForce:
    """Return what holds for a run: its own switch, else its sweep's, else the policy."""
    own = AutoResume.objects.filter(run=run).first()
    above = AutoResume.objects.filter(sweep=run.sweep).first() if run.sweep else None
    return _in_force(own, above, _policy(run, workspace_by_project()))


def _in_force(own: AutoResume | None, above: AutoResume | None, policy: AutoResumePolicy) -> InForce:
    found = next((one for one in (own, above) if one is not None and one.switch), None)
    since = found.at if found else None
    stopped_at = own.stopped_at if own else None
    holds = own is not None and stopped_at is not None and (since is None or stopped_at >= since)
    return InForce(
        on=found.switch == "on" if found else policy.on,
        by=found.by if found else "",
        since=since,
        policy=policy,
        said=own.said if own else "",
        stopped=own.stopped_why if own is not None and holds else "",
        stopped_at=stopped_at if holds else None,
    )


def _policy(subject: Run | Sweep, workspaces: Mapping[str, Workspace]) -> AutoResumePolicy:
    sweep = subject.sweep if isinstance(subject, Run) else subject
    workspace = workspaces.get(subject.project_path)
    return policy_of(workspace, sweep.sweep_id if sweep else "", sweep.name if sweep else "").auto_resume


def look_after_runs(
    *, now: datetime, send_check: Callable[[GateCheck], None], send_resume: Callable[[ResumeRequest], None]
) -> dict[str, str]:
    """Look at every run that could be resumed without a person; return what was done, by run id.

    Everything is derived from the rows anew: a pass that dies anywhere is made good by the next one, and the one open
    wish a run keeps it from racing a person.
    """
    done: dict[str, str] = {}
    rows, workspaces = list(AutoResume.objects.all()), workspace_by_project()
    own = {row.run_id: row for row in rows if row.run_id}
    above = {row.sweep_id: row for row in rows if row.sweep_id}
    waiting = RunStatus.objects.filter(verdict="resume", crash_class__in=CLASSES).order_by("pk")
    for status in waiting.select_related("run__sweep"):
        run = status.run
        force = _in_force(own.get(run.pk), above.get(run.sweep_id or 0), _policy(run, workspaces))
        act, said = decide(_facts(status, force, now)) if force.on else (Act.NOTHING, "")
        if act is not Act.NOTHING:
            done[run.run_id] = _do(act, said, run, force, now, send_check, send_resume)
        elif force.said != said and force.said:
            AutoResume.objects.filter(run=run).update(said=said)
    return done


def _facts(status: RunStatus, force: InForce, now: datetime) -> AutoFacts:
    run = status.run
    return AutoFacts(
        now=now,
        policy=force.policy,
        on=force.on,
        verdict=status.verdict,
        crash_class=status.crash_class,
        ended_at=run.ended_at,
        under_way=ResumeRequest.objects.filter(run=run, state__in=ResumeRequest.OPEN).exists(),
        stopped=bool(force.stopped),
        past=_past(run, force.since),
        look=_look(run),
    )


def _past(run: Run, since: datetime | None) -> tuple[Past, ...]:
    """The attempts without a person since it was switched on, the oldest first."""
    rows = ResumeRequest.objects.filter(run=run, asked_by=ACTOR).exclude(state__in=ResumeRequest.OPEN)
    rows = rows.filter(asked_at__gte=since) if since is not None else rows
    return tuple(
        Past(one.state, one.finished_at, one.checkpoint_step, one.checkpoint_epoch) for one in rows.order_by("pk")
    )


def _look(run: Run) -> Look | None:
    check = latest_check(run)
    if check is None:
        return None
    refusal, found = check.said if not check.lines else "", checkpoint_from(check.found)
    if check.lines:
        try:
            check_can_resume(check.gate)
        except SweepboardError as error:
            refusal = str(error)
    checked_at = None if check.state == "queued" else check.checked_at
    return Look(checked_at, refusal, found.step if found else None, found.epoch if found else None)


def _do(
    act: Act, said: str, run: Run, force: InForce, now: datetime, send_check: Callable[[GateCheck], None],
    send_resume: Callable[[ResumeRequest], None],
) -> str:  # fmt: skip
    if act is Act.STOP:
        return _stop(run, said, now)
    if act is Act.LOOK:
        send_check(ask_for_check(run=run, actor=ACTOR, now=now))
    if act is Act.PRESS and (check := latest_check(run)) is not None:
        try:
            send_resume(ask_for_resume(run=run, check=check, actor=ACTOR, now=now, choices={}))
        except SweepboardError as error:  # a person was quicker, or the look grew old
            said = str(error)
    if said != force.said:
        AutoResume.objects.update_or_create(run=run, defaults={"said": said})
    return str(act)


def _stop(run: Run, why: str, now: datetime) -> str:
    with transaction.atomic():
        AutoResume.objects.update_or_create(run=run, defaults={"stopped_at": now, "stopped_why": why, "said": ""})
        record(type="resume.auto.stopped", actor=ACTOR, subject=f"run {run.run_id}", reason=why)
    log.warning("resume.auto.stopped", run=run.run_id, why=why)
    return str(Act.STOP)


def shown_auto_of_sweep(sweep: Sweep) -> InForce:
    """Return what the page of a sweep shows of it: its switch, else the policy."""
    row = AutoResume.objects.filter(sweep=sweep).exclude(switch="").first()
    policy = _policy(sweep, workspace_by_project())
    return InForce(row.switch == "on" if row else policy.on, row.by if row else "", row.at if row else None, policy)
