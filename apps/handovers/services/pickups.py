"""Taking a handover up: who and when; a second one is told of the first."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from apps.audit.services import record
from apps.core.errors import Permanent
from apps.handovers.domain.states import came_after, why_not_begun
from apps.handovers.models import Handover, Pickup
from apps.workspaces.models import Workspace

KINDS = ("person", "agent")
GIVEN_BACK = "given back"  # how the reason begins where whoever had it did not go on with it


@dataclass(frozen=True, slots=True)
class PickedUp:
    """``before`` is the live pickup of somebody else, or one's own; None for the first one."""

    pickup: Pickup
    before: Pickup | None

    @property
    def sentence(self) -> str:
        one = self.pickup
        told = f"{one.who} picked up {one.handover.key} at {one.at:%Y-%m-%d %H:%M} UTC."
        newer = one.handover.superseded_by
        if after := came_after(one.handover.key, one.handover.state, newer.key if newer else ""):
            told = f"{told} {after}"
        if self.before is None:
            return told
        return f"{told} {self.before.who} had picked it up already, at {self.before.at:%Y-%m-%d %H:%M} UTC."


@transaction.atomic
def pick_up(*, handover: Handover, who: str, kind: str, now: datetime, checkout: str = "") -> PickedUp:
    """Record that ``who`` (a person or an agent) goes on with a handover.

    ``Permanent`` without a name, and for one that is gone or in the archive; of a superseded one the newer is told. A
    second pickup is recorded too and told of the first: two of them on one branch is what it warns of. The same one
    again changes nothing.
    """
    who = " ".join(who.split())[:200]
    if not who or kind not in KINDS:
        raise Permanent("A pickup needs a name, and is that of a person or an agent.")
    locked = Handover.objects.select_for_update().get(pk=handover.pk)
    newer = locked.superseded_by
    if why := why_not_begun(locked.key, locked.state, newer.key if newer else ""):
        raise Permanent(why)
    before = locked.pickups.filter(released_at=None).order_by("-pk").first()
    if before is not None and before.who == who:
        return PickedUp(before, before)
    pickup = Pickup.objects.create(handover=locked, who=who, kind=kind, at=now, checkout=checkout[:1000])
    told = {"kind": kind, "workspace": locked.workspace.name, "before": before.who if before else ""}
    record(type="handover.picked_up", actor=who, subject=locked.key, **told)
    return PickedUp(pickup, before)


def release(*, pickup: Pickup, why: str, now: datetime) -> bool:
    """End a pickup; False where it had ended before."""
    return bool(Pickup.objects.filter(pk=pickup.pk, released_at=None).update(released_at=now, released_why=why[:200]))


def release_superseded(*, workspace: Workspace, now: datetime) -> int:
    """End the pickups of handovers that a newer one of their branch came after: the work was handed on."""
    live = Pickup.objects.filter(released_at=None, handover__workspace=workspace).exclude(handover__superseded_by=None)
    # One that was picked up after the newer one was here is picked up on purpose.
    ended = live.filter(at__lte=F("handover__superseded_by__first_seen_at")).select_related("handover__superseded_by")
    for one in ended:
        newer = one.handover.superseded_by
        release(pickup=one, why=f"handed on by {newer.key if newer else 'a newer one'}", now=now)
    return len(ended)


def release_old(*, workspace: Workspace, days: float, now: datetime) -> int:
    """End pickups that are older than the policy holds them to be alive."""
    old = Pickup.objects.filter(released_at=None, handover__workspace=workspace, at__lt=now - timedelta(days=days))
    return old.update(released_at=now, released_why=f"older than {days:g} days")
