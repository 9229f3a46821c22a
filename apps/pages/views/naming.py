"""Addresses with W&B's id of a sweep or run: they lead to its page, whose address has the number of its row."""

from collections.abc import Sequence

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.core.permissions import Permission, requires
from apps.pages.selectors.run import runs_of_id
from apps.pages.selectors.sweep import sweeps_of_id
from apps.sweeps.models import Run, Sweep


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def run(request: HttpRequest, run_id: str) -> HttpResponse:
    """Lead to the page of the run with this id; where several projects know it, list them."""
    return run_by_id(request, run_id)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def sweep(request: HttpRequest, sweep_id: str) -> HttpResponse:
    """Lead to the page of the sweep with this id; where several projects know it, list them."""
    return sweep_by_id(request, sweep_id)


def run_by_id(request: HttpRequest, run_id: str) -> HttpResponse:
    return _answer(request, "run", run_id, runs_of_id(run_id))


def sweep_by_id(request: HttpRequest, sweep_id: str) -> HttpResponse:
    return _answer(request, "sweep", sweep_id, sweeps_of_id(sweep_id))


def last_part(request: HttpRequest) -> str:
    """Return the end of the address as it was written: 007 is another id than 7."""
    return request.path.rpartition("/")[2]


def _answer(request: HttpRequest, kind: str, wandb_id: str, found: Sequence[Run] | Sequence[Sweep]) -> HttpResponse:
    if not found:
        raise Http404(f"There is no such {kind}.")
    places = [(one, reverse(f"pages:{kind}", args=[one.pk])) for one in found]
    if len(places) == 1:
        query = request.META.get("QUERY_STRING", "")
        return redirect(f"{places[0][1]}?{query}" if query else places[0][1])
    context = {"kind": kind, "wandb_id": wandb_id, "places": places}
    return render(request, "pages/several.html", context, status=300)
