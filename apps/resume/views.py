"""The page on which a run is resumed: the gate line by line, what is submitted, one button, and its progress."""

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.resume.automatic import in_force
from apps.resume.checking import ask_for_check
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.presenting import Shown, shown_gate
from apps.resume.selectors import latest_check, offers_for, request_named, resumes_of
from apps.resume.services import ask_for_resume, ask_to_cancel
from apps.resume.tasks import send_check, send_resume
from apps.sweeps.models import Run

TEMPLATE = "resume/page.html"


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def resume_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the gate as it was looked at last, what would be submitted, and how far a resume is."""
    return _answer(request, _run(pk))


@require_POST
@requires(Permission.RESUME_RUNS)
def check(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that all sources be asked anew and the checkpoint be read."""
    run = _run(pk)
    send_check(ask_for_check(run=run, actor=request.user.get_username(), now=utcnow()))
    return _answer(request, run, said="W&B, Slurm and the files are asked.")


@require_POST
@requires(Permission.RESUME_RUNS)
def press(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that the run be resumed by what the page showed; a second press while that is under way changes nothing."""
    run = _run(pk)
    seen = GateCheck.objects.filter(run=run, key=request.POST.get("look", "")[:40]).first()
    try:
        if seen is None:
            return _answer(request, run, said="The gate was not looked at yet, or too long ago: look again.")
        asked = ask_for_resume(
            run=run,
            check=seen,
            actor=request.user.get_username(),
            now=utcnow(),
            choices=choices_in(request.POST, run),
            override=request.POST.get("override", ""),
            reason=request.POST.get("reason", ""),
            may_override=is_allowed(request.user, Permission.OVERRIDE_GATE),
        )
    except SweepboardError as error:
        return _answer(request, run, said=str(error))
    send_resume(asked)
    return _answer(request, run, said=f"Run {run.run_id} will be resumed.")


@require_POST
@requires(Permission.RESUME_RUNS)
def cancel(request: HttpRequest, pk: int, request_pk: int) -> HttpResponse:
    """Ask that a resume that waits be given up, and its job with it."""
    run = _run(pk)
    try:
        wanted = request_named(request_pk, run)
        ask_to_cancel(request=wanted, actor=request.user.get_username(), now=utcnow())
    except SweepboardError as error:
        return _answer(request, run, said=str(error))
    send_resume(wanted)
    return _answer(request, run, said="The resume will be cancelled.")


def _chosen(values: QueryDict) -> str:
    """The chosen changes as a query, so that an address brings the same page again."""
    return urlencode([(name, str(value)) for name, value in values.items() if name.startswith(("change-", "value-"))])


def choices_in(values: QueryDict, run: Run) -> dict[str, str]:
    """Return the chosen changes of a form: a box ``change-<id>`` that is ticked, with its value."""
    chosen = {one.id: one.recorded or str(values.get(f"value-{one.id}", "")) for one in offers_for(run)}
    return {name: value for name, value in chosen.items() if values.get(f"change-{name}")}


def _run(pk: int) -> Run:
    return get_object_or_404(Run.objects.select_related("sweep__workspace"), pk=pk)


def _answer(request: HttpRequest, run: Run, *, said: str = "") -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        query = f"?{chosen}" if (chosen := _chosen(request.POST)) else ""
        return redirect(f"{reverse('resume:run', kwargs={'pk': run.pk})}{query}")
    return render_page(request, TEMPLATE, {**_context(request, run), "said": said}, partials=("resume",))


def _context(request: HttpRequest, run: Run) -> dict[str, Any]:
    values = request.POST if request.method == "POST" else request.GET
    requests = resumes_of(run)
    latest = requests[0] if requests else None
    choices = choices_in(values, run)
    return {
        "run": run,
        "latest": latest,
        "earlier": requests[1:],
        "gate": None if latest is not None and latest.is_open else _gate(run, choices),
        "chosen": choices,
        "query": _chosen(values),
        "may": is_allowed(request.user, Permission.RESUME_RUNS),
        "may_override": is_allowed(request.user, Permission.OVERRIDE_GATE),
        "live": _is_live(run, latest),
        "auto": in_force(run),
    }


def _gate(run: Run, choices: Mapping[str, str]) -> Shown:
    return shown_gate(run, latest_check(run), choices, utcnow())


def _is_live(run: Run, latest: ResumeRequest | None) -> bool:
    """Whether something is under way that the page should ask about by itself."""
    return bool(latest and latest.is_open) or GateCheck.objects.filter(run=run, state="queued").exists()
