"""What a badge says beside its evidence: on what it stands, and what people made of it."""

from django import template

from apps.board.domain import Badge
from apps.checkpoints.models import Verification
from apps.core.clock import utcnow
from apps.flags.models import Flag
from apps.flags.rules.catalogue import meaning_of
from apps.sweeps.models import Run

register = template.Library()


@register.filter
def seen(badge: Badge | Flag) -> str:
    """Return why a flag, or all flags of a badge, need nobody now; empty where somebody is needed."""
    return badge.seen if isinstance(badge, Badge) else badge.seen_at(utcnow())


@register.filter
def proof(run: Run) -> Verification | None:
    """Return what was proven of a run's newest checkpoint as it is now; None where nothing was."""
    checkpoint = getattr(run, "checkpoint", None)
    proofs: list[Verification] = getattr(run, "proofs", [])
    return next((one for one in proofs if checkpoint is not None and one.holds_for(checkpoint)), None)


@register.filter
def practice(rule_id: str) -> str:
    """Return the section of the practice that a rule stands on."""
    return meaning_of(rule_id).practice
