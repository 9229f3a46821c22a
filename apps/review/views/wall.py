"""A display on the wall: board, flags and the running week by turns, without any control."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.audit.selectors import freshness
from apps.board.presenters import source_lines
from apps.board.selectors import active_rows, followed
from apps.core.clock import utcnow
from apps.core.permissions import Permission, requires
from apps.flags.causes import causes_of
from apps.flags.selectors import MOST_SHOWN, flag_counts, open_flags, standing_count
from apps.review.reading.meeting import review_of
from apps.review.reading.scopes import review_config, running_week
from apps.review.views.showing import tile_of

SCREENS = ("board", "flags", "week")
ON_THE_WALL_ON = "on_the_wall_on"  # the session's note of the last day on which it was renewed
ROWS = 10  # that can be read from across a room
ON_THE_WALL = (
    "hours-total", "hours-useful", "hours-lost", "flags-raised", "flags-cleared", "resumes", "hours-saved", "results",
    "handovers-written", "plans-open", "questions-open", "sweeps-active",
)  # fmt: skip


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def wall_page(request: HttpRequest) -> HttpResponse:
    """Show one of the screens; the page itself goes on to the next one."""
    _stay_logged_in(request)
    asked = request.GET.get("show", "")
    screen = asked if asked in SCREENS else SCREENS[0]
    following = SCREENS[(SCREENS.index(screen) + 1) % len(SCREENS)]
    sources = followed(freshness())
    context: dict[str, Any] = {
        "screen": screen,
        "screens": SCREENS,
        "next": f"{reverse('review:wall')}?show={following}",
        "seconds": review_config().wall_seconds,
        "counts": flag_counts(utcnow()),
        "trouble": [one for one in source_lines(sources) if one.level != "ok"],
        "now": utcnow(),
        **{"board": _board, "flags": _flags, "week": _week}[screen](sources),
    }
    return render(request, "review/wall.html", context)


def _stay_logged_in(request: HttpRequest) -> None:
    """Renew the session once a day: it ends two weeks after the wall was last open, not after it was put up."""
    today = utcnow().date().isoformat()
    if request.user.is_authenticated and request.session.get(ON_THE_WALL_ON) != today:
        request.session[ON_THE_WALL_ON] = today


def _board(sources: list[Any]) -> dict[str, Any]:
    rows = sorted(active_rows(sources), key=lambda one: (one.worst, one.name.lower()))
    return {"rows": rows[:ROWS], "more": max(0, len(rows) - ROWS)}


def _flags(sources: list[Any]) -> dict[str, Any]:
    flags = open_flags()
    causes = causes_of(flags)
    total = standing_count() if len(flags) == MOST_SHOWN else len(flags)
    return {"rows": causes[:ROWS], "more": max(0, len(causes) - ROWS), "total": total}


def _week(sources: list[Any]) -> dict[str, Any]:
    now = utcnow()
    review = review_of(running_week("", now), workspace="", now=now)
    return {"review": review, "tiles": [tile_of(review, review.shown(id)) for id in ON_THE_WALL]}
