"""The inbox of red flags: every open one, grouped by its cause, the worst first."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from django.contrib.auth import get_user_model
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.audit.selectors import freshness
from apps.board.presenters import source_lines
from apps.core.clock import utcnow
from apps.core.pages import render_page
from apps.core.permissions import Permission, is_allowed, requires
from apps.flags.causes import SEVERITIES, SHOWN, Cause, Narrowed, OpenFlag, causes_of
from apps.flags.selectors import MOST_SHOWN, open_flags, standing_count

TEMPLATE = "board/inbox.html"
FEW = 3  # flags of a cause that are shown before one looks into it
MOST = 200


@dataclass(frozen=True)
class CauseRow:
    """A cause as the screen shows it: ``shown`` of its flags in full, and the link to all of them."""

    cause: Cause
    url: str
    shown: tuple[OpenFlag, ...]

    @property
    def more(self) -> int:
        return len(self.cause.flags) - len(self.shown)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def inbox_page(request: HttpRequest) -> HttpResponse:
    """Show the open flags that the URL asks for; the view of one cause shows each of its flags."""
    return answer(request, Narrowed.from_query(request.GET))


def answer(
    request: HttpRequest,
    view: Narrowed,
    *,
    said: str = "",
    refused: str = "",
    typed: Mapping[str, Any] | None = None,
) -> HttpResponse:
    """Show the inbox, with what came of an act; a refused one is answered as a form that was filled in wrongly.

    ``typed`` is then what was written and ticked in that form.
    """
    context = {**_context(request, view), "said": said, "refused": refused, "typed": typed or {}}
    return render_page(request, TEMPLATE, context, partials=("inbox",), status=422 if refused else 200)


def _context(request: HttpRequest, view: Narrowed) -> dict[str, Any]:
    now, can_triage = utcnow(), is_allowed(request.user, Permission.TRIAGE_FLAGS)
    every = open_flags(dismissed=view.show == "cleared")
    wanted = [flag for flag in every if view.wants(flag, now)]
    causes = causes_of(wanted)
    most = MOST if view.is_one_cause else FEW
    return {
        "view": view,
        "filtered": bool(view.query()),
        "here": url_of(view),
        "rows": [_row(cause, view, most) for cause in causes[:MOST]],
        "causes": len(causes),
        "not_shown": max(0, len(causes) - MOST),
        "flags": len(wanted),
        "snoozed": 0 if view.show else sum(flag.standing(now) == "snoozed" for flag in every),
        "snoozed_url": url_of(Narrowed(show="snoozed")),
        "left_out": standing_count() - len(every) if len(every) == MOST_SHOWN else 0,
        "choices": _choices(every),
        "people": people() if can_triage else [],
        "can_triage": can_triage,
        "sources": source_lines(freshness()),
        "now": now,
    }


def _row(cause: Cause, view: Narrowed, most: int) -> CauseRow:
    kept = replace(cause.narrowed, show=view.show, assignee=view.assignee)
    return CauseRow(cause, url_of(kept), cause.flags[:most])


def url_of(view: Narrowed) -> str:
    query = view.query()
    return f"{reverse('board:flags')}?{query}" if query else reverse("board:flags")


def people() -> list[str]:
    """Return the names of those whom a flag can be assigned to."""
    return list(get_user_model().objects.filter(is_active=True).order_by("username").values_list("username", flat=True))


def _choices(flags: Iterable[OpenFlag]) -> dict[str, Iterable[str]]:
    every = list(flags)
    return {
        "show": SHOWN,
        "severity": [one for one in SEVERITIES if any(flag.severity == one for flag in every)],
        "rule": sorted({flag.rule for flag in every}),
        "workspace": sorted({flag.workspace for flag in every if flag.workspace}),
        "sweep": sorted({flag.sweep_id for flag in every if flag.sweep_id}),
        "node": sorted({flag.node for flag in every if flag.node}),
        "assignee": [*sorted({flag.assignee for flag in every if flag.assignee}), "none"],
    }
