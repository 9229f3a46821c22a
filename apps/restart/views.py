"""The page of a restart: what would be lost, the way that the practice allows, and what opens the guard."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.restart.domain import Opening, Way
from apps.restart.presenting import shown_restart
from apps.restart.selectors import Subject, restarts_of, sweep_of
from apps.restart.services import ask_for_restart
from apps.restart.tasks import send_restart
from apps.sweeps.models import Run, Sweep

TEMPLATE = "restart/page.html"


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def run_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what a restart of one run would lose, and what may be done instead."""
    return _answer(request, _run(pk))


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def sweep_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the same of a whole sweep."""
    return _answer(request, _sweep(pk))


@require_POST
@requires(Permission.RESTART)
def press_run(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that a run be restarted, if the guard lets it through."""
    return _press(request, _run(pk))


@require_POST
@requires(Permission.RESTART)
def press_sweep(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that a sweep be restarted, if the guard lets it through."""
    return _press(request, _sweep(pk))


def _press(request: HttpRequest, subject: Subject) -> HttpResponse:
    told = request.POST
    wish, agents = str(told.get("wish", "")), str(told.get("agents", "1"))
    if wish not in (Way.RELAUNCH, Way.NEW_SWEEP) or not agents.isdecimal() or len(agents) > 3:
        return _answer(request, subject, said="Say what is to be done, and with how many agents.")
    opening = Opening(
        str(told.get("fatal", "")), str(told.get("reason", "")), is_allowed(request.user, Permission.OVERRIDE_GATE)
    )
    try:
        asked = ask_for_restart(
            subject=subject, wish=Way(wish), agents=int(agents), opening=opening,
            actor=request.user.get_username(), now=utcnow(),
        )  # fmt: skip
    except SweepboardError as error:
        return _answer(request, subject, said=str(error))
    send_restart(asked)
    said = "Agents will be relaunched." if wish == Way.RELAUNCH else "A new sweep will be made."
    return _answer(request, subject, said=said)


def _run(pk: int) -> Run:
    return get_object_or_404(Run.objects.select_related("sweep__workspace"), pk=pk)


def _sweep(pk: int) -> Sweep:
    return get_object_or_404(Sweep.objects.select_related("workspace"), pk=pk)


def _answer(request: HttpRequest, subject: Subject, *, said: str = "") -> HttpResponse:
    kind = "run" if isinstance(subject, Run) else "sweep"
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect(f"restart:{kind}", pk=subject.pk)
    asked = restarts_of(sweep_of(subject))
    latest = asked[0] if asked else None
    context: dict[str, Any] = {
        "subject": subject,
        "kind": kind,
        "run": subject if isinstance(subject, Run) else None,
        "sweep": sweep_of(subject),
        "address": reverse(f"restart:{kind}", kwargs={"pk": subject.pk}),
        "press": reverse(f"restart:press-{kind}", kwargs={"pk": subject.pk}),
        "shown": shown_restart(subject, utcnow()),
        "latest": latest,
        "earlier": asked[1:],
        "live": latest is not None and latest.is_open,
        "may": is_allowed(request.user, Permission.RESTART),
        "may_override": is_allowed(request.user, Permission.OVERRIDE_GATE),
        "said": said,
    }
    return render_page(request, TEMPLATE, context, partials=("restart",))
