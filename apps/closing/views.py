"""The page on which a zombie is marked as failed in W&B: its evidence, one button, and what became of it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.closing.domain import WILL_SHOW
from apps.closing.models import CloseRequest
from apps.closing.selectors import check_can_close, closings_of, evidence_of, status_of
from apps.closing.services import ask_for_closing
from apps.closing.tasks import send_closing
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.sweeps.models import Run

TEMPLATE = "closing/page.html"


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def close_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the evidence for and against closing a run, and how far its closing is."""
    return _answer(request, _run(pk))


@require_POST
@requires(Permission.CLOSE_RUNS)
def press(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that a run be marked as failed in W&B; a second press while that is under way changes nothing."""
    run = _run(pk)
    try:
        asked = ask_for_closing(run=run, actor=request.user.get_username(), now=utcnow())
    except SweepboardError as error:
        return _answer(request, run, said=str(error))
    send_closing(asked)
    return _answer(request, run, said=f"Run {run.run_id} will be marked as failed in W&B.")


def _run(pk: int) -> Run:
    return get_object_or_404(Run.objects.select_related("sweep__workspace"), pk=pk)


def _answer(request: HttpRequest, run: Run, *, said: str = "") -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("closing:run", pk=run.pk)
    return render_page(request, TEMPLATE, {**_context(request, run), "said": said}, partials=("closing",))


def _context(request: HttpRequest, run: Run) -> dict[str, Any]:
    now, closings = utcnow(), closings_of(run)
    latest = closings[0] if closings else None
    # Once asked, what was known then is what counts; what is known now changes by the closing itself.
    asked_on = latest is not None and bool(latest.evidence) and (latest.is_open or latest.state == "verified")
    return {
        "run": run,
        "status": status_of(run),
        "asked_on": asked_on,
        "evidence": latest.evidence if latest and asked_on else evidence_of(run, now),
        "will_show": WILL_SHOW,
        "refusal": _refusal(run, latest),
        "may": is_allowed(request.user, Permission.CLOSE_RUNS),
        "latest": latest,
        "earlier": closings[1:],
    }


def _refusal(run: Run, latest: CloseRequest | None) -> str:
    """Why the button cannot be pressed now; empty if it can."""
    if latest is not None and latest.is_open:
        return "The closing is under way."
    try:
        check_can_close(run, utcnow())
    except SweepboardError as error:
        return str(error)
    return ""
