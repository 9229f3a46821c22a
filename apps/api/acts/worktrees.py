"""Worktrees at the agents' door: how each stands, and a new one, shown before it is made."""

import uuid
from pathlib import PurePosixPath

from apps.api.acts.handovers import text_of, workspace_named
from apps.api.acts.paging import slice_of
from apps.api.acts.registry import Told, act
from apps.api.callers import Caller
from apps.api.domain.problems import Kind, Problem
from apps.api.domain.tokens import Scope
from apps.api.schemas.worktrees import NewWorktree, WorktreesWish
from apps.core.clock import utcnow
from apps.core.permissions import Permission, is_allowed
from apps.handovers.domain.parsing import parse_text
from apps.handovers.models import Handover
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.wiring import document_store, work_source
from apps.workspaces.models import Workspace
from apps.worktrees.domain.acts import folder_name
from apps.worktrees.selectors import WorktreeView, all_worktrees, is_shown, worktrees_of
from apps.worktrees.services.making import Made, NewWish, Prepared, home_of, new_worktree, prepare_new
from apps.worktrees.services.scanning import scan_worktrees
from apps.worktrees.telling import as_json
from apps.worktrees.wiring import tools


@act(Scope.READ)
def worktree_status(caller: Caller, wish: WorktreesWish) -> Told:
    """List worktrees as last looked at: branch, how it was merged, what only they hold, findings, jobs, handover."""
    every = worktrees_of(workspace_named(wish.workspace)) if wish.workspace else all_worktrees()
    found = [one for one in every if _passes(one, wish)]
    page, after = slice_of(found, wish, "worktrees", lambda one: (one.workspace, one.facts.path), str, str)
    return {"worktrees": [worktree_told(one) for one in page], "next": after}


def _passes(one: WorktreeView, wish: WorktreesWish) -> bool:
    return (
        wish.branch in ("", one.facts.branch)
        and (not wish.path or PurePosixPath(wish.path).is_relative_to(one.facts.path))
        and (not wish.finding or wish.finding in one.finding_ids)
        and is_shown(one, wish.show, wish.q)
    )


def worktree_told(one: WorktreeView) -> Told:
    jobs = None if one.jobs is None else [
        {"cluster": job.cluster, "job": job.job_id, "name": job.name, "state": job.state} for job in one.jobs
    ]  # fmt: skip
    told = as_json(one.facts, one.findings)
    keeps = list(one.refusals)
    return {**told, "workspace": one.workspace, "jobs": jobs, "keeps": keeps, "looked_at": one.looked_at}


@act(Scope.HANDOVER, writes=True, outside=True)
def create_worktree(caller: Caller, wish: NewWorktree) -> Told:
    """Make a worktree with its branch, its links and a CLAUDE.md with a fresh handover key, all of it or nothing.

    Called without `press` it shows every step and does nothing; call again with the `press` that it tells.
    """
    if not is_allowed(caller.token.owner, Permission.MAKE_WORKTREES):
        raise Problem(Kind.MISSING_SCOPE, "This token's owner may not make worktrees; that needs the role 'operator'.")
    workspace = workspace_named(wish.workspace)
    nonce, _, digest = wish.press.partition(":")
    asked = NewWish(wish.branch, wish.base, None, wish.name, wish.focus, wish.next_action, nonce or uuid.uuid4().hex)
    if not wish.press:
        return _shown(prepare_new(root=workspace.path, wish=asked, tools=tools(), workspace=workspace), asked)
    if caller.repeated and (before := _made_before(workspace, asked)):
        return before
    return _made(workspace, asked, digest, caller)


def _made_before(workspace: Workspace, wish: NewWish) -> Told | None:
    """Find what an earlier try of this request made before it died: the branch at its place, with its handover."""
    scan_worktrees(workspace=workspace, tools=tools(), now=utcnow())
    path = home_of(workspace.path, workspace) / (wish.name.strip() or folder_name(wish.branch.strip()))
    there = [one for one in worktrees_of(workspace) if one.facts.path == str(path)]
    found = next((one.facts for one in there if one.facts.branch == wish.branch.strip() and one.facts.key), None)
    if found is None:
        return None
    scan_workspace(workspace=workspace, store=document_store(), now=utcnow())
    row = Handover.objects.filter(workspace=workspace, key=found.key).select_related("content").first()
    prompt = parse_text(text_of(row), "").startup_prompt if row else ""
    return {"path": found.path, "branch": found.branch, "steps": [], "made": True, "press": "",
            "handover": found.key, "startup_prompt": prompt}  # fmt: skip


def _shown(prepared: Prepared, wish: NewWish) -> Told:
    steps = [step.shown for step in prepared.steps]
    return {"path": str(prepared.path), "branch": prepared.branch, "steps": steps, "made": False,
            "press": f"{wish.nonce}:{prepared.digest}", "handover": None, "startup_prompt": ""}  # fmt: skip


def _made(workspace: Workspace, wish: NewWish, digest: str, caller: Caller) -> Told:
    made: Made = new_worktree(
        root=workspace.path, wish=wish, digest=digest, tools=tools(), work=work_source(), now=utcnow(),
        actor=caller.name, workspace=workspace,
    )  # fmt: skip
    scan_worktrees(workspace=workspace, tools=tools(), now=utcnow())
    return {"path": str(made.path), "branch": made.branch, "steps": [], "made": True, "press": "",
            "handover": made.handover.key, "startup_prompt": made.handover.prompt}  # fmt: skip
