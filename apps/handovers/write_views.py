"""'New handover': prefilled from git, the registry and the last handover; shown before it is written."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.handovers.desk.options import checks_of, decisions_of
from apps.handovers.domain.document import Box
from apps.handovers.models import CheckoutKey, Handover
from apps.handovers.services.prefilling import Prefill, prefill
from apps.handovers.services.writing import Wish, preview, write_handover
from apps.handovers.wiring import document_store, work_source
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import active_workspaces

TEMPLATE = "handovers/new.html"
FIELDS = ("focus", "agent", "next", "changes", "checks", "pending", "decisions")
MOST = 20_000  # signs of a field


@dataclass(frozen=True)
class Home:
    """A checkout in which a handover can be written."""

    workspace: Workspace
    path: str
    branch: str


@never_cache
@require_http_methods(["GET", "POST"])
@requires(Permission.TRIAGE_FLAGS)
def new_handover(request: HttpRequest) -> HttpResponse:
    """Show the form, show what would be written, or write it; nothing that was typed is lost by a refusal."""
    homes = _homes()
    told = request.POST if request.method == "POST" else request.GET
    home = next((one for one in homes if one.path == told.get("checkout")), homes[0] if homes else None)
    typed = {name: told.get(name, "")[:MOST] for name in FIELDS}
    context: dict[str, Any] = {"homes": homes, "home": home, "typed": typed, "done": told.getlist("done")}
    if home is None:
        return render_page(request, TEMPLATE, context)
    store = document_store()
    try:
        begun = prefill(checkout=Path(home.path), store=store, work=work_source(), workspace=home.workspace)
        context["prefill"] = begun
        if request.method == "POST":
            wish = _wish(typed, begun, told.getlist("done"), request.user.get_username())
            if "write" in told:
                written = write_handover(
                    wish=wish, prefill=begun, store=store, now=utcnow(), actor=wish.author, workspace=home.workspace
                )
                return _read_it(request, written.key, home)
            context["text"], context["warnings"] = preview(wish=wish, prefill=begun, now=utcnow())
    except SweepboardError as error:
        context["refused"] = str(error)
        return render_page(request, TEMPLATE, context, status=422)
    return render_page(request, TEMPLATE, context)


def _read_it(request: HttpRequest, key: str, home: Home) -> HttpResponse:
    messages.info(request, f"{key} is written; its startup prompt is there to be copied.")
    found = Handover.objects.filter(workspace=home.workspace, key=key).first()
    return redirect("handovers:handover", pk=found.pk) if found else redirect(reverse("handovers:list") + f"?q={key}")


def _homes() -> list[Home]:
    """Every checkout that a pass has seen; of a workspace that nobody has passed over, its root."""
    seen: dict[int, list[CheckoutKey]] = {}
    for row in CheckoutKey.objects.order_by("-is_main", "path"):
        seen.setdefault(row.workspace_id, []).append(row)
    return [
        Home(workspace, path, branch)
        for workspace in active_workspaces()
        for path, branch in [(row.path, row.branch) for row in seen.get(workspace.pk, [])] or [(workspace.root, "")]
    ]


def _wish(typed: dict[str, str], begun: Prefill, done: list[str], author: str) -> Wish:
    pending = [Box(text, done=False) for text in _lines(typed["pending"])]
    finished = [Box(box.text, done=True) for box in begun.pending if box.text in done]
    return Wish(
        focus=" ".join(typed["focus"].split()),
        next_actions=tuple(_lines(typed["next"])),
        agent=" ".join(typed["agent"].split()),
        author=author,
        changes=tuple(_lines(typed["changes"])),
        checks=tuple(checks_of(_lines(typed["checks"]))),
        pending=(*finished, *pending),
        decisions=tuple(decisions_of(_lines(typed["decisions"]))),
    )


def _lines(text: str) -> list[str]:
    return [line.strip().removeprefix("- ").strip() for line in text.splitlines() if line.strip(" -\t")]
