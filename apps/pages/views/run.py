"""The page of one run, its chart of states, and notes on it."""

from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.audit.selectors import revision
from apps.board.presenters import source_lines
from apps.core.clock import utcnow
from apps.core.errors import Permanent
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.pages.figures.spans import states
from apps.pages.models import RunNote
from apps.pages.selectors.run import RunPage, run_named, run_page
from apps.pages.services.notes import Refused, add_note, edit_note
from apps.pages.views.charting import answer_chart
from apps.pages.views.naming import last_part, run_by_id
from apps.sweeps.models import Run

TEMPLATE = "pages/run.html"
SHOW_ANEW_SECONDS = 60
MOST_CONFIG = 400  # rows of a config's table; a config longer than that is not read in a browser


class NoSuchRun(Http404):
    """No run has this number."""


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show everything about one run; a poll is answered with 204 while nothing is newer than what it has."""
    if htmx_of(request).target == "run-now" and _nothing_new(request):
        return HttpResponse(status=204)
    try:
        return _answer(request, pk)
    except NoSuchRun:
        return run_by_id(request, last_part(request))  # an id of digits alone


def _nothing_new(request: HttpRequest) -> bool:
    """What was shown a minute ago is shown anew all the same: ages grow, and a source whose passes stopped is stale."""
    since, at = request.GET.get("since", ""), request.GET.get("at", "")
    if not (since.isdecimal() and at.isdecimal() and len(since) < 16 and len(at) < 16):
        return False
    return int(since) >= revision() and utcnow().timestamp() - int(at) < SHOW_ANEW_SECONDS


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def states_chart(request: HttpRequest, pk: int, form: str = "") -> HttpResponse:
    """Answer the chart of both states over time, as a panel, a figure or a CSV file."""
    found = run_page(_run(pk))
    resumes = [one.asked_at for one in found.resumes]
    chart = states(found.life, utcnow(), resumes)
    where = {"title": found.life.name, "back": reverse("pages:run", args=[pk])}
    return answer_chart(request, chart, form, base=reverse("pages:run-states", args=[pk]), **where)


@require_POST
@requires(Permission.WRITE_NOTES)
def add(request: HttpRequest, pk: int) -> HttpResponse:
    """Keep a note on the run under the name of whoever writes it."""
    run, text = _run(pk), request.POST.get("text", "")
    try:
        key = request.POST.get("key", "")
        add_note(run=run, text=text, by=request.user.get_username(), now=utcnow(), key=key)
    except Permanent as error:
        return _answer(request, pk, refused=str(error), typed=text)
    return _said(request, pk, "The note is kept.")


@require_POST
@requires(Permission.WRITE_NOTES)
def edit(request: HttpRequest, pk: int, note_pk: int) -> HttpResponse:
    """Put another text in a note's place."""
    note, text = get_object_or_404(RunNote, pk=note_pk, run=pk), request.POST.get("text", "")
    seen = _moment(request.POST.get("seen", ""))
    try:
        edit_note(note=note, text=text, by=request.user.get_username(), now=utcnow(), seen=seen)
    except Refused as error:
        return _answer(request, pk, refused=str(error), typed=text, editing=note_pk)
    return _said(request, pk, "The note is changed; what it said before is in the record.")


def _moment(text: str) -> Any:
    try:
        return parse_datetime(text)
    except ValueError:
        return None


def _said(request: HttpRequest, pk: int, said: str) -> HttpResponse:
    if htmx_of(request):
        return _answer(request, pk, said=said)
    messages.info(request, said)
    return redirect(f"{reverse('pages:run', args=[pk])}#notes")


def _run(pk: int) -> Run:
    run = run_named(pk)
    if run is None:
        raise NoSuchRun("There is no such run.")
    return run


def _answer(request: HttpRequest, pk: int, **told: Any) -> HttpResponse:
    # The revision is read before the rows: a pass that ends in between shows up at the next poll.
    newest = revision()
    found = run_page(_run(pk), all_notes=request.GET.get("notes") == "all")
    context = {"revision": newest, **_context(request, found), **told}
    status = 422 if told.get("refused") else 200
    return render_page(request, TEMPLATE, context, partials=("run-now", "notes"), status=status)


def _context(request: HttpRequest, found: RunPage) -> dict[str, Any]:
    editing = request.GET.get("edit", "")
    sources = source_lines(found.sources)
    return {
        "page": found,
        "run": found.run,
        "status": found.status,
        "sources": sources,
        "trouble": [one for one in sources if one.level != "ok"],
        "config": found.config[:MOST_CONFIG],
        "editing": int(editing) if editing.isdecimal() and len(editing) < 16 else None,
        "may_note": is_allowed(request.user, Permission.WRITE_NOTES),
        "now": utcnow(),
    }
