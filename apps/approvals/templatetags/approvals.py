"""What templates of other rooms ask of plans and questions."""

from django import template

from apps.approvals import links, selectors
from apps.approvals.selectors import StageFacts
from apps.handovers.models import Handover

register = template.Library()


@register.simple_tag
def handover_url(handover: Handover | None) -> str:
    return links.handover_url(handover)


@register.simple_tag
def stage_facts(handover_pk: int) -> StageFacts:
    """How far the work on a handover is, for its page's tracker."""
    return selectors.stage_facts(handover_pk)
