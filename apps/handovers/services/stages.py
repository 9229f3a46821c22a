"""The facts of a handover's flow: what the registry knows, and what rooms above it tell of plans and questions."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

from apps.handovers.domain.stages import StageFacts
from apps.handovers.models import Handover

# By a handover's primary key: the fields of StageFacts that somebody above knows.
PlanFacts = Callable[[int], dict[str, Any]]
_told_by: list[PlanFacts] = []


def tells_plans(told: PlanFacts) -> PlanFacts:
    """Register who knows of plans and questions; usable as a decorator."""
    if told not in _told_by:
        _told_by.append(told)
    return told


def stage_facts(handover: Handover) -> StageFacts:
    """Return how far the flow of a handover is."""
    first = handover.pickups.order_by("pk").first()
    facts = StageFacts(
        written_at=handover.date or handover.first_seen_at,
        picked_up_at=first.at if first else None,
        picked_up_by=first.who if first else "",
    )
    for told in _told_by:
        facts = replace(facts, **told(handover.pk))
    return facts
