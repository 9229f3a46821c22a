"""The checkpoints of one run: what each is proven to be, and 'Verify'."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.checkpoints.models import Verification
from apps.checkpoints.ports import FoundCheckpoint
from apps.checkpoints.services import checkpoints_now
from apps.checkpoints.tasks import send_proof
from apps.checkpoints.verifying import ask_for_proof
from apps.checkpoints.wiring import checkpoint_store
from apps.core.clock import utcnow
from apps.core.errors import AlreadyDone
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.sweeps.models import Run

TEMPLATE = "board/checkpoints.html"
MOST = 100


@dataclass(frozen=True)
class CheckpointRow:
    """A checkpoint as it is listed now, and its proof; ``holds`` says that it was proven as it is."""

    found: FoundCheckpoint
    proof: Verification | None
    newest: bool
    newest_good: bool

    @property
    def name(self) -> str:
        return self.found.path.name

    @property
    def holds(self) -> bool:
        listed = (self.found.bytes, self.found.modified_at)
        return self.proof is not None and (self.proof.bytes, self.proof.modified_at) == listed


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def checkpoints_page(request: HttpRequest, pk: int) -> HttpResponse:
    """List the checkpoints of a run, newest first, each with its proof."""
    return _answer(request, _run(pk))


@require_POST
@requires(Permission.VERIFY_CHECKPOINTS)
def verify(request: HttpRequest, pk: int) -> HttpResponse:
    """Have one checkpoint of the run proven; it is chosen among those that are listed, never by a path from outside."""
    run = _run(pk)
    found, problem = checkpoints_now(run=run, store=checkpoint_store())
    chosen = next((one for one in found if str(one.path) == request.POST.get("path", "")), None)
    if chosen is None:
        return _answer(request, run, said=problem or "This checkpoint is not there any more.")
    try:
        asked = ask_for_proof(run=run, found=chosen, actor=request.user.get_username(), now=utcnow())
    except AlreadyDone as error:
        return _answer(request, run, said=str(error))
    send_proof(asked)
    return _answer(request, run, said=f"{chosen.path.name} is being verified.")


def _run(pk: int) -> Run:
    return get_object_or_404(Run.objects.select_related("sweep").defer("config", "summary"), pk=pk)


def _answer(request: HttpRequest, run: Run, *, said: str = "") -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("board:checkpoints", pk=run.pk)
    return render_page(request, TEMPLATE, {**_context(request, run), "said": said}, partials=("checkpoints",))


def _context(request: HttpRequest, run: Run) -> dict[str, Any]:
    found, problem = checkpoints_now(run=run, store=checkpoint_store())
    proofs = {one.path: one for one in Verification.objects.filter(run=run)}
    rows = [CheckpointRow(one, proofs.get(str(one.path)), place == 0, False) for place, one in enumerate(found[:MOST])]
    good = next((row for row in rows if row.holds and row.proof and row.proof.sound == "pass"), None)
    return {
        "run": run,
        "rows": [CheckpointRow(row.found, row.proof, row.newest, row is good) for row in rows],
        "total": len(found),
        "problem": problem,
        "busy": any(row.proof and row.proof.is_open for row in rows),
        "can_verify": is_allowed(request.user, Permission.VERIFY_CHECKPOINTS),
        "now": utcnow(),
    }
