"""The page that plans cherry-picks from branch to branch. It changes no branch; people run the commands."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_http_methods

from apps.core.errors import SweepboardError
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.workspaces.selectors import active_workspaces
from apps.worktrees.selectors import worktrees_of
from apps.worktrees.services.planning import plan_picks
from apps.worktrees.wiring import pick_source

TEMPLATE = "worktrees/picks.html"
SECONDS = 15.0  # for trying, on a page that somebody waits for; the command has more


@never_cache
@csrf_protect
@require_http_methods(["GET", "POST"])
@requires(Permission.MAKE_WORKTREES)
def plan(request: HttpRequest) -> HttpResponse:
    """Show the form, or the plan for what was asked; a POST, because trying takes a scratch worktree."""
    workspaces = active_workspaces()
    told = request.POST if request.method == "POST" else request.GET
    workspace = next((one for one in workspaces if one.name == told.get("workspace")), next(iter(workspaces), None))
    typed = {name: told.get(name, "").replace("\x00", "").strip()[:300] for name in ("source", "target", "concern")}
    context: dict[str, Any] = {"workspaces": workspaces, "workspace": workspace, "typed": typed}
    context["branches"] = [one.facts.branch for one in worktrees_of(workspace) if one.facts.branch] if workspace else []
    if workspace is None or request.method != "POST":
        return render_page(request, TEMPLATE, context)
    try:
        if not typed["source"] or not typed["target"]:
            raise SweepboardError("Name both branches: from which one, and onto which one.")
        context["plan"] = plan_picks(root=workspace.path, git=pick_source(SECONDS), **typed)
    except SweepboardError as error:
        context["refused"] = str(error)
        return render_page(request, TEMPLATE, context, status=422)
    return render_page(request, TEMPLATE, context)
