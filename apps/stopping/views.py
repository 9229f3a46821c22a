"""The page that names every job before it is cancelled: what it carries, what would go, and what became of it."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.http import urlencode
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.core.units import count
from apps.slurm.models import Job
from apps.stopping.selectors import jobs_named, lines_of
from apps.stopping.services import ask_to_cancel
from apps.stopping.steering import ask_to_steer
from apps.stopping.tasks import send
from apps.sweeps.models import Sweep

TEMPLATE = "stopping/jobs.html"
ALSO = {"": "nothing", "stop": "stop the sweep", "cancel": "cancel the sweep"}


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def jobs_page(request: HttpRequest) -> HttpResponse:
    """Show the jobs that the address names, and what would be lost with each."""
    return _answer(request, request.GET)


@require_POST
@requires(Permission.CANCEL_JOBS)
def press(request: HttpRequest) -> HttpResponse:
    """Ask that exactly the named jobs be cancelled; what is under way or over is left out, and said."""
    if request.POST.get("confirm") != "yes":
        return _answer(request, request.POST, said="Tick the box first: nothing was done.")
    jobs, actor = named_in(request.POST), request.user.get_username()
    if not jobs:
        return _answer(request, request.POST, said="No job is named: nothing was done.")
    told = _in_wandb(request, actor)
    asked, left_out = ask_to_cancel(jobs=jobs, actor=actor, now=utcnow())
    for one in asked:
        send(one)
    said = [told, f"{count(len(asked), 'job')} will be cancelled." if asked else "", *left_out[:3]]
    return _answer(request, request.POST, said=" ".join(filter(None, said)))


def _in_wandb(request: HttpRequest, actor: str) -> str:
    """Do to the sweep in W&B what was chosen along with its jobs; return in a sentence what."""
    wish, sweep = str(request.POST.get("wandb", "")), sweep_in(request.POST)
    if not wish or sweep is None or not is_allowed(request.user, Permission.STEER_SWEEPS):
        return ""
    try:
        send(ask_to_steer(sweep=sweep, wish=wish, actor=actor, now=utcnow()))
    except SweepboardError as error:
        return str(error)
    return f"W&B is told to {wish} the sweep."


def named_in(values: QueryDict) -> list[Job]:
    """Return the attempts that a form or an address names; never any other."""
    return jobs_named([int(one) for one in values.getlist("job") if one.isdecimal() and len(one) < 19])


def sweep_in(values: QueryDict) -> Sweep | None:
    told = str(values.get("sweep", ""))
    return Sweep.objects.filter(pk=int(told)).first() if told.isdecimal() and len(told) < 19 else None


def _answer(request: HttpRequest, values: QueryDict, *, said: str = "") -> HttpResponse:
    jobs, sweep = named_in(values), sweep_in(values)
    query = urlencode([*(("job", job.pk) for job in jobs), *((("sweep", sweep.pk),) if sweep else ())])
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect(f"{reverse('stopping:jobs')}?{query}")
    context = {**_context(request, jobs), "sweep": sweep, "query": query, "said": said}
    return render_page(request, TEMPLATE, context, partials=("cancel-jobs",))


def _context(request: HttpRequest, jobs: list[Job]) -> dict[str, Any]:
    lines = lines_of(jobs, utcnow())
    can = [line for line in lines if not line.refusal]
    return {
        "lines": lines,
        "can": can,
        "live": any(line.request is not None and line.request.is_open for line in lines),
        "refusal": "" if can else "None of these jobs can be cancelled: each says why.",
        "may": is_allowed(request.user, Permission.CANCEL_JOBS),
        "also": ALSO,
    }
