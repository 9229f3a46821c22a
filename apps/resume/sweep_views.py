"""Every run of a sweep that can be resumed, each with its own gate; one press for those whose gate is open."""

from dataclasses import dataclass

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.core.units import count
from apps.resume.automatic import shown_auto_of_sweep
from apps.resume.checking import ask_for_check
from apps.resume.models import ResumeRequest
from apps.resume.presenting import Shown, shown_lines
from apps.resume.selectors import latest_checks, open_requests, resumable_runs
from apps.resume.services import ask_for_resume
from apps.resume.tasks import send_check, send_resume
from apps.sweeps.models import Run, Sweep

TEMPLATE = "resume/sweep.html"
MOST = 50


@dataclass(frozen=True)
class Candidate:
    """A run whose next action is a resume: the last look at its gate, and the wish that is under way, if any."""

    run: Run
    gate: Shown | None
    request: ResumeRequest | None

    @property
    def is_open(self) -> bool:
        """Its gate was looked at just now and every line passes."""
        return self.gate is not None and bool(self.gate.lines) and not self.gate.refusal

    @property
    def shut(self) -> str:
        """The first line that does not pass, with its evidence."""
        lines = self.gate.lines if self.gate else []
        return next((f"{one.title}: {one.evidence}" for one in lines if not one.passes), "")


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def sweep_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show the runs of a sweep whose next action is a resume."""
    return _answer(request, _sweep(pk))


@require_POST
@requires(Permission.RESUME_RUNS)
def check_all(request: HttpRequest, pk: int) -> HttpResponse:
    """Have the gate of each of them looked at."""
    sweep, actor = _sweep(pk), request.user.get_username()
    waiting = [one.run for one in _candidates(sweep) if one.request is None]
    for run in waiting:
        send_check(ask_for_check(run=run, actor=actor, now=utcnow()))
    return _answer(request, sweep, said=f"{count(len(waiting), 'gate')} will be looked at.")


@require_POST
@requires(Permission.RESUME_RUNS)
def press_all(request: HttpRequest, pk: int) -> HttpResponse:
    """Resume those whose gate is open now; each is a wish of its own, and everything is asked again before its job."""
    sweep, actor, asked = _sweep(pk), request.user.get_username(), 0
    for one in _candidates(sweep):
        if one.request is not None or not one.is_open or one.gate is None or one.gate.check is None:
            continue
        try:
            wish = ask_for_resume(run=one.run, check=one.gate.check, actor=actor, now=utcnow(), choices={})
        except SweepboardError:
            continue  # somebody else pressed meanwhile, or the look grew old: its line says so
        send_resume(wish)
        asked += 1
    said = f"{count(asked, 'run')} will be resumed." if asked else "No gate is open: look at the gates first."
    return _answer(request, sweep, said=said)


def _sweep(pk: int) -> Sweep:
    return get_object_or_404(Sweep.objects.select_related("workspace"), pk=pk)


def _candidates(sweep: Sweep) -> list[Candidate]:
    now, runs = utcnow(), list(resumable_runs(sweep)[:MOST])
    checks, wishes = latest_checks(runs), open_requests(runs)
    return [
        Candidate(
            run,
            None if run.pk in wishes else shown_lines(run, checks.get(run.pk), now),
            wishes.get(run.pk),
        )
        for run in runs
    ]


def _answer(request: HttpRequest, sweep: Sweep, *, said: str = "") -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("resume:sweep", pk=sweep.pk)
    found = _candidates(sweep)
    context = {
        "sweep": sweep,
        "found": found,
        "open": sum(one.is_open for one in found),
        "total": resumable_runs(sweep).count(),
        "live": any(one.request or (one.gate and one.gate.looking) for one in found),
        "may": is_allowed(request.user, Permission.RESUME_RUNS),
        "auto": shown_auto_of_sweep(sweep),
        "said": said,
    }
    return render_page(request, TEMPLATE, context, partials=("resume-sweep",))
