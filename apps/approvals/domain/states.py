"""Where a plan stands, and what may be done with it there. Each check raises a sentence for people."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from apps.approvals.domain.errors import Refused
from apps.core.errors import AlreadyDone


class PlanState(StrEnum):
    """``posted`` waits for a person, ``change-requested`` for its author; of a ``failed`` one the validation failed."""

    POSTED = "posted"
    CHANGE_REQUESTED = "change-requested"
    APPROVED = "approved"
    DEPLOYING = "deploying"
    DEPLOYED = "deployed"
    FAILED = "failed"
    REJECTED = "rejected"


OPEN = (PlanState.POSTED, PlanState.CHANGE_REQUESTED, PlanState.APPROVED, PlanState.DEPLOYING)
PLANNING = (PlanState.POSTED, PlanState.CHANGE_REQUESTED)
UNDER_WAY = (PlanState.APPROVED, PlanState.DEPLOYING)


@dataclass(frozen=True, slots=True)
class Standing:
    """What the checks look at. ``sha256`` is that of the newest version; ``approved_sha256`` that of the standing
    approval, empty where there is none; ``voided`` says that an approval was there and the text changed after it.
    """

    state: PlanState
    version: int
    sha256: str
    expires_at: datetime
    approved_sha256: str = ""
    voided: bool = False

    def expired(self, now: datetime) -> bool:
        """An open plan that nobody moved on for as long as the policy allows; what is over cannot expire."""
        return self.state in OPEN and now >= self.expires_at


def expiry(now: datetime, hours: float) -> datetime:
    """Return when a plan that was moved on at ``now`` expires; every version, approval and report moves it on."""
    return now + timedelta(hours=hours)


def check_can_approve(plan: Standing, shown_sha256: str, now: datetime) -> None:
    """Raise unless exactly the text that was shown may be approved now."""
    check_can_decide(plan, now)
    if shown_sha256 != plan.sha256:
        raise Refused(
            f"The plan's text changed since this page was loaded: it is version {plan.version} now. "
            "Nothing was approved; read the new text first."
        )


def check_can_decide(plan: Standing, now: datetime) -> None:
    """Raise unless the plan waits for a decision."""
    if plan.expired(now):
        raise Refused(f"The plan expired on {plan.expires_at:%Y-%m-%d %H:%M} UTC. Its author must post it again.")
    if plan.state in (PlanState.APPROVED, PlanState.DEPLOYING):
        raise AlreadyDone("The plan was approved before.")
    if plan.state not in PLANNING:
        raise Refused(f"The plan is {plan.state.value}: there is nothing left to decide.")


def check_can_revise(plan: Standing) -> None:
    """Raise for a plan that is over; an expired one may be posted again."""
    if plan.state in (PlanState.DEPLOYED, PlanState.REJECTED):
        raise Refused(f"The plan is {plan.state.value}: post a new plan.")


def check_can_report(plan: Standing, now: datetime) -> None:
    """Raise unless the plan is approved as it stands, and not expired."""
    if plan.state in PLANNING:
        void = " The approval is void, because the text changed after it." if plan.voided else ""
        raise Refused(
            f"The plan is not approved.{void} A person must press Approve on its page; nothing else, "
            "no comment and no 'yes', approves it."
        )
    if plan.state not in UNDER_WAY:
        raise Refused(f"The plan is {plan.state.value}: nothing more can be reported.")
    if plan.approved_sha256 != plan.sha256:
        raise Refused("The plan's text is not the one that was approved: a person must approve it anew.")
    if plan.expired(now):
        raise Refused(f"The plan expired on {plan.expires_at:%Y-%m-%d %H:%M} UTC. Post it again for a new approval.")
