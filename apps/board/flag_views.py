"""What people do with flags, and the page of one flag: its evidence, its rule, and all that happened to it."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from apps.board.inbox import answer, people, url_of
from apps.core.clock import utcnow
from apps.core.errors import Permanent
from apps.core.pages import htmx_of, render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.core.units import count
from apps.flags.causes import Narrowed
from apps.flags.history import history_of
from apps.flags.models import Flag
from apps.flags.rules.catalogue import meaning_of
from apps.flags.triage import Act, Done, Wish, triage
from apps.workspaces.domain import Policy
from apps.workspaces.selectors import policy_of, workspace_by_project

TEMPLATE = "board/flag.html"
NUMBER = 16  # digits of a primary key at the most


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def flag_page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one flag with its rule, the thresholds in force, and its history."""
    return _flag_answer(request, pk)


@require_POST
@requires(Permission.TRIAGE_FLAGS)
def triage_flags(request: HttpRequest) -> HttpResponse:
    """Do one thing to the chosen flags, and go back to the screen that was asked from."""
    now = utcnow()
    try:
        wish = _wish(request, now)
        chosen = _chosen(request.POST.getlist("flags"))
        said, refused = _told(wish, triage(flags=chosen, wish=wish, now=now, seen=chosen)), ""
    except Permanent as error:
        said, refused = "", str(error)
    if (one := request.POST.get("page", "")).isdecimal() and len(one) < NUMBER:
        return _flag_answer(request, int(one), said=said, refused=refused, typed=_typed(request, refused))
    if htmx_of(request) or refused:
        view = _view(request.POST.get("back", ""))
        return answer(request, view, said=said, refused=refused, typed=_typed(request, refused))
    messages.info(request, said)
    return redirect(url_of(_view(request.POST.get("back", ""))))  # never another place


def _wish(request: HttpRequest, now: datetime) -> Wish:
    data = request.POST
    try:
        act = Act(data.get("act", ""))
    except ValueError as error:
        raise Permanent("Say what to do with the chosen flags: press one of the buttons.") from error
    assignee = data.get("assignee", "")
    if act is Act.ASSIGN and assignee and assignee not in people():
        raise Permanent(f"Nobody of the name '{assignee}' can log in here.")
    return Wish(
        act=act,
        actor=request.user.get_username(),
        text=data.get("text", "").replace("\x00", "\ufffd").strip(),
        until=_until(data, now) if act is Act.SNOOZE else None,
        assignee=assignee if act is Act.ASSIGN else "",
    )


def _until(data: Mapping[str, str], now: datetime) -> datetime | None:
    """Return until when to put off: the moment that was written down, in UTC, else so many hours from now."""
    if written := data.get("until", ""):
        try:
            moment = parse_datetime(written)
        except ValueError:
            moment = None
        if moment is None:
            raise Permanent(f"'{written[:40]}' is no date with a time, such as 2026-05-04 09:00.")
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    hours = data.get("hours", "")
    return now + timedelta(hours=int(hours)) if hours.isdecimal() and len(hours) < 5 else None


def _chosen(values: Iterable[str]) -> dict[int, str]:
    """Return the keys of fields such as ``warning.3.17``, each with the severity that it had on the screen.

    There is one box for each cause, or for each flag.
    """
    fields = [(value.partition(".")[0], value.split(".")) for value in values]
    chosen = {int(one): seen for seen, parts in fields for one in parts if one.isdecimal() and len(one) < NUMBER}
    if not chosen:
        raise Permanent("Choose the flags first: tick the box of a cause or of a flag.")
    return chosen


def _told(wish: Wish, done: Done) -> str:
    grown = f"{count(done.grown, 'flag')} grew worse meanwhile and stayed as before: look again." if done.grown else ""
    changed = f"{count(done.changed, 'flag')} {_DONE[wish.act]}." if done.changed else ""
    return " ".join(filter(None, (changed, grown))) or "Nothing to do: they are that way already, or over by now."


_DONE = {
    Act.ACKNOWLEDGE: "acknowledged",
    Act.SNOOZE: "put off",
    Act.ASSIGN: "assigned",
    Act.COMMENT: "commented on",
    Act.DISMISS: "cleared by hand",
    Act.PUT_BACK: "put back",
}


def _view(back: str) -> Narrowed:
    """Return the view that an address of the inbox carries; only what follows its question mark counts."""
    return Narrowed.from_query(dict(parse_qsl(back.partition("?")[2].partition("#")[0])))


def _typed(request: HttpRequest, refused: str) -> dict[str, Any]:
    """Return what was written and ticked where it was refused: nobody has to write it again."""
    data = request.POST
    return {"text": data.get("text"), "until": data.get("until"), "flags": data.getlist("flags")} if refused else {}


def _flag_answer(
    request: HttpRequest, pk: int, *, said: str = "", refused: str = "", typed: Mapping[str, Any] | None = None
) -> HttpResponse:
    if said and not htmx_of(request):
        messages.info(request, said)
        return redirect("board:flag", pk=pk)
    context = {**_flag_context(request, pk), "said": said, "refused": refused, "typed": typed or {}}
    return render_page(request, TEMPLATE, context, partials=("flag",), status=422 if refused else 200)


def _flag_context(request: HttpRequest, pk: int) -> dict[str, Any]:
    rows = Flag.objects.select_related("sweep__workspace", "run__sweep", "run__status__job")
    flag = get_object_or_404(rows.defer("run__config", "run__summary", "sweep__config"), pk=pk)
    meaning = meaning_of(flag.rule)
    policy = _policy(flag)
    return {
        "flag": flag,
        "standing": _standing(flag),
        "meaning": meaning,
        "switched_off": policy.rules_off.get(flag.rule, ""),
        "thresholds": [(name, getattr(policy, name)) for name in meaning.thresholds],
        "history": history_of(flag),
        "people": people(),
        "can_triage": is_allowed(request.user, Permission.TRIAGE_FLAGS) and flag.cleared_at is None,
        "now": utcnow(),
    }


def _policy(flag: Flag) -> Policy:
    if (sweep := flag.sweep) is not None:
        return policy_of(sweep.workspace, sweep.sweep_id, sweep.name)
    return policy_of(workspace_by_project().get(flag.run.project_path) if flag.run else None)


def _standing(flag: Flag) -> str:
    if flag.cleared_at is not None:
        return "over"
    if flag.dismissed_at is not None:
        return "cleared by hand"
    if flag.snoozed_until is not None and flag.snoozed_until > utcnow():
        return "snoozed"
    return "acknowledged" if flag.acknowledged_at is not None else "open"
