"""What an agent may read as a resource: ACTIVE_SWEEPS.md, of all and of each workspace, and handovers."""

import re
from collections.abc import Callable
from urllib.parse import unquote

from mcp.types import Resource, ResourceTemplate

from apps.api.acts.handovers import search_handovers, show_handover
from apps.api.acts.sweeps import active_sweeps
from apps.api.domain.problems import Problem, not_found
from apps.api.mcp.calling import Who, carry_out
from apps.api.schemas.handovers import HandoversWish, HandoverWish
from apps.api.schemas.training import ReportWish

ALL_SWEEPS = "sweepboard://ACTIVE_SWEEPS.md"
_OF_WORKSPACE = re.compile(r"sweepboard://workspaces/([^/?#]{1,600})/ACTIVE_SWEEPS\.md")
_HANDOVER = re.compile(r"sweepboard://handovers/([^/?#]{1,600})")
MARKDOWN = "text/markdown"
LATEST = 20  # handovers that are listed; every other one is found by search_handovers

TEMPLATES = (
    ResourceTemplate(
        name="active-sweeps-of-a-workspace",
        uri_template="sweepboard://workspaces/{workspace}/ACTIVE_SWEEPS.md",
        description="ACTIVE_SWEEPS.md of one workspace, as it would be written now",
        mime_type=MARKDOWN,
    ),
    ResourceTemplate(
        name="handover",
        uri_template="sweepboard://handovers/{key}",
        description="one handover document, by its key or a piece that no other key has",
        mime_type=MARKDOWN,
    ),
)


def listed(who: Who) -> list[Resource]:
    """Return the report, and the newest handovers."""
    report = Resource(
        name="ACTIVE_SWEEPS.md", uri=ALL_SWEEPS, mime_type=MARKDOWN, description="every active sweep of all workspaces"
    )
    found = carry_out(who, search_handovers, HandoversWish(limit=LATEST))["handovers"]
    return [report, *(_handover(one["key"], one["focus"]) for one in found)]


def _handover(key: str, focus: str) -> Resource:
    return Resource(name=key, uri=f"sweepboard://handovers/{key}", mime_type=MARKDOWN, description=focus or None)


def read(who: Who, uri: str) -> str:
    """Return the text of a resource; ``Problem`` 404 for one that there is not."""
    for pattern, text_of in _READERS:
        if found := pattern.fullmatch(uri):
            named = unquote(found[1]) if found.groups() else ""
            if "\x00" in named or len(named) > 200:
                break
            return text_of(who, named)
    raise _missing(uri)


def _missing(uri: str) -> Problem:
    known = ", ".join(one.uri_template for one in TEMPLATES)
    return not_found(f"There is no resource '{uri[:200]}'; there are {ALL_SWEEPS}, {known}.")


def _report(who: Who, workspace: str) -> str:
    return str(carry_out(who, active_sweeps, ReportWish(workspace=workspace))["markdown"])


def _document(who: Who, key: str) -> str:
    return str(carry_out(who, show_handover, HandoverWish(handover=key))["text"])


_READERS: tuple[tuple[re.Pattern[str], Callable[[Who, str], str]], ...] = (
    (re.compile(re.escape(ALL_SWEEPS)), _report),
    (_OF_WORKSPACE, _report),
    (_HANDOVER, _document),
)
