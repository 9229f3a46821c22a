"""Worktrees and plans of cherry-picks as JSON and as lines, for commands, the API and agents."""

from typing import Any

from apps.core.units import count, size
from apps.worktrees.domain.facts import Facts, How
from apps.worktrees.domain.findings import Finding, findings_of
from apps.worktrees.domain.picking import Commit, Pick, Plan

WORDS = {How.NO: "not merged", How.NOTHING_YET: "nothing yet", How.BASE: "the base", How.UNKNOWN: "merge unknown"}


def as_json(facts: Facts, findings: tuple[Finding, ...] | None = None) -> dict[str, Any]:
    """Return one worktree: ``merged`` is how (merge, fast-forward, rebase, squash), False, or null where unknown.

    ``dirty`` and ``unpushed`` are null where they cannot be told.
    """
    merge = facts.merge
    return {
        "path": facts.path,
        "kind": facts.kind,
        "branch": facts.branch or None,
        "head": facts.head or None,
        "merged": merge.how.value if merge.merged else merge.merged,
        "merge": {"how": merge.how.value, "base": merge.base, "why": merge.why},
        "dirty": facts.dirty,
        "changes": None if facts.changes is None else {
            "staged": facts.changes.staged, "changed": facts.changes.changed,
            "untracked": facts.changes.untracked, "conflicted": facts.changes.conflicted,
        },
        "unpushed": facts.unpushed,
        "size": facts.size,
        "active_at": facts.active_at.isoformat() if facts.active_at else None,
        "handover": facts.key or None,
        "focus": facts.focus or None,
        "only_here": None if facts.held is None else [
            {"path": one.path, "files": one.files, "bytes": one.bytes} for one in facts.held
        ],
        "findings": [one.as_json() for one in (findings_of(facts) if findings is None else findings)],
        "problems": list(facts.problems),
    }  # fmt: skip


def as_lines(facts: Facts) -> list[str]:
    """Return what a person reads of one worktree: a line, and one for each finding."""
    changes = "changes unknown" if facts.changes is None else count(facts.changes.total, "change")
    unpushed = "unpushed unknown" if facts.unpushed is None else f"{facts.unpushed} unpushed"
    held = "" if not facts.held else f", {count(sum(one.files for one in facts.held), 'file')} only here"
    told = merged_words(facts)
    parts = (
        [told]
        if facts.kind == "clone"
        else [told, changes, unpushed + held, size(facts.size) if facts.size is not None else "size unknown"]
    )
    head = f"{facts.path}  {facts.branch or f'detached at {facts.head[:8]}'}  {'; '.join(parts)}"
    return [head, *(f"  {one.id}: {one.sentence} → {one.next_action}" for one in findings_of(facts))]


def merged_words(facts: Facts) -> str:
    """Return how a branch stands, in words: `merged by squash`, `nothing yet`."""
    if facts.kind == "clone":
        return "a clone"
    if facts.merge.merged:
        return f"merged by {'merge commit' if facts.merge.how is How.MERGE else facts.merge.how.value}"
    return WORDS[facts.merge.how]


def plan_as_json(plan: Plan) -> dict[str, Any]:
    """Return a whole plan; ``fallback`` is null where no commit mixes concerns."""
    return {
        "source": {"name": plan.source, "sha": plan.source_sha},
        "target": {"name": plan.target, "sha": plan.target_sha},
        "picks": [_pick(one) for one in plan.picks],
        "already": [{**_commit(one), "as": sha} for one, sha in plan.already],
        "left_out": [{**_commit(one), "reason": reason} for one, reason in plan.left_out],
        "commands": [list(one.command) for one in plan.picks],
        "fallback": [
            {"sha": one.sha, "concern": one.concern, "why": one.why, "commands": [list(each) for each in one.commands]}
            for one in plan.fallback
        ] or None,
        "problems": list(plan.problems),
    }  # fmt: skip


def _commit(one: Commit) -> dict[str, Any]:
    return {"sha": one.sha, "subject": one.subject, "author": one.author}


def _pick(one: Pick) -> dict[str, Any]:
    return {
        **_commit(one.commit),
        "concerns": list(one.concerns),
        "mixed": bool(one.mixed),
        "mixed_why": one.mixed or None,
        "files": [change.path for change in one.changes],
        "depends_on": [{"sha": need.sha, "by": need.by, "why": need.why} for need in one.needs],
        "conflicts": {"state": one.trial.state, "files": list(one.trial.files), "why": one.trial.why},
        "reason": one.reason,
        "command": list(one.command),
    }


def plan_as_lines(plan: Plan) -> list[str]:
    """Return a plan for people: the commands in order, each with its reasons."""
    lines = [f"From {plan.source} ({plan.source_sha[:8]}) onto {plan.target} ({plan.target_sha[:8]}): "
             f"{count(len(plan.picks), 'commit')} to pick. On {plan.target}, in this order:"]  # fmt: skip
    for one in plan.picks:
        lines += ["", f"{' '.join(one.command)}", f"  {one.commit.subject} ({one.commit.author})", f"  {one.reason}"]
        lines += [f"  {one.trial.state}: {one.trial.why}"] if one.trial.why else []
        lines += [f"  mixes concerns: {one.mixed}"] if one.mixed else []
    lines += ["", "Already there:"] if plan.already else []
    lines += [f"  {one.sha[:8]} {one.subject}, as {sha[:8]}" for one, sha in plan.already]
    lines += ["", "Left out:"] if plan.left_out else []
    lines += [f"  {one.sha[:8]} {one.subject}: {reason}" for one, reason in plan.left_out]
    if plan.fallback:
        lines += ["", "Commits that mix concerns can be parted by copying files, each instead of its whole pick:"]
        for part in plan.fallback:
            lines += [f"  {part.why}", *(f"    {' '.join(command)}" for command in part.commands)]
    return [*lines, *plan.problems]
