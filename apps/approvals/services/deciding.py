"""The one way out of plan mode, and the two ways back: acts of a logged-in person on the plan's page."""

from datetime import datetime

import structlog
from django.db import transaction

from apps.approvals.actors import Person, check_person
from apps.approvals.domain.comments import LONGEST
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.plans import check_words
from apps.approvals.domain.states import PlanState, check_can_approve, check_can_decide, expiry
from apps.approvals.domain.text import sha_of
from apps.approvals.models import Decision, Plan
from apps.approvals.services.common import locked, named, newest, note, standing, touch
from apps.core.permissions import Permission

log = structlog.get_logger(__name__)


@transaction.atomic
def approve_plan(*, plan: Plan, shown_sha256: str, by: Person, now: datetime) -> Decision:
    """Approve exactly the text whose hash the page carried.

    ``NotAPerson`` for anybody but a logged-in person, ``PermissionDenied`` without the permission, ``Refused`` where
    the text is another one by now, or the plan is over or expired, ``AlreadyDone`` where somebody else was first. The
    same person's second press returns the first one's approval.
    """
    person = check_person(by, Permission.APPROVE_PLANS, "approve a plan")
    plan = locked(plan)
    version = newest(plan)
    if sha_of(version.text) != version.sha256:
        log.error("approvals.plan.text_differs_from_its_hash", plan=plan.pk, version=version.number)
        raise Refused("The kept text is not the one that was posted. Nothing was approved; have the plan posted anew.")
    stands = standing(plan, version)
    held = plan.decisions.filter(act="approved", voided_at=None).first()
    # Of a plan that expired since, the first press allows nothing any more, and the second must not say that it does.
    if held is not None and (held.by, held.sha256) == (person.name, shown_sha256) and not stands.expired(now):
        return held
    check_can_approve(stands, shown_sha256, now)
    made = Decision.objects.create(
        plan=plan, version=version, act=PlanState.APPROVED.value, sha256=version.sha256, by=person.name, at=now
    )
    hours = plan.handover.workspace.policy.plan_expires_hours
    touch(plan, state=PlanState.APPROVED.value, moved_at=now, expires_at=expiry(now, hours))
    note(plan, "approved", named(person), sha256=version.sha256, version=version.number)
    log.info("approvals.plan.approved", plan=plan.pk, version=version.number, by=person.name)
    return made


def reject_plan(*, plan: Plan, reason: str, shown_sha256: str, by: Person, now: datetime) -> Decision:
    """Turn a plan down for good, with the reason; another plan must be posted then."""
    return _turn_back(plan, PlanState.REJECTED, reason, shown_sha256, by, now)


def request_change(*, plan: Plan, reason: str, shown_sha256: str, by: Person, now: datetime) -> Decision:
    """Send a plan back to its author, with what should be changed."""
    return _turn_back(plan, PlanState.CHANGE_REQUESTED, reason, shown_sha256, by, now)


@transaction.atomic
def _turn_back(plan: Plan, state: PlanState, reason: str, shown_sha256: str, by: Person, now: datetime) -> Decision:
    person = check_person(by, Permission.APPROVE_PLANS, "decide on a plan")
    reason = reason.replace("\r\n", "\n").strip()
    if not reason:
        raise Refused("Say why: whoever wrote the plan needs the reason.")
    check_words("The reason", reason, LONGEST)
    plan = locked(plan)
    version = newest(plan)
    if twice := plan.decisions.filter(act=state.value, version=version, by=person.name, reason=reason).first():
        return twice
    check_can_decide(standing(plan, version), now)
    if shown_sha256 != version.sha256:
        raise Refused(f"The plan's text changed meanwhile: it is version {version.number} now. Read it first.")
    made = Decision.objects.create(
        plan=plan, version=version, act=state.value, sha256=version.sha256, by=person.name, at=now, reason=reason
    )
    touch(plan, state=state.value, moved_at=now)
    note(plan, state.value, named(person), sha256=version.sha256, version=version.number, reason=reason[:500])
    return made
