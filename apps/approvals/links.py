"""Links to pages of other rooms, where those have any."""

from django.urls import NoReverseMatch, reverse

from apps.handovers.models import Handover


def handover_url(handover: Handover | None) -> str:
    """Return the address of a handover's page; empty where there is none."""
    if handover is None:
        return ""
    for name in ("pk", "key"):
        try:
            return reverse("handovers:handover", kwargs={name: getattr(handover, name)})
        except NoReverseMatch:
            continue
    return ""
