"""What is reported while an approved plan is carried out."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import transaction

from apps.approvals.actors import Actor, Agent
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.plans import check_words
from apps.approvals.domain.questions import check_plain_text
from apps.approvals.domain.reports import Result, check_final, check_step, is_status
from apps.approvals.domain.states import PlanState, check_can_report, expiry
from apps.approvals.domain.text import bounded
from apps.approvals.models import FinalReport, Plan, PlanVersion, StepReport
from apps.approvals.services.common import key_or_new, locked, named, newest, note, standing, touch

log = structlog.get_logger(__name__)
LONGEST_NOTE, LONGEST_SUMMARY = 1000, 8000


@transaction.atomic
def report_progress(
    *,
    plan: Plan,
    step: int,
    by: Actor,
    now: datetime,
    exit_status: int | None = None,
    output: str = "",
    remark: str = "",
    key: str = "",
) -> StepReport:
    """Keep how far a step is: begun (without ``exit_status``), or what its validation command came to.

    ``step`` counts from 1. Of a long ``output`` head and tail are kept. ``Refused`` unless the plan is approved as it
    stands, where an agent's ``remark`` asks for a decision between options, and where the ``key`` stands for another
    report; the same report with the same ``key`` makes one.
    """
    who, key = named(by), key_or_new(key)
    plan = locked(plan)
    version = newest(plan)
    told = {"step": step, "exit_status": exit_status, "output": bounded(output), "note": remark, **who}
    if held := _reported_before(version, key, told):
        return held
    check_can_report(standing(plan, version), now)
    check_step(version.draft, step)
    _check_parts(exit_status, output, remark)
    _check_asks_nothing(remark, by)
    made = StepReport.objects.create(version=version, key=key, at=now, **told)
    hours = plan.handover.workspace.policy.plan_expires_hours
    touch(plan, state=PlanState.DEPLOYING.value, moved_at=now, expires_at=expiry(now, hours))
    note(plan, "progress", who, step=step, exit_status=exit_status, version=version.number)
    return made


def _reported_before(version: PlanVersion, key: str, told: dict[str, Any]) -> StepReport | None:
    held = StepReport.objects.filter(version=version, key=key).first()
    if held is not None and any(getattr(held, name) != value for name, value in told.items()):
        raise Refused(f"The key '{key}' stands for another report, of step {held.step} by {held.by}: use a new key.")
    return held


def _check_parts(exit_status: int | None, output: str, remark: str) -> None:
    if exit_status is not None and not is_status(exit_status):
        raise Refused("An exit status is a whole number; 0 is a pass.")
    if output and exit_status is None:
        raise Refused("An output needs the exit status of the command that wrote it.")
    if remark:
        check_words("The remark", remark, LONGEST_NOTE)


def _check_asks_nothing(text: str, by: Actor) -> None:
    """An agent that asks for a decision in its report would not be answered: nobody presses anything there."""
    if isinstance(by, Agent):
        check_plain_text(text)


@transaction.atomic
def finish_deploy(*, plan: Plan, results: Sequence[Result], by: Actor, now: datetime, summary: str = "") -> FinalReport:
    """Keep the final report; the plan is deployed then, or failed where a command did not end with 0.

    ``Refused`` where a validation command of the approved version has no result, or the failing test or an acceptance
    test that it names; the sentence names each. The same report again returns the first one.
    """
    who = named(by)
    if summary:
        check_words("The summary", summary, LONGEST_SUMMARY)
    plan = locked(plan)
    version = newest(plan)
    told = [
        {"command": one.command.strip(), "exit_status": one.exit_status, "output": bounded(one.output)}
        for one in results
    ]
    if (held := _finished(version)) and (held.results, held.by) == (told, who["by"]):
        return held
    check_can_report(standing(plan, version), now)
    _check_asks_nothing(summary, by)
    check_final(version.draft, results)
    passed = all(one.passed for one in results)
    made = FinalReport.objects.create(version=version, results=told, passed=passed, summary=summary, at=now, **who)
    state = PlanState.DEPLOYED if passed else PlanState.FAILED
    touch(plan, state=state.value, moved_at=now)
    failing = [one.command for one in results if not one.passed]
    note(plan, state.value, who, version=version.number, failing=failing)
    log.info("approvals.plan.reported", plan=plan.pk, passed=passed, failing=len(failing))
    return made


def _finished(version: PlanVersion) -> FinalReport | None:
    return FinalReport.objects.filter(version=version).first()
