"""What the page of one handover shows: the document, what is known of it, and what can be done."""

import re
from typing import Any

from django.db.models import Prefetch
from django.http import Http404
from django.shortcuts import get_object_or_404

from apps.handovers.domain.stages import steps_of
from apps.handovers.domain.verifying import overall, verify
from apps.handovers.models import Content, Handover, Mention, Version
from apps.handovers.screens.rendering import MOST, rendered
from apps.handovers.selectors import live_pickup, named_elsewhere, verify_facts
from apps.handovers.services.reading import parsed
from apps.handovers.services.stages import stage_facts
from apps.links.models import RunLink

ANSWERS = {"pass": "✓", "fail": "✗", "unknown": "?"}
MOST_VERSIONS, MOST_NAMES = 50, 100
_SHA = re.compile(r"[0-9a-f]{7,40}")


def handover_row(pk: int) -> Handover:
    rows = Handover.objects.select_related("workspace", "superseded_by", "content", "handed_over")
    return get_object_or_404(rows, pk=pk)


def version_of(handover: Handover, told: str) -> Version | None:
    """Return the version that the address names; None where it names none."""
    if not told:
        return None
    if not told.isdecimal() or len(told) > 15:
        raise Http404
    return get_object_or_404(handover.versions.select_related("content"), pk=int(told), content__isnull=False)


def previous_of(handover: Handover) -> Handover | None:
    """The handover of the same branch that came before; None where there is none, or no date tells."""
    if handover.date is None or not handover.branch:
        return None
    rows = Handover.objects.filter(workspace=handover.workspace, branch=handover.branch, date__lt=handover.date)
    return rows.select_related("content").order_by("-date", "-pk").first()


def reading(handover: Handover, version: Version | None) -> dict[str, Any]:
    """Return what the template prints, in a fixed number of queries."""
    content = version.content if version else handover.content
    lines = verify(verify_facts(handover))
    return {
        "handover": handover,
        "version": version,
        **_document(content, handover.name),
        "versions": list(handover.versions.order_by("-pk")[:MOST_VERSIONS]),
        **_named(handover),
        "pickup": live_pickup(handover),
        "lines": [(ANSWERS[line.answer.value], line) for line in lines],
        "verified": overall(lines).value,
        "previous": previous_of(handover),
        "steps": steps_of(stage_facts([handover])[handover.pk], handover.date or handover.first_seen_at),
    }


def _document(content: Content | None, name: str) -> dict[str, Any]:
    if content is None:
        return {"document": None, "html": "", "cut": False}
    return {
        "document": parsed(content, name),
        "html": rendered(content.text),
        "cut": content.cut or len(content.text) > MOST,
    }


def _named(handover: Handover) -> dict[str, Any]:
    """What it names, and which of the commits in it other handovers name too."""
    mentions = _mentions(handover)
    shas = [one.name for one in mentions if one.kind == "commit" and _SHA.fullmatch(one.name)]
    return {"mentions": mentions, "shared_commits": named_elsewhere(handover, shas)}


def _mentions(handover: Handover) -> list[Mention]:
    """Return what it names, each with its row; a job with the run that it carried last."""
    runs = Prefetch("job__run_links", RunLink.objects.select_related("run").order_by("-pk"), to_attr="carried")
    rows = handover.mentions.select_related("sweep", "run__sweep", "job").prefetch_related(runs)
    rows = rows.exclude(kind="handover", name__in=(handover.key, handover.text_key))
    return list(rows.order_by("kind", "pk")[:MOST_NAMES])
