"""Screens of the registry: finding handovers, reading one, comparing it, and the line of a branch."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.audit.selectors import freshness
from apps.core.clock import utcnow
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.handovers.domain.keys import key_in
from apps.handovers.domain.stages import stage_of
from apps.handovers.models import Content, Handover
from apps.handovers.nudging import nudges
from apps.handovers.screens.comparing import compared
from apps.handovers.screens.listing import AT_ONCE, Page, Query, choices, page_number, saved_searches, source_lines
from apps.handovers.screens.reading import handover_row, previous_of, reading, version_of
from apps.handovers.screens.timeline import Taken, Written, timeline
from apps.handovers.search.finding import Found, Hit, search
from apps.handovers.selectors import (
    find_handovers,
    handovers_naming_branch,
    handovers_of_commit,
    handovers_of_job,
    handovers_of_run,
    handovers_of_sweep,
)
from apps.handovers.services.reading import bytes_of
from apps.handovers.services.stages import stage_facts
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep

LIST, ONE = "handovers/list.html", "handovers/handover.html"
MOST = 200


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def handovers_page(request: HttpRequest) -> HttpResponse:
    """Find handovers: by words, by a key, by filters; the newest without any. Enter on a key opens its document."""
    view = Query.of(request.GET)
    if "open" in request.GET and (one := _meant(view.q)) is not None:
        return redirect("handovers:handover", pk=one.pk)
    number = page_number(request.GET.get("page", ""))
    found = search(view.q, view.filters, typing=True, limit=AT_ONCE, offset=(number - 1) * AT_ONCE)
    page = Page(number, found.more, view.encoded)
    context: dict[str, Any] = {"view": view, "found": found, "rows": _with_stages(found), "page": page}
    details = htmx_of(request)
    if not details or details.history_restore_request or details.target != "handovers":
        context |= {"choices": choices(), "saved": saved_searches(request.user.get_username())}
        context |= {"nudges": nudges(utcnow()), "can_write": is_allowed(request.user, Permission.HAND_OVER)}
        context["sources"] = source_lines(freshness(), utcnow())
    return render_page(request, LIST, context, partials=("handovers",))


def _meant(text: str) -> Handover | None:
    """Return the one document that a key, or a piece of one that starts so, stands for."""
    word = text.strip()
    if not word or " " in word:
        return None
    found = find_handovers(word) if key_in(word) or word[:3].upper() == "HO-" else []
    return found[0] if len({row.key for row in found}) == 1 else None


def _with_stages(found: Found) -> list[tuple[Hit, str]]:
    facts = stage_facts([hit.handover for hit in found.hits])
    return [(hit, stage_of(facts[hit.handover.pk]).value) for hit in found.hits]


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def handover_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Read one handover: what it says, what is known of it, how far it has come, and every version of it."""
    handover = handover_row(pk)
    context = reading(handover, version_of(handover, request.GET.get("version", "")))
    context["may_act"] = is_allowed(request.user, Permission.HAND_OVER)
    return render_page(request, ONE, context)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def compare_page(request: HttpRequest, pk: int) -> HttpResponse:
    """What changed since the previous handover of the same branch."""
    handover = handover_row(pk)
    previous = previous_of(handover)
    context = {
        "handover": handover,
        "previous": previous,
        "lines": compared(_text(previous.content), _text(handover.content)) if previous else [],
    }
    return render_page(request, "handovers/compare.html", context)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def branch_page(request: HttpRequest, workspace: str, branch: str) -> HttpResponse:
    """Who handed what to whom on one branch, the newest first, and where days passed without anything.

    Below stand the handovers of other branches that name it.
    """
    rows = Handover.objects.filter(workspace__name=workspace, branch=branch).select_related("workspace")
    found = list(rows.prefetch_related("pickups").order_by("-date", "-pk")[: MOST + 1])
    named = list(handovers_naming_branch(workspace, branch).select_related("workspace")[:MOST])
    if not found and not named:
        raise Http404
    told, facts = timeline([_written(row) for row in found[:MOST]]), stage_facts([*found, *named])
    context = {
        "workspace": workspace,
        "branch": branch,
        "rows": [(row, moment, stage_of(facts[row.pk]).value) for row, moment in zip(found[:MOST], told, strict=True)],
        "more": len(found) > MOST,
        "named": [(row, stage_of(facts[row.pk]).value) for row in named],
        "due": [one for one in nudges(utcnow()) if (one.workspace, one.branch) == (workspace, branch)],
    }
    return render_page(request, "handovers/branch.html", context)


def _written(row: Handover) -> Written:
    taken = tuple(Taken(one.who, one.at, one.released_why) for one in row.pickups.all())
    return Written(row.pk, row.date, row.agent or row.author, taken)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def naming_page(request: HttpRequest, kind: str, pk: int) -> HttpResponse:
    """List the handovers that name a sweep, a run or a job, the newest first."""
    if kind == "sweep":
        sweep = get_object_or_404(Sweep.objects.defer("config"), pk=pk)
        title, rows = f"sweep {sweep.name or sweep.sweep_id}", handovers_of_sweep(sweep)
    elif kind == "run":
        run = get_object_or_404(Run.objects.defer("config", "summary"), pk=pk)
        title, rows = f"run {run.name or run.run_id}", handovers_of_run(run)
    else:
        job = get_object_or_404(Job, pk=pk)
        title, rows = f"job {job.job_id}", handovers_of_job(job)
    return _naming(request, title, rows)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def commit_page(request: HttpRequest, sha: str) -> HttpResponse:
    """List the handovers that name a commit, the newest first."""
    return _naming(request, f"commit {sha}", handovers_of_commit(sha))


def _naming(request: HttpRequest, title: str, rows: QuerySet[Handover]) -> HttpResponse:
    found = list(rows.select_related("workspace", "superseded_by")[:MOST])
    facts = stage_facts(found)
    context = {"title": title, "rows": [(row, stage_of(facts[row.pk]).value) for row in found]}
    return render_page(request, "handovers/naming.html", context)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def raw(request: HttpRequest, pk: int) -> HttpResponse:
    """The document's own bytes, as plain text that no browser takes for anything else."""
    handover = handover_row(pk)
    version = version_of(handover, request.GET.get("version", ""))
    content = version.content if version else handover.content
    if content is None:
        return render(request, "handovers/unread.html", {"handover": handover}, status=404)
    answer = HttpResponse(bytes_of(content), content_type="text/plain; charset=utf-8")
    answer["Content-Disposition"] = "inline"
    answer["X-Content-Type-Options"] = "nosniff"
    answer["Content-Security-Policy"] = "sandbox; default-src 'none'"
    return answer


def _text(content: Content | None) -> str:
    return content.text if content else ""
