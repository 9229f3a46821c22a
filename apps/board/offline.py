"""The screen of runs that trained without a server, and 'Sync to W&B'."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.audit.selectors import Freshness, freshness
from apps.core.clock import utcnow
from apps.core.errors import Permanent
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.sweeps.models import RunFolder, UploadRequest
from apps.sweeps.selectors import folders_to_show
from apps.sweeps.services.uploads import ask_for_upload, check_can_upload
from apps.sweeps.tasks import send_upload

TEMPLATE = "board/offline.html"
MOST = 200


@dataclass(frozen=True)
class FolderRow:
    """One run folder as the screen shows it; ``refusal`` says why it cannot be uploaded now, empty if it can."""

    folder: RunFolder
    upload: UploadRequest | None
    refusal: str

    @property
    def is_open(self) -> bool:
        return self.upload is not None and self.upload.state in UploadRequest.OPEN


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def offline_page(request: HttpRequest) -> HttpResponse:
    """Show every run that is on a disk and not, or not whole, on W&B."""
    return _answer(request)


@require_POST
@requires(Permission.UPLOAD_RUNS)
def upload(request: HttpRequest, pk: int) -> HttpResponse:
    """Ask that one run folder be uploaded; a second press while that is under way changes nothing."""
    folder = get_object_or_404(RunFolder, pk=pk)
    try:
        asked = ask_for_upload(folder=folder, actor=request.user.get_username(), now=utcnow())
    except Permanent as error:
        return _answer(request, said=str(error))
    send_upload(asked)
    return _answer(request, said=f"The upload of run {folder.run_name} is asked for.")


@require_POST
@requires(Permission.UPLOAD_RUNS)
def upload_all(request: HttpRequest) -> HttpResponse:
    """Ask for the upload of every folder that can be uploaded now."""
    count = 0
    for folder in RunFolder.objects.filter(synced=False):
        try:
            asked = ask_for_upload(folder=folder, actor=request.user.get_username(), now=utcnow())
        except Permanent:
            continue
        send_upload(asked)
        count += 1
    return _answer(request, said=f"{count} uploads are asked for." if count else "No run can be uploaded now.")


def _answer(request: HttpRequest, *, said: str = "") -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("board:offline")
    return render_page(request, TEMPLATE, {**_context(request), "said": said}, partials=("offline",))


def _context(request: HttpRequest) -> dict[str, Any]:
    now = utcnow()
    rows = [_row(folder, now) for folder in folders_to_show()[:MOST]]
    return {
        "rows": rows,
        "waiting": sum(not row.folder.synced for row in rows),
        "can_upload": is_allowed(request.user, Permission.UPLOAD_RUNS),
        "any_possible": any(not row.refusal and not row.is_open for row in rows),
        "looked": _last_look(),
    }


def _last_look() -> Freshness | None:
    """Return how the run folders were last read: of several workspaces the one in trouble, else the latest."""
    looks = [one for one in freshness() if one.source == "wandb-local"]
    return max(looks, key=lambda one: (bool(one.error), one.tried_at or utcnow()), default=None)


def _row(folder: RunFolder, now: datetime) -> FolderRow:
    asked: list[UploadRequest] = folder.asked  # type: ignore[attr-defined]  # prefetched under this name
    try:
        check_can_upload(folder, now)
        refusal = ""
    except Permanent as error:
        refusal = str(error)
    return FolderRow(folder, asked[0] if asked else None, refusal)
