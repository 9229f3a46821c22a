"""What people do with handovers: keep a search, take one up, give it back, put it away, bring it back."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.permissions import Permission, requires
from apps.handovers.models import SavedSearch
from apps.handovers.screens.listing import Query
from apps.handovers.screens.reading import handover_row
from apps.handovers.selectors import live_pickup
from apps.handovers.services.archiving import Outcome, archive_old, restore
from apps.handovers.services.pickups import GIVEN_BACK, pick_up, release
from apps.handovers.wiring import document_store

LONGEST_SEARCH = 2000


@require_POST
@requires(Permission.VIEW_BOARD)
def save_search(request: HttpRequest) -> HttpResponse:
    """Keep a search under a name; one of the same name is replaced."""
    view, name = Query.of(request.POST), " ".join(request.POST.get("name", "").replace("\x00", "").split())[:100]
    if not name:
        messages.error(request, "Give the search a name.")
    elif len(view.encoded) > LONGEST_SEARCH:
        messages.error(request, "This search is too long to be kept: take some of its words out.")
    else:
        values = {"query": view.encoded, "shared": bool(request.POST.get("shared")), "created_at": utcnow()}
        SavedSearch.objects.update_or_create(owner=request.user.get_username(), name=name, defaults=values)
        messages.info(request, f"The search '{name}' is kept.")
    return redirect(f"{reverse('handovers:list')}?{view.encoded}")


@require_POST
@requires(Permission.VIEW_BOARD)
def forget_search(request: HttpRequest, pk: int) -> HttpResponse:
    """Forget one of one's own searches."""
    kept = SavedSearch.objects.filter(pk=pk, owner=request.user.get_username()).first()
    if kept is None:
        messages.error(request, "This search is not kept any more, or it is somebody else's.")
    else:
        kept.delete()
        messages.info(request, f"The search '{kept.name}' is forgotten.")
    return redirect("handovers:list")


@require_POST
@requires(Permission.HAND_OVER)
def take_up(request: HttpRequest, pk: int) -> HttpResponse:
    """Note that whoever presses goes on with it; the second one is told of the first."""
    handover, who = handover_row(pk), request.user.get_username()
    try:
        messages.info(request, pick_up(handover=handover, who=who, kind="person", now=utcnow()).sentence)
    except SweepboardError as error:
        messages.error(request, str(error))
    return redirect("handovers:handover", pk=pk)


@require_POST
@requires(Permission.HAND_OVER)
def give_back(request: HttpRequest, pk: int) -> HttpResponse:
    """End the pickup that is live."""
    pickup = live_pickup(handover_row(pk))
    why = f"{GIVEN_BACK} by {request.user.get_username()}"
    if pickup is not None and release(pickup=pickup, why=why, now=utcnow()):
        messages.info(request, f"{pickup.who} no longer goes on with it.")
    else:
        messages.info(request, "Nobody goes on with it, so there is nothing to give back.")
    return redirect("handovers:handover", pk=pk)


@require_POST
@requires(Permission.HAND_OVER)
def put_away(request: HttpRequest, pk: int) -> HttpResponse:
    """Move a handover to the archive, whatever its age; what an index or somebody uses stays, and why is said."""
    handover = handover_row(pk)
    actor = request.user.get_username()
    try:
        outcomes = archive_old(
            workspace=handover.workspace, store=document_store(), now=utcnow(), actor=actor, only=[handover.key]
        )
    except SweepboardError as error:
        messages.error(request, str(error))
        return redirect("handovers:handover", pk=pk)
    for one in outcomes:
        if one.moved and not one.error:
            messages.info(request, f"It was moved to {' and '.join(one.moved)}.")
        else:
            messages.error(request, one.error or f"It stays: {one.reason}.")
        _tell_links(request, one)
    if not outcomes:
        messages.error(request, "It lies in no folder from which it could be moved.")
    return redirect("handovers:handover", pk=pk)


@require_POST
@requires(Permission.HAND_OVER)
def bring_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Bring a handover back from the archive."""
    actor = request.user.get_username()
    try:
        outcome = restore(handover=handover_row(pk), store=document_store(), now=utcnow(), actor=actor)
        messages.info(request, f"It lies in {outcome.path} again.")
        _tell_links(request, outcome)
    except SweepboardError as error:
        messages.error(request, str(error))
    return redirect("handovers:handover", pk=pk)


def _tell_links(request: HttpRequest, outcome: Outcome) -> None:
    for sentence in outcome.links:
        messages.info(request, sentence)
