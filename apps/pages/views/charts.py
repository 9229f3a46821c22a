"""The charts of a sweep, each with an address of its own, and runs side by side."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.core.clock import utcnow
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.pages.domain.configs import compared
from apps.pages.figures.curves import MOST_CHOSEN
from apps.pages.views.catalogue import CHARTS
from apps.pages.views.charting import answer_chart
from apps.pages.views.sweep import sweep_of
from apps.sweeps.models import Run

LEAST = 2


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def chart(request: HttpRequest, pk: int, name: str, form: str = "") -> HttpResponse:
    """Answer one chart of a sweep, as a panel, a figure or a CSV file; ``run`` chooses runs for its curves."""
    entry = CHARTS.get(name)
    if entry is None or form not in ("", "json", "csv"):
        raise Http404("There is no such chart.")
    sweep = sweep_of(pk)
    make = entry.make_all if form == "csv" and entry.make_all else entry.make
    made = make(sweep, _runs(request), utcnow())
    back = reverse("pages:sweep", args=[pk])
    return answer_chart(request, made, form, base=reverse("pages:chart", args=[pk, name]),
                        title=sweep.name or sweep.sweep_id, back=back)  # fmt: skip


def _runs(request: HttpRequest) -> list[int]:
    """Return the runs that are asked for, each once; one more than may be, so that too many are noticed."""
    told = request.GET.getlist("run")
    asked = dict.fromkeys(int(one) for one in told if one.isdecimal() and len(one) < 16)
    return list(asked)[: MOST_CHOSEN + 1]


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def compare(request: HttpRequest, pk: int) -> HttpResponse:
    """Show two to eight runs of a sweep side by side: curves, what differs in their configs, their summaries."""
    sweep, asked = sweep_of(pk), _runs(request)
    rows = Run.objects.filter(sweep=sweep).select_related("status").in_bulk(asked)
    runs = [rows[one] for one in asked if one in rows]
    if not LEAST <= len(runs) <= MOST_CHOSEN:
        messages.error(request, f"Tick two to eight runs to compare; {len(runs)} of this sweep were asked for.")
        return redirect(f"{reverse('pages:sweep', args=[pk])}#runs")
    config, summary = compared([run.config for run in runs]), compared([run.summary for run in runs])
    context: dict[str, Any] = {
        "sweep": sweep,
        "runs": runs,
        "config": [row for row in config if row.differs],
        "alike": [row for row in config if not row.differs],
        "summary": summary,
        "curves": f"{reverse('pages:chart', args=[pk, 'curves'])}?{urlencode([('run', run.pk) for run in runs])}",
        "now": utcnow(),
    }
    return render_page(request, "pages/compare.html", context)
