"""The switch for resuming without a person, of a run and of a sweep."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.http import require_POST

from apps.core.clock import utcnow
from apps.core.permissions import Permission, requires
from apps.resume.automatic import switch_auto
from apps.sweeps.models import Run, Sweep


@require_POST
@requires(Permission.RESUME_RUNS)
def switch_run(request: HttpRequest, pk: int, switch: str) -> HttpResponse:
    """Switch it on or off for one run."""
    run = get_object_or_404(Run.objects.select_related("sweep"), pk=pk)
    _switch(request, run, switch)
    return redirect("resume:run", pk=pk)


@require_POST
@requires(Permission.RESUME_RUNS)
def switch_sweep(request: HttpRequest, pk: int, switch: str) -> HttpResponse:
    """Switch it on or off for every run of a sweep that has no switch of its own."""
    _switch(request, get_object_or_404(Sweep, pk=pk), switch)
    return redirect("resume:sweep", pk=pk)


def _switch(request: HttpRequest, subject: Run | Sweep, switch: str) -> None:
    if switch not in ("on", "off"):
        raise Http404
    switch_auto(subject=subject, on=switch == "on", actor=request.user.get_username(), now=utcnow())
    messages.info(request, f"Auto-resume is {switch}.")
