"""How far handovers have come: what this room knows of it, and what a room above supplies of plans."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from apps.handovers.domain.stages import StageFacts
from apps.handovers.models import Handover, Pickup
from apps.handovers.services.pickups import GIVEN_BACK

log = structlog.get_logger(__name__)
Supplier = Callable[[Sequence[int]], dict[int, StageFacts]]
_SUPPLIERS: list[Supplier] = []


def tells_stages(supplier: Supplier) -> Supplier:
    """Register a function that tells of plans: for primary keys of handovers the facts of those that have any.

    It is asked once for a whole list and its ``picked_up_at`` is not used: pickups are known here.
    """
    _SUPPLIERS.append(supplier)
    return supplier


def stage_facts(handovers: Sequence[Handover]) -> dict[int, StageFacts]:
    """Return the facts of each handover by its primary key, in one query and what the suppliers need.

    A supplier that fails is noted and stops no page: without it the flow is as far as what is known.
    """
    pks = [one.pk for one in handovers]
    told: dict[int, StageFacts] = {}
    for supplier in _SUPPLIERS:
        try:
            told |= supplier(pks)
        except Exception:
            log.exception("handovers.stages.supplier_failed", supplier=supplier.__qualname__)
    taken = _taken_up(pks)
    return {pk: replace(told.get(pk, StageFacts()), picked_up_at=taken.get(pk)) for pk in pks}


def _taken_up(pks: Sequence[int]) -> dict[int, datetime]:
    """Return when each was picked up, by whoever goes on with it or did so last; one that was given back was not."""
    rows = Pickup.objects.filter(handover__in=pks).exclude(released_why__startswith=GIVEN_BACK).order_by("pk")
    told = list(rows.values_list("handover_id", "at", "released_at"))
    ended = {pk: at for pk, at, released_at in told if released_at is not None}
    return ended | {pk: at for pk, at, released_at in reversed(told) if released_at is None}
