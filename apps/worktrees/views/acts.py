"""'New worktree' and 'Clean up': every step is shown, and a press is bound to exactly what was shown."""

import uuid
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from apps.core.clock import utcnow
from apps.core.errors import AlreadyDone, SweepboardError
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.handovers.wiring import work_source
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import active_workspaces
from apps.worktrees.models import Worktree
from apps.worktrees.selectors import worktree_view
from apps.worktrees.services.cleaning import clean_up, prepare_clean
from apps.worktrees.services.making import NewWish, home_of, new_worktree, prepare_new
from apps.worktrees.services.scanning import scan_worktrees
from apps.worktrees.wiring import tools

NEW, CLEAN = "worktrees/new.html", "worktrees/clean.html"


@never_cache
@csrf_protect
@require_http_methods(["GET", "POST"])
@requires(Permission.MAKE_WORKTREES)
def new(request: HttpRequest) -> HttpResponse:
    """Show the form, show the steps, or make the worktree; nothing that was typed is lost by a refusal."""
    workspaces = active_workspaces()
    told = request.POST if request.method == "POST" else request.GET
    workspace = next((one for one in workspaces if one.name == told.get("workspace")), next(iter(workspaces), None))
    typed = {name: _plain(told.get(name, ""))[:300] for name in ("branch", "base", "name", "focus", "next")}
    context: dict[str, Any] = {"workspaces": workspaces, "workspace": workspace, "typed": typed}
    if workspace is None or request.method != "POST":
        context["home"] = home_of(workspace.path, workspace) if workspace else ""
        return render_page(request, NEW, context)
    context["home"] = home_of(workspace.path, workspace)
    links = tuple(told.getlist("link")) if "links" in told else None
    wish = NewWish(typed["branch"], typed["base"], links, typed["name"], typed["focus"], typed["next"],
                   _plain(told.get("nonce", ""))[:40] or uuid.uuid4().hex)  # fmt: skip
    try:
        if "make" in told:
            return _make(request, workspace, wish, told.get("digest", ""))
        context |= _shown(workspace, wish)
    except SweepboardError as error:
        context["refused"] = str(error)
        context |= _shown_after(workspace, wish, error)
        return render_page(request, NEW, context, status=422)
    return render_page(request, NEW, context)


def _shown(workspace: Workspace, wish: NewWish) -> dict[str, Any]:
    prepared = prepare_new(root=workspace.path, wish=wish, tools=tools(), workspace=workspace)
    linked = prepared.offered if wish.links is None else wish.links
    return {"prepared": prepared, "linked": linked, "nonce": wish.nonce}


def _shown_after(workspace: Workspace, wish: NewWish, error: SweepboardError) -> dict[str, Any]:
    """The steps as they would be now, under a new number: after a refusal the old press is spent."""
    if isinstance(error, AlreadyDone):
        return {}
    try:
        again = NewWish(wish.branch, wish.base, wish.links, wish.name, wish.focus, wish.next_action, uuid.uuid4().hex)
        return _shown(workspace, again)
    except SweepboardError:
        return {}


def _make(request: HttpRequest, workspace: Workspace, wish: NewWish, digest: str) -> HttpResponse:
    made = new_worktree(
        root=workspace.path, wish=wish, digest=digest, tools=tools(), work=work_source(), now=utcnow(),
        actor=request.user.get_username(), workspace=workspace,
    )  # fmt: skip
    scan_worktrees(workspace=workspace, tools=tools(), now=utcnow())
    messages.info(request, made.said)
    row = Worktree.objects.filter(workspace=workspace, path=str(made.path)).first()
    return redirect("worktrees:worktree", pk=row.pk) if row else redirect("worktrees:list")


@never_cache
@csrf_protect
@require_http_methods(["GET", "POST"])
@requires(Permission.CLEAN_WORKTREES)
def clean(request: HttpRequest, pk: int) -> HttpResponse:
    """Show what cleaning up would lose and do, after a fresh look; then do exactly that."""
    row = Worktree.objects.select_related("workspace").filter(pk=pk).first()
    if row is None and request.method == "POST":
        messages.info(request, "This worktree is gone already; nothing was done a second time.")
        return redirect("worktrees:list")
    row = row or get_object_or_404(Worktree, pk=pk)
    nonce = _plain(request.POST.get("nonce", ""))[:40]
    refused = ""
    if request.method == "POST":
        try:
            said = clean_up(
                root=row.workspace.path, path=Path(row.path), digest=request.POST.get("digest", ""), tools=tools(),
                now=utcnow(), actor=request.user.get_username(), workspace=row.workspace, nonce=nonce,
            )  # fmt: skip
            messages.info(request, said)
            return redirect("worktrees:list")
        except SweepboardError as error:
            refused = str(error)
    return _clean_page(request, row, refused)


def _clean_page(request: HttpRequest, row: Worktree, refused: str) -> HttpResponse:
    nonce = uuid.uuid4().hex
    context: dict[str, Any] = {"view": worktree_view(row), "refused": refused, "nonce": nonce}
    try:
        context["plan"] = prepare_clean(
            root=row.workspace.path,
            path=Path(row.path),
            tools=tools(),
            now=utcnow(),
            workspace=row.workspace,
            nonce=nonce,
        )
    except SweepboardError as error:
        context["refused"] = refused or str(error)
        return render_page(request, CLEAN, context, status=422)
    return render_page(request, CLEAN, context, status=422 if refused else 200)


def _plain(text: str) -> str:
    return text.replace("\x00", "").strip()
