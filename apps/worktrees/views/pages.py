"""`/worktrees`: every worktree of every workspace, and a page for each."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.core.pages import render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.workspaces.selectors import active_workspaces
from apps.worktrees.models import Worktree
from apps.worktrees.selectors import (
    SHOWN,
    PassState,
    WorktreeView,
    acts,
    all_worktrees,
    is_shown,
    pass_states,
    worktree_view,
)
from apps.worktrees.wiring import worktrees_config


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def worktrees_page(request: HttpRequest) -> HttpResponse:
    """Show every worktree by workspace, or those that the address asks for."""
    show, q = request.GET.get("show", ""), request.GET.get("q", "").replace("\x00", "").strip()[:200]
    workspaces = active_workspaces()
    states = pass_states(workspaces, late_seconds=max(300, 5 * worktrees_config().scan_seconds))
    every = all_worktrees()
    context: dict[str, Any] = {
        "groups": _groups(states, [one for one in every if is_shown(one, show, q)]),
        "any": bool(every),
        "show": show if show in SHOWN else "",
        "shown": SHOWN,
        "q": q,
        "may_make": is_allowed(request.user, Permission.MAKE_WORKTREES),
        "acts": acts(),
    }
    return render_page(request, "worktrees/list.html", context, partials=("worktrees",))


def _groups(states: list[PassState], views: list[WorktreeView]) -> list[dict[str, Any]]:
    return [{"state": one, "rows": [row for row in views if row.workspace == one.workspace]} for one in states]


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def worktree_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one worktree: findings with their next actions, facts, jobs, and what only it holds."""
    row = get_object_or_404(Worktree.objects.select_related("workspace"), pk=pk)
    context = {"view": worktree_view(row), "may_clean": is_allowed(request.user, Permission.CLEAN_WORKTREES)}
    return render_page(request, "worktrees/worktree.html", context)
