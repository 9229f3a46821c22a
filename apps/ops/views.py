"""Health, errors, and 'sync now'."""

import uuid

import structlog
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.ops.health import readiness
from apps.ops.services import ask_for_sync
from apps.ops.sources import TITLES, recent_passes, source_rows

log = structlog.get_logger(__name__)


@login_not_required
@never_cache
@require_safe
def healthz(request: HttpRequest) -> HttpResponse:
    """Answer that this process lives; nothing else is asked."""
    return JsonResponse({"status": "ok"})


@login_not_required
@never_cache
@require_safe
def readyz(request: HttpRequest) -> HttpResponse:
    """Answer whether Sweepboard can work, and how fresh each source is; 503 without database or Redis."""
    ready = readiness()
    return JsonResponse(ready.as_json(detailed=request.user.is_authenticated), status=200 if ready.ok else 503)


@require_POST
@requires(Permission.SYNC_NOW)
def sync_now(request: HttpRequest) -> HttpResponse:
    """Ask for a pass over one source, or over W&B and Slurm, now."""
    source = request.POST.get("source", "")
    messages.info(request, ask_for_sync(actor=request.user.get_username(), source=source))
    target = request.POST.get("next", "/")
    safe = url_has_allowed_host_and_scheme(target, allowed_hosts={request.get_host()})
    return redirect(target if safe else "/")


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def sources_page(request: HttpRequest) -> HttpResponse:
    """Show each source's last pass, when the next is due, and what happened lately."""
    chosen = request.GET.get("source", "")[:20].replace("\x00", "")
    only_failed = request.GET.get("failed", "") == "1"
    context = {
        "rows": source_rows(),
        "passes": recent_passes(chosen, failed=only_failed),
        "titles": TITLES,
        "chosen": chosen,
        "only_failed": only_failed,
    }
    return render_page(request, "ops/sources.html", context, partials=("sources",))


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(
        request,
        400,
        "That request cannot be understood.",
        "Go back to the board and try again. If you reached Sweepboard under a new name, an admin has to add it "
        "to SWEEPBOARD_HOSTS.",
    )


def forbidden(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 403, "You may not do that.", str(exception) or "Ask an admin of this Sweepboard.")


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return _error(request, 404, "There is nothing here.", "The link may be old, or W&B may have dropped the sweep.")


def server_error(request: HttpRequest) -> HttpResponse:
    reference = uuid.uuid4().hex[:12]
    log.error("request.crashed", reference=reference, path=request.path)
    return _error(
        request,
        500,
        "Sweepboard failed on this page.",
        f"Nothing was lost. Reference for your admin: {reference}.",
    )


def csrf_failed(request: HttpRequest, reason: str = "") -> HttpResponse:
    return _error(
        request,
        403,
        "This form is out of date.",
        "You may have logged in or out in another tab. Go back, reload the page and try again.",
    )


def locked_out(request: HttpRequest, credentials: object = None, *args: object, **kwargs: object) -> HttpResponse:
    return _error(
        request, 429, "Too many wrong passwords.", "This name is locked for a quarter of an hour. Then try again."
    )


def _error(request: HttpRequest, status: int, title: str, sentence: str) -> HttpResponse:
    return render(request, "error.html", {"title": title, "sentence": sentence, "status": status}, status=status)
