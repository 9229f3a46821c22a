"""Writing a handover on the web: prefilled, with a live preview; what was typed stays, whatever goes wrong."""

import secrets
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import structlog
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError, Transient
from apps.core.locks import Busy, lease
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.handovers.desk import acting
from apps.handovers.desk.places import Where
from apps.handovers.models import CheckoutKey, Handover
from apps.handovers.screens.drafting import Typed, sealed, unsealed, without_typed
from apps.handovers.screens.rendering import rendered
from apps.handovers.services.prefilling import Prefill
from apps.handovers.services.writing import Written, preview
from apps.handovers.wiring import document_store, work_source

TEMPLATE = "handovers/new.html"
AGAIN = timedelta(minutes=2)  # the same focus once more within this is a second press
log = structlog.get_logger(__name__)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
@requires(Permission.HAND_OVER)
def new_page(request: HttpRequest) -> HttpResponse:
    """Choose a checkout, fill the form, write it; a refusal keeps everything that was typed."""
    told = request.POST if request.method == "POST" else request.GET
    checkout = _checkout(told.get("checkout", ""))
    if checkout is None:
        return render_page(request, TEMPLATE, {"checkouts": _checkouts()})
    if request.method == "POST":
        return _write(request, checkout)
    try:
        prefill = _prefill(checkout)
    except SweepboardError as error:
        return _answer(request, checkout, Typed(), None, refused=_failed(error, checkout), status=503)
    return _answer(request, checkout, Typed.begin(prefill, request.user.get_username()), prefill)


@never_cache
@require_POST
@requires(Permission.HAND_OVER)
def preview_part(request: HttpRequest) -> HttpResponse:
    """Show the document as it would be written; a page of its own where nothing asks for the part."""
    checkout = get_object_or_404(CheckoutKey, pk=_number(request.POST.get("checkout", "")))
    typed = Typed.of(request.POST)
    try:
        prefill = unsealed(request.POST.get("prefill", "")) or _prefill(checkout)
    except SweepboardError as error:
        return _answer(request, checkout, typed, None, refused=_failed(error, checkout))
    return _answer(request, checkout, typed, prefill)


def _write(request: HttpRequest, checkout: CheckoutKey) -> HttpResponse:
    typed, seen = Typed.of(request.POST), unsealed(request.POST.get("prefill", ""))
    if typed.missing:
        return _answer(request, checkout, typed, seen, wrong=typed.missing, status=422)
    try:
        with _alone(checkout):
            return _write_once(request, checkout, typed)
    except SweepboardError as error:
        refused = _failed(error, checkout)
        return _answer(request, checkout, typed, seen, refused=refused, status=422)


def _write_once(request: HttpRequest, checkout: CheckoutKey, typed: Typed) -> HttpResponse:
    """Write it, unless an earlier press of the same form just did."""
    if (before := _just_written(checkout, typed)) is not None:
        messages.info(request, f"{before.key} was written a moment ago with this focus; nothing was written again.")
        return redirect("handovers:handover", pk=before.pk)
    prefill, who = without_typed(_prefill(checkout)), request.user.get_username()
    done = acting.written(_where(checkout), typed.wish, prefill, document_store(), utcnow(), who)
    return _written(request, checkout, done)


@contextmanager
def _alone(checkout: CheckoutKey) -> Iterator[None]:
    """One writer of a checkout at a time, so that of two presses at once the second finds what the first one wrote.

    Without Redis nobody is kept from writing: then only presses one after the other are told apart.
    """
    with ExitStack() as held:
        try:
            held.enter_context(lease(f"handovers-new:{checkout.pk}", seconds=60, wait=20))
        except Busy:
            raise Busy("Somebody is writing a handover of this checkout just now. Press again in a moment.") from None
        except Transient as error:
            log.warning("handovers.new.without_a_lock", checkout=checkout.path, error=str(error))
        yield


def _written(request: HttpRequest, checkout: CheckoutKey, done: Written) -> HttpResponse:
    asked = f" A reader will ask: {' '.join(one.sentence for one in done.warnings)}" if done.warnings else ""
    messages.info(request, f"Wrote {' and '.join([*done.paths, *done.indexes])}.{asked}")
    row = Handover.objects.filter(workspace=checkout.workspace, key=done.key).first()
    return redirect("handovers:handover", pk=row.pk) if row else redirect("handovers:list")


def _just_written(checkout: CheckoutKey, typed: Typed) -> Handover | None:
    rows = Handover.objects.filter(workspace=checkout.workspace, focus=typed.wish.focus[:1000])
    return rows.filter(branch=checkout.branch, first_seen_at__gte=utcnow() - AGAIN).order_by("-pk").first()


def _failed(error: SweepboardError, checkout: CheckoutKey) -> str:
    """Return the sentence with the id under which the log has it."""
    error_id = secrets.token_hex(6)
    log.warning("handovers.new.failed", error_id=error_id, checkout=checkout.path, error=str(error))
    return f"{error} ({error_id})"


def _answer(
    request: HttpRequest,
    checkout: CheckoutKey,
    typed: Typed,
    prefill: Prefill | None,
    *,
    wrong: dict[str, str] | None = None,
    refused: str = "",
    status: int = 200,
) -> HttpResponse:
    context: dict[str, Any] = {"checkout": checkout, "typed": typed, "wrong": wrong or {}, "refused": refused}
    if prefill is not None:
        text, warnings = preview(wish=typed.wish, prefill=without_typed(prefill), now=utcnow())
        context |= {"prefill": prefill, "sealed": sealed(prefill), "html": rendered(text), "warnings": warnings}
    context["missing"] = list(typed.missing)
    return render_page(request, TEMPLATE, context, partials=("preview",), status=status)


def _checkouts() -> list[CheckoutKey]:
    rows = CheckoutKey.objects.filter(workspace__active=True).select_related("workspace")
    return list(rows.order_by("workspace__name", "-is_main", "path"))


def _checkout(told: str) -> CheckoutKey | None:
    """The checkout that is meant; the only one there is needs no choosing."""
    if told:
        return get_object_or_404(CheckoutKey.objects.select_related("workspace"), pk=_number(told))
    every = _checkouts()
    return every[0] if len(every) == 1 else None


def _number(told: str) -> int:
    return int(told) if told.isdecimal() and len(told) < 16 else 0


def _where(checkout: CheckoutKey) -> Where:
    return Where(Path(checkout.path), checkout.workspace, by_folder=True)


def _prefill(checkout: CheckoutKey) -> Prefill:
    return acting.prefilled(_where(checkout), document_store(), work_source(), utcnow())
