"""Screens of the registry: finding handovers, reading one, taking it up."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.handovers.domain.stages import steps_of
from apps.handovers.domain.verifying import overall, verify
from apps.handovers.models import Content, Handover, SavedSearch, Version
from apps.handovers.screens.comparing import compared
from apps.handovers.screens.listing import Query, choices, saved_searches
from apps.handovers.screens.rendering import MOST, rendered
from apps.handovers.search.finding import search
from apps.handovers.selectors import live_pickup, verify_facts
from apps.handovers.services.archiving import restore
from apps.handovers.services.pickups import pick_up, release
from apps.handovers.services.reading import bytes_of, parsed
from apps.handovers.services.stages import stage_facts
from apps.handovers.wiring import document_store

LIST, ONE = "handovers/list.html", "handovers/handover.html"
ANSWERS = {"pass": "✓", "fail": "✗", "unknown": "?"}


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def handovers_page(request: HttpRequest) -> HttpResponse:
    """Find handovers: by words, by a key, by filters; the newest without any."""
    view = Query.of(request.GET)
    context: dict[str, Any] = {"view": view, "found": search(view.q, view.filters, typing=True)}
    if not request.headers.get("HX-Request"):
        context |= {"choices": choices(), "saved": saved_searches(request.user.get_username())}
        context["can_write"] = is_allowed(request.user, Permission.TRIAGE_FLAGS)
    return render_page(request, LIST, context, partials=("handovers",))


@require_POST
@requires(Permission.VIEW_BOARD)
def save_search(request: HttpRequest) -> HttpResponse:
    """Keep a search under a name; one of the same name is replaced."""
    view, name = Query.of(request.POST), request.POST.get("name", "").strip()[:100]
    if not name:
        messages.error(request, "Give the search a name.")
    else:
        values = {"query": view.encoded[:2000], "shared": bool(request.POST.get("shared")), "created_at": utcnow()}
        SavedSearch.objects.update_or_create(owner=request.user.get_username(), name=name, defaults=values)
        messages.info(request, f"The search '{name}' is kept.")
    return redirect(f"{reverse('handovers:list')}?{view.encoded}")


@require_POST
@requires(Permission.VIEW_BOARD)
def forget_search(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one of one's own searches."""
    SavedSearch.objects.filter(pk=pk, owner=request.user.get_username()).delete()
    return redirect("handovers:list")


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def handover_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Read one handover: what it says, what is known of it, and every version of it."""
    handover = _handover(pk)
    version = _version(handover, request.GET.get("version", ""))
    content = version.content if version else handover.content
    document = parsed(content, handover.name) if content else None
    lines = verify(verify_facts(handover))
    context = {
        "handover": handover,
        "version": version,
        "document": document,
        "html": rendered(content.text) if content else "",
        "cut": content is not None and len(content.text) > MOST,
        "versions": list(handover.versions.order_by("-pk")[:50]),
        "mentions": list(handover.mentions.select_related("sweep", "run__sweep", "job")[:100]),
        "pickup": live_pickup(handover),
        "steps": steps_of(stage_facts(handover)),
        "lines": [(ANSWERS[line.answer.value], line) for line in lines],
        "verified": overall(lines).value,
        "previous": _previous(handover),
        "may_act": is_allowed(request.user, Permission.TRIAGE_FLAGS),
    }
    return render_page(request, ONE, context)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def compare_page(request: HttpRequest, pk: int) -> HttpResponse:
    """What changed since the previous handover of the same branch."""
    handover = _handover(pk)
    previous = _previous(handover)
    context = {
        "handover": handover,
        "previous": previous,
        "lines": compared(_text(previous.content), _text(handover.content)) if previous else [],
    }
    return render_page(request, "handovers/compare.html", context)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def branch_page(request: HttpRequest, workspace: str) -> HttpResponse:
    """Who handed what to whom on one branch, the newest first."""
    branch = request.GET.get("branch", "")
    rows = Handover.objects.filter(workspace__name=workspace, branch=branch).prefetch_related("pickups")
    found = list(rows.order_by("-date", "-pk")[:200])
    if not found:
        raise Http404
    return render_page(request, "handovers/branch.html", {"workspace": workspace, "branch": branch, "found": found})


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def raw(request: HttpRequest, pk: int) -> HttpResponse:
    """The document's own bytes, as plain text that no browser takes for anything else."""
    handover = _handover(pk)
    version = _version(handover, request.GET.get("version", ""))
    content = version.content if version else handover.content
    if content is None:
        raise Http404
    answer = HttpResponse(bytes_of(content), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = "inline"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer


@require_POST
@requires(Permission.TRIAGE_FLAGS)
def take_up(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that whoever presses goes on with it; the second one is told of the first."""
    handover, who = _handover(pk), request.user.get_username()
    messages.info(request, pick_up(handover=handover, who=who, kind="person", now=utcnow()).sentence)
    return redirect("handovers:handover", pk=pk)


@require_POST
@requires(Permission.TRIAGE_FLAGS)
def give_back(request: HttpRequest, pk: int) -> HttpResponse:
    """End the pickup that is live."""
    pickup = live_pickup(_handover(pk))
    if pickup is not None and release(pickup=pickup, why=f"given back by {request.user.get_username()}", now=utcnow()):
        messages.info(request, f"{pickup.who} no longer goes on with it.")
    return redirect("handovers:handover", pk=pk)


@require_POST
@requires(Permission.TRIAGE_FLAGS)
def bring_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring a handover back from the archive."""
    try:
        outcome = restore(
            handover=_handover(pk), store=document_store(), now=utcnow(), actor=request.user.get_username()
        )
        messages.info(request, f"It lies in {outcome.path} again.")
    except SweepboardError as error:
        messages.error(request, str(error))
    return redirect("handovers:handover", pk=pk)


def _handover(pk: int) -> Handover:
    rows = Handover.objects.select_related("workspace", "superseded_by", "content", "handed_over")
    return get_object_or_404(rows, pk=pk)


def _version(handover: Handover, told: str) -> Version | None:
    if not told:
        return None
    if not told.isdecimal():
        raise Http404
    return get_object_or_404(handover.versions.select_related("content"), pk=int(told), content__isnull=False)


def _previous(handover: Handover) -> Handover | None:
    """The handover of the same branch that came before; None where there is none, or no date tells."""
    if handover.date is None or not handover.branch:
        return None
    rows = Handover.objects.filter(workspace=handover.workspace, branch=handover.branch, date__lt=handover.date)
    return rows.select_related("content").order_by("-date", "-pk").first()


def _text(content: Content | None) -> str:
    return content.text if content else ""
