"""The inbox of red flags: every open one, grouped by its cause, the worst first."""

from collections.abc import Iterable
from dataclasses import dataclass

from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from apps.audit.selectors import freshness
from apps.board.presenters import source_lines
from apps.core.clock import utcnow
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires
from apps.flags.causes import SEVERITIES, Cause, Narrowed, OpenFlag, causes_of
from apps.flags.selectors import MOST_SHOWN, flag_counts, open_flags

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
    view, every = Narrowed.from_query(request.GET), open_flags()
    wanted = [flag for flag in every if view.wants(flag)]
    causes = causes_of(wanted)
    most = MOST if view.is_one_cause else FEW
    total = sum(flag_counts().values())
    context = {
        "view": view,
        "filtered": bool(view.query()),
        "here": _url(view),
        "rows": [CauseRow(cause, _url(cause.narrowed), cause.flags[:most]) for cause in causes[:MOST]],
        "causes": len(causes),
        "flags": len(wanted),
        "left_out": total - len(every) if len(every) == MOST_SHOWN else 0,
        "choices": _choices(every),
        "sources": source_lines(freshness()),
        "now": utcnow(),
    }
    return render_page(request, TEMPLATE, context, partials=("inbox",))


def _url(view: Narrowed) -> str:
    query = view.query()
    return f"{reverse('board:flags')}?{query}" if query else reverse("board:flags")


def _choices(flags: Iterable[OpenFlag]) -> dict[str, list[str]]:
    every = list(flags)
    return {
        "severity": [one for one in SEVERITIES if any(flag.severity == one for flag in every)],
        "rule": sorted({flag.rule for flag in every}),
        "workspace": sorted({flag.workspace for flag in every if flag.workspace}),
        "sweep": sorted({flag.sweep_id for flag in every if flag.sweep_id}),
        "node": sorted({flag.node for flag in every if flag.node}),
    }
