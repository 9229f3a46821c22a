"""Posting plans, revising them, and talking about them."""

from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction

from apps.approvals.actors import Actor, Agent
from apps.approvals.domain.comments import LONGEST, sounds_like_approval
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.plans import Draft, check_draft, check_words
from apps.approvals.domain.questions import check_plain_text
from apps.approvals.domain.states import OPEN, PlanState, check_can_revise, expiry
from apps.approvals.domain.text import sha_of, text_of
from apps.approvals.models import Comment, Plan, PlanVersion, content_of
from apps.approvals.services.common import key_or_new, locked, named, newest, note, standing, touch
from apps.handovers.domain.states import came_after, why_not_begun
from apps.handovers.models import Handover

log = structlog.get_logger(__name__)


def create_plan(*, handover: Handover, draft: Draft, by: Actor, now: datetime, key: str = "") -> Plan:
    """Post a plan on a handover; it waits for a person then.

    The same ``key`` of the same caller makes one plan, however often it is sent, and so does the same text on one
    handover. ``Refused`` where something is missing, where the key stands for another plan, or where the handover is
    gone, in the archive or superseded.
    """
    check_draft(draft)
    who, text = named(by), text_of(draft)
    key, sha256 = key_or_new(key), sha_of(text)
    try:
        return _posted_before(handover, who, key, sha256, now) or _create(handover, draft, who, key, now)
    except IntegrityError:  # the same request came twice at once, and the other one was faster
        if before := _posted_before(handover, who, key, sha256, now):
            return before
        raise


def _posted_before(handover: Handover, who: dict[str, str], key: str, sha256: str, now: datetime) -> Plan | None:
    if held := Plan.objects.filter(key=key, **who).first():
        first = PlanVersion.objects.get(plan=held, number=1)
        if (held.handover_id, first.sha256) != (handover.pk, sha256):
            raise Refused(f"The key '{key}' stands for plan {held.pk}, which says something else: use a new key.")
        return held
    states = [one.value for one in OPEN]
    same = Plan.objects.filter(handover=handover, sha256=sha256, state__in=states).first()
    if same is not None and same.expired(now):
        raise Refused(f"Plan {same.pk} says exactly this and expired: post it again as its revision.")
    return same


def _check_handover(handover: Handover) -> None:
    newer = handover.superseded_by.key if handover.superseded_by else ""
    if why := why_not_begun(handover.key, handover.state, newer):
        raise Refused(why)
    if after := came_after(handover.key, handover.state, newer):
        raise Refused(f"{after} Post the plan on that one.")


@transaction.atomic
def _create(handover: Handover, draft: Draft, who: dict[str, str], key: str, now: datetime) -> Plan:
    _check_handover(handover)
    sha256 = sha_of(text_of(draft))
    plan = Plan.objects.create(
        handover=handover,
        title=draft.title,
        kind=draft.kind.value,
        sha256=sha256,
        key=key,
        posted_at=now,
        moved_at=now,
        expires_at=expiry(now, handover.workspace.policy.plan_expires_hours),
        **who,
    )
    _add_version(plan, 1, draft, who, key, now)
    note(plan, "posted", who, sha256=sha256, version=1)
    log.info("approvals.plan.posted", plan=plan.pk, handover=handover.key, by=who["by"])
    return plan


def _add_version(plan: Plan, number: int, draft: Draft, who: dict[str, str], key: str, now: datetime) -> PlanVersion:
    text = text_of(draft)
    return PlanVersion.objects.create(
        plan=plan, number=number, content=content_of(draft), text=text, sha256=sha_of(text), key=key, at=now, **who
    )


def revise_plan(*, plan: Plan, draft: Draft, by: Actor, now: datetime, key: str = "") -> PlanVersion:
    """Post a new text of a plan; an approval of the old one is void from then on, and the plan waits anew.

    The same text again changes nothing, unless the plan expired or failed: then it waits anew. A ``key`` that was used
    before returns the version that it made. ``Refused`` for an agent that did not post the plan.
    """
    check_draft(draft)
    who, key = named(by), key_or_new(key)
    try:
        return _revise(plan, draft, who, key, now)
    except IntegrityError as error:
        if held := _revised_before(plan, key, sha_of(text_of(draft))):
            return held
        raise Refused("Another open plan of this handover says exactly this.") from error


@transaction.atomic
def _revise(plan: Plan, draft: Draft, who: dict[str, str], key: str, now: datetime) -> PlanVersion:
    plan = locked(plan)
    # Another agent's version would void an approval, and be carried out under the name of whoever posted the plan.
    if who["by_kind"] == Agent.kind and (plan.by_kind, plan.by) != (who["by_kind"], who["by"]):
        raise Refused(
            f"Only {plan.by}, who posted it, revises plan {plan.pk}: comment on it, or post a plan of your own."
        )
    before = newest(plan)
    sha256 = sha_of(text_of(draft))
    if held := _revised_before(plan, key, sha256):
        return held
    stands = standing(plan, before)
    check_can_revise(stands)
    if sha256 == before.sha256 and not stands.expired(now) and stands.state is not PlanState.FAILED:
        return before
    version = _add_version(plan, before.number + 1, draft, who, key, now)
    _void(plan, version, who, now)
    hours = plan.handover.workspace.policy.plan_expires_hours
    values: dict[str, Any] = {"title": draft.title, "kind": draft.kind.value, "sha256": sha256}
    touch(plan, state=PlanState.POSTED.value, moved_at=now, expires_at=expiry(now, hours), **values)
    note(plan, "revised", who, sha256=sha256, version=version.number)
    return version


def _revised_before(plan: Plan, key: str, sha256: str) -> PlanVersion | None:
    held = PlanVersion.objects.filter(plan=plan, key=key).first()
    if held is not None and held.sha256 != sha256:
        raise Refused(f"The key '{key}' stands for version {held.number}, which says something else: use a new key.")
    return held


def _void(plan: Plan, version: PlanVersion, who: dict[str, str], now: datetime) -> None:
    """Take back what an approval of an earlier text allowed."""
    why = f"{who['by']} posted version {version.number} on {now:%Y-%m-%d %H:%M} UTC"
    for approval in plan.decisions.filter(act="approved", voided_at=None):
        approval.voided_at, approval.voided_why = now, why[:300]
        approval.save(update_fields=["voided_at", "voided_why"])
        note(plan, "approval.voided", who, sha256=approval.sha256, approved_by=approval.by, version=version.number)
        log.info("approvals.plan.approval_voided", plan=plan.pk, version=version.number)


@transaction.atomic
def comment_on_plan(*, plan: Plan, text: str, by: Actor, now: datetime, key: str = "") -> Comment:
    """Keep words about a plan. They approve nothing, whatever they say and whoever says them.

    A form that is sent twice keeps one comment; other words under its ``key``, after 'back' in a browser, are another.
    ``Refused`` where an agent asks for a decision between options in plain text; the sentence holds the form to use.
    """
    text = text.strip().replace("\r\n", "\n")
    check_words("The comment", text, LONGEST)
    who, key = named(by), sha_of(f"{key_or_new(key)}\n{text}")
    if isinstance(by, Agent):
        check_plain_text(text)
    plan = locked(plan)
    if held := Comment.objects.filter(plan=plan, key=key, **who).first():
        return held
    made = Comment.objects.create(
        plan=plan,
        version=newest(plan),
        text=text,
        affirmative=sounds_like_approval(text),
        key=key,
        at=now,
        **who,
    )
    touch(plan)
    note(plan, "commented", who, text=made.text[:500])
    return made
