"""The page of GPU hours."""

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.board.gpu_hours import SPANS, gpu_hours, span_of
from apps.board.presenters import source_lines
from apps.core.clock import utcnow
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires

TEMPLATE = "board/gpu_hours.html"


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def gpu_hours_page(request: HttpRequest) -> HttpResponse:
    """Show who had the GPUs within the last days."""
    data = gpu_hours(span_of(request.GET.get("days", "")), utcnow())
    context = {"data": data, "spans": SPANS, "sources": source_lines(data.clusters)}
    return render_page(request, TEMPLATE, context, partials=("gpu-hours",))
