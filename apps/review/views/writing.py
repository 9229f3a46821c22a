"""What people write in the meeting. Each form works without JavaScript and adds; nothing overwrites anything."""

from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.views.decorators.csrf import csrf_protect
from django.views.decorators.http import require_POST

from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.permissions import Permission, requires
from apps.review.domain.catalogue import PART_IDS
from apps.review.models import ActionItem, Attendance
from apps.review.services import meeting
from apps.review.views.showing import url_of, week_or_404
from apps.review.views.week import answer


@csrf_protect
@require_POST
@requires(Permission.WRITE_REVIEW)
def add_note(request: HttpRequest, text: str) -> HttpResponse:
    """Add a note to one part of the agenda."""
    return _do(request, text, request.POST.get("part", ""), lambda told: meeting.add_note(
        part=request.POST.get("part", ""), text=request.POST.get("text", ""), key=request.POST.get("key", ""), **told
    ))  # fmt: skip


@csrf_protect
@require_POST
@requires(Permission.WRITE_REVIEW)
def add_action(request: HttpRequest, text: str) -> HttpResponse:
    """Add an action item: who, what, by when."""
    data = request.POST
    return _do(request, text, "actions", lambda told: meeting.add_action(
        what=data.get("what", ""), who=data.get("who", ""), due=data.get("due", ""), key=data.get("key", ""), **told
    ))  # fmt: skip


@csrf_protect
@require_POST
@requires(Permission.WRITE_REVIEW)
def set_done(request: HttpRequest, text: str, pk: int) -> HttpResponse:
    """Mark an action item as done, or open it again."""
    item, done = get_object_or_404(ActionItem, pk=pk), request.POST.get("done") == "1"
    return _do(
        request, text, "actions", lambda told: meeting.set_done(item=item, done=done, by=told["by"], now=told["now"])
    )


@csrf_protect
@require_POST
@requires(Permission.WRITE_REVIEW)
def attend(request: HttpRequest, text: str) -> HttpResponse:
    """Note who is there."""
    return _do(request, text, "actions", lambda told: meeting.attend(names=request.POST.get("names", ""), **told))


@csrf_protect
@require_POST
@requires(Permission.WRITE_REVIEW)
def take_off(request: HttpRequest, text: str, pk: int) -> HttpResponse:
    """Take a name off the list of those who are there."""
    one = get_object_or_404(Attendance, pk=pk)
    return _do(request, text, "actions", lambda told: meeting.take_off(attendance=one, by=told["by"]))


def _do(request: HttpRequest, text: str, part: str, act: Callable[[dict[str, Any]], object]) -> HttpResponse:
    """Do it and lead back to the part; a refusal shows the page with its sentence and what was typed."""
    workspace = request.POST.get("workspace", "").replace("\x00", "")
    week = week_or_404(text, workspace)
    told = {"week": week, "workspace": workspace, "by": request.user.get_username(), "now": utcnow()}
    try:
        act(told)
    except SweepboardError as error:
        if "key" not in request.POST and "names" not in request.POST:  # a button, on which nothing was typed
            messages.info(request, str(error))
        else:
            typed = {name: request.POST.get(name, "") for name in ("text", "what", "who", "due", "names")}
            return answer(request, text, workspace, refused=str(error), typed={**typed, "part": part})
    return redirect(f"{url_of(week, workspace)}#{part if part in PART_IDS else 'actions'}")
