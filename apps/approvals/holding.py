"""What plans tell the registry of handovers: which are in use, how far the work on each is, what was validated."""

from collections.abc import Sequence

from apps.approvals.models import Plan
from apps.approvals.selectors import checks_since, stage_facts_of
from apps.core.clock import utcnow
from apps.handovers.models import Handover
from apps.handovers.services.archiving import holds_handovers
from apps.handovers.services.prefilling import tells_checks
from apps.handovers.services.stages import tells_stages


@holds_handovers
def plans_hold(handovers: Sequence[Handover]) -> dict[int, str]:
    """Return a sentence for each handover that an open plan stands on; of several plans the newest tells."""
    rows = Plan.objects.open(utcnow()).filter(handover__in=handovers).order_by("pk")
    return {plan.handover_id: f"plan {plan.pk} '{plan.title[:80]}' is {plan.state} and stands on it" for plan in rows}


tells_stages(stage_facts_of)
tells_checks(checks_since)
