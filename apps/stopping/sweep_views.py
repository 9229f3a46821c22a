"""The page on which a sweep is paused, resumed, stopped or cancelled in W&B, with every job that works for it."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.stopping.selectors import MOST, controls_of, lines_of, live_jobs_of
from apps.stopping.steering import ask_to_steer, check_can_steer
from apps.stopping.tasks import send
from apps.sweeps.control import STATE_AFTER, WHAT_IT_DOES
from apps.sweeps.models import Sweep

TEMPLATE = "stopping/sweep.html"


@dataclass(frozen=True)
class Lever:
    """One thing that can be done to a sweep in W&B; ``refusal`` says why not now."""

    wish: str
    does: str
    refusal: str


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def sweep_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what can be done to a sweep in W&B, and the jobs that work for it with what each would lose."""
    return _answer(request, _sweep(pk))


@require_POST
@requires(Permission.STEER_SWEEPS)
def steer(request: HttpRequest, pk: int, wish: str) -> HttpResponse:
    """Ask that the sweep be paused, resumed, stopped or cancelled in W&B; a cancel wants its box ticked."""
    sweep = _sweep(pk)
    if wish == "cancel" and request.POST.get("confirm") != "yes":
        return _answer(request, sweep, said="Tick the box beside 'Cancel' first: nothing was done.")
    try:
        send(ask_to_steer(sweep=sweep, wish=wish, actor=request.user.get_username(), now=utcnow()))
    except SweepboardError as error:
        return _answer(request, sweep, said=str(error))
    return _answer(request, sweep, said=f"W&B is told to {wish} the sweep.")


def _sweep(pk: int) -> Sweep:
    return get_object_or_404(Sweep.objects.select_related("workspace"), pk=pk)


def _lever(sweep: Sweep, wish: str) -> Lever:
    try:
        check_can_steer(sweep, wish)
    except SweepboardError as error:
        return Lever(wish, WHAT_IT_DOES[wish], str(error))
    return Lever(wish, WHAT_IT_DOES[wish], "")


def _answer(request: HttpRequest, sweep: Sweep, *, said: str = "") -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("stopping:sweep", pk=sweep.pk)
    return render_page(request, TEMPLATE, {**_context(request, sweep), "said": said}, partials=("sweep-control",))


def _context(request: HttpRequest, sweep: Sweep) -> dict[str, Any]:
    asked = controls_of(sweep)
    return {
        "sweep": sweep,
        "levers": [_lever(sweep, wish) for wish in STATE_AFTER],
        "lines": lines_of(live_jobs_of(sweep), utcnow()),
        "most": MOST,
        "latest": asked[0] if asked else None,
        "earlier": asked[1:],
        "live": bool(asked and asked[0].is_open),
        "may": is_allowed(request.user, Permission.STEER_SWEEPS),
        "may_cancel": is_allowed(request.user, Permission.CANCEL_JOBS),
    }
