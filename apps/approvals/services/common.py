"""What the services share: who asks, keys, the lock on a plan, and its trail."""

import uuid
from typing import Any

from django.db.models import F

from apps.approvals.actors import Actor, Agent, AtShell, Person
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.plans import check_words
from apps.approvals.domain.states import Standing
from apps.approvals.models import Plan, PlanVersion, standing_of
from apps.audit.services import record

LONGEST_NAME, LONGEST_KEY = 150, 100


def named(by: Actor) -> dict[str, str]:
    """Return who did it as a row keeps it; ``Refused`` for nobody in particular."""
    if not isinstance(by, Agent | AtShell | Person):
        raise Refused("Say who asks: an agent by its name, or a person.")
    check_words("The name of whoever asks", by.name, LONGEST_NAME)
    return {"by": by.name, "by_kind": by.kind}


def key_or_new(key: str) -> str:
    """Return the caller's idempotency key, or one that nobody else has."""
    if not key:
        return uuid.uuid4().hex
    check_words("The idempotency key", key, LONGEST_KEY)
    return key


def locked(plan: Plan) -> Plan:
    """Return the plan as it is now, held until the transaction ends; call it inside one."""
    return Plan.objects.select_for_update(of=("self",)).select_related("handover__workspace").get(pk=plan.pk)


def newest(plan: Plan) -> PlanVersion:
    return PlanVersion.objects.filter(plan=plan).latest("number")


def standing(plan: Plan, version: PlanVersion) -> Standing:
    """Return what the checks look at, read within the caller's transaction."""
    approvals = list(plan.decisions.filter(act="approved").order_by("-pk"))
    held = next((one for one in approvals if one.voided_at is None), None)
    return standing_of(plan, version, held, voided=held is None and bool(approvals))


def touch(plan: Plan, **values: Any) -> None:
    """Write what changed of a plan, and that something did."""
    Plan.objects.filter(pk=plan.pk).update(revision=F("revision") + 1, **values)
    plan.refresh_from_db(fields=["revision", *values])


def note(plan: Plan, what: str, who: dict[str, str], **detail: Any) -> None:
    """Add the audit event of an act on a plan; call it inside the act's transaction.

    ``by_kind`` stands beside the name, because an agent may be called as a person is.
    """
    told = {"by_kind": who["by_kind"], "handover": plan.handover.key, **detail}
    record(type=f"plan.{what}", actor=who["by"], subject=plan.subject, **told)
