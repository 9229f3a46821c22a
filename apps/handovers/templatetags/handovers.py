"""A link from a run or a sweep to the handovers that name it."""

from typing import Any

from django import template

from apps.handovers.selectors import handovers_of_run, handovers_of_sweep
from apps.sweeps.models import Run, Sweep

register = template.Library()


@register.inclusion_tag("handovers/link.html")
def handovers_naming(run: Run | None = None, sweep_pk: int | None = None) -> dict[str, Any]:
    """Return how many handovers name a run, or a sweep or one of its runs; one query."""
    if run is not None:
        return {"kind": "run", "pk": run.pk, "number": handovers_of_run(run).count()}
    number = handovers_of_sweep(Sweep(pk=sweep_pk)).count() if sweep_pk else 0
    return {"kind": "sweep", "pk": sweep_pk, "number": number}
