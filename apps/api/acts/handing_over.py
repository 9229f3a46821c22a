"""Writing handovers, picking them up, and giving them back."""

from pathlib import Path

from apps.api.acts.handovers import named, text_of, workspace_named
from apps.api.acts.registry import Told, act
from apps.api.callers import Caller
from apps.api.domain.problems import Kind, Problem
from apps.api.domain.tokens import Scope
from apps.api.schemas.handovers import HandoverWish, NewHandover, PickUpWish
from apps.audit.services import record
from apps.core.clock import utcnow
from apps.core.errors import AlreadyDone
from apps.handovers.domain.document import Box, Check, Decision
from apps.handovers.models import CheckoutKey, Handover
from apps.handovers.search.indexing import index_new
from apps.handovers.selectors import live_pickup
from apps.handovers.services.pickups import pick_up, release
from apps.handovers.services.prefilling import prefill
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.services.writing import Wish, Written, write_handover
from apps.handovers.wiring import document_store, work_source
from apps.workspaces.models import Workspace


@act(Scope.HANDOVER, writes=True, outside=True)
def create_handover(caller: Caller, wish: NewHandover) -> Told:
    """Write a handover into a checkout, with both indexes, and return its key and its startup prompt.

    What git, the runs and the last handover tell is filled in. In a worktree it is written in both places.
    """
    workspace = workspace_named(wish.workspace)
    checkout = _checkout(workspace, wish.checkout)
    if caller.repeated and (before := _written_before(workspace, caller, wish)):
        return before
    store, now = document_store(), caller.first_at or utcnow()
    begun = prefill(checkout=checkout, store=store, work=work_source(), workspace=workspace)
    asked = _wish(wish, caller)
    made = write_handover(wish=asked, prefill=begun, store=store, now=now, actor=caller.name, workspace=workspace)
    index_new()  # so that a search finds it at once
    return _written_told(made)


def _checkout(workspace: Workspace, told: str) -> Path:
    """Return a checkout of the workspace that a pass has seen; never a folder from outside."""
    if not told:
        return workspace.path
    known = list(CheckoutKey.objects.filter(workspace=workspace).values_list("path", flat=True))
    if told not in [*known, str(workspace.path)]:
        named_ones = ", ".join(known) or str(workspace.path)
        raise Problem(Kind.INVALID, f"'{told[:200]}' is no checkout of {workspace.name}; there are: {named_ones}.")
    return Path(told)


def _wish(wish: NewHandover, caller: Caller) -> Wish:
    is_agent = caller.token.kind == "agent"
    boxes = [Box(text, done=False) for text in wish.pending] + [Box(text, done=True) for text in wish.done]
    return Wish(
        focus=" ".join(wish.focus.split()),
        next_actions=tuple(wish.next_actions),
        agent=caller.token.name if is_agent else "",
        author="" if is_agent else caller.token.owner.get_username(),
        spec=tuple(wish.spec),
        changes=tuple(wish.changes),
        checks=tuple(Check(one.command, one.result) for one in wish.checks),
        pending=tuple(boxes),
        decisions=tuple(Decision(one.decision, one.reason) for one in wish.decisions),
    )


def _written_before(workspace: Workspace, caller: Caller, wish: NewHandover) -> Told | None:
    """Find what an earlier try of this request wrote before it died.

    Its key begins with the minute in which the request first came, because that is the time that is written into it.
    """
    if caller.first_at is None:
        return None
    scan_workspace(workspace=workspace, store=document_store(), now=utcnow())
    begins = f"HO-{caller.first_at:%Y%m%d-%H%M}-"
    rows = Handover.objects.filter(workspace=workspace, key__startswith=begins, focus=" ".join(wish.focus.split()))
    found = rows.select_related("content").order_by("pk").first()
    if found is None:
        return None
    return {"key": found.key, "paths": [found.path], "indexes": [], "startup_prompt": "", "warnings": [],
            "text": text_of(found)}  # fmt: skip


def _written_told(made: Written) -> Told:
    return {
        "key": made.key,
        "paths": list(made.paths),
        "indexes": list(made.indexes),
        "startup_prompt": made.prompt,
        "warnings": [one.sentence for one in made.warnings],
        "text": made.text,
    }


@act(Scope.HANDOVER, writes=True)
def pick_up_handover(caller: Caller, wish: PickUpWish) -> Told:
    """Note that you go on with a handover, and return its text; you are told who picked it up before."""
    row = named(wish)
    kind = "agent" if caller.token.kind == "agent" else "person"
    done = pick_up(handover=row, who=caller.name, kind=kind, now=utcnow(), checkout=wish.checkout)
    other = done.before.who if done.before is not None and done.before.who != caller.name else ""
    return {"key": row.key, "who": caller.name, "at": done.pickup.at, "before": other, "said": done.sentence,
            "text": text_of(row)}  # fmt: skip


@act(Scope.HANDOVER, writes=True)
def release_handover(caller: Caller, wish: HandoverWish) -> Told:
    """Give a handover back that you picked up; somebody else's pickup is ended on its page."""
    row, now = named(wish), utcnow()
    pickup = live_pickup(row)
    if pickup is None:
        raise AlreadyDone(f"Nobody goes on with {row.key}: there is nothing to give back.")
    if pickup.who != caller.name:
        raise Problem(Kind.STATE, f"{pickup.who} goes on with {row.key}; a person can end that on its page.")
    release(pickup=pickup, why=f"given back by {caller.name}", now=now)
    record(type="handover.released", actor=caller.name, subject=row.key, workspace=row.workspace.name)
    return {"key": row.key, "said": f"{caller.name} no longer goes on with it."}
