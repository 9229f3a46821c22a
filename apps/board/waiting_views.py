"""`/inbox`: what waits for whoever looks at it."""

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.board.waiting import SOON, Waiting, waiting_for
from apps.core.clock import utcnow
from apps.core.pages import render_page
from apps.core.permissions import Permission, is_allowed, requires, role_of


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def waiting_page(request: HttpRequest) -> HttpResponse:
    """Show the plans, questions, resumes and flags that this person may see to."""
    now, mine = utcnow(), _mine(request)
    context = {
        "mine": mine,
        "waiting": mine.total,  # the header need not count anew
        "can_decide": is_allowed(request.user, Permission.APPROVE_PLANS),
        "now": now,
        "soon": now + SOON,
    }
    return render_page(request, "board/waiting.html", context)


@never_cache
@require_safe
@requires(Permission.VIEW_BOARD)
def changes(request: HttpRequest) -> HttpResponse:
    """Answer 204 while what waits is what the page shows, else a sentence: nothing moves under a finger by itself."""
    if _mine(request).seen == request.GET.get("seen", ""):
        return HttpResponse(status=204)
    return render(request, "board/waiting_changed.html")


def _mine(request: HttpRequest) -> Waiting:
    return waiting_for(request.user.get_username(), role_of(request.user), utcnow())
