"""What is wrong with a worktree, by the practice's table: evidence in a sentence, and what to do next. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass

from apps.worktrees.domain.facts import Facts, Place, Resource
from apps.worktrees.domain.table import LOCAL, OWN, is_either, is_shared


@dataclass(frozen=True, slots=True)
class Finding:
    id: str
    sentence: str
    next_action: str

    def as_json(self) -> dict[str, str]:
        return {"id": self.id, "sentence": self.sentence, "next_action": self.next_action}


def findings_of(facts: Facts) -> tuple[Finding, ...]:
    """Return every finding of one worktree, in the order of the practice's table; none where all is well."""
    if facts.kind == "clone":
        return (_clone(facts),)
    if facts.prunable:
        return (_prunable(facts),)
    return (*_own(facts), *_shared(facts), *_local(facts), *_after_the_merge(facts))


def _clone(facts: Facts) -> Finding:
    return Finding(
        "clone",
        f"{facts.path} is a clone of the same repository: it keeps every object a second time.",
        "Push what only the clone has, make a worktree of its branch ('New worktree'), then delete the clone.",
    )


def _prunable(facts: Facts) -> Finding:
    return Finding(
        "prunable",
        f"Git still keeps a record of a worktree at {facts.path}, and it is not there: {facts.prunable}.",
        "`git worktree prune` forgets it; where it was moved, run `git worktree repair` in its new place.",
    )


def _own(facts: Facts) -> Iterator[Finding]:
    for one in facts.resources:
        if one.name not in OWN:
            continue
        if one.place not in (Place.MISSING, Place.LOCAL):
            yield _linked(one)
        if one.tracked:
            yield Finding(
                "claude-tracked",
                f"{one.name} is tracked by git: every branch and worktree gets one and the same.",
                f"`git rm --cached -r {one.name}`, name it in `.gitignore`, and commit.",
            )
    if facts.kind == "worktree" and facts.has_index is False and facts.merge.merged is not True:
        yield Finding(
            "claude-missing",
            "It has no CLAUDE.md of its own, so nobody who opens it knows what it is about.",
            "Write a handover in it: `manage.py handover new`, which makes its CLAUDE.md.",
        )


def _linked(one: Resource) -> Finding:
    told = f"{one.name} is a link to {one.target}, and must be the worktree's own."
    if one.name == "CLAUDE" and not one.ignored:
        told += " The pattern `CLAUDE/` of a .gitignore does not match a link, so git would commit it."
    return Finding(
        "claude-linked",
        told,
        f"Delete the link {one.name} (the file behind it stays), then write a handover here.",
    )


def _shared(facts: Facts) -> Iterator[Finding]:
    """Only what the main checkout has can be shared; what git tracks is in every worktree by itself."""
    if facts.kind != "worktree":
        return
    for one in facts.resources:
        if one.tracked or not (is_shared(one.name) or is_either(one.name)):
            continue
        if one.place is Place.LINK or (is_either(one.name) and one.place is not Place.MISSING):
            continue
        says = {
            Place.MISSING: "is not here, and the main checkout has one",
            Place.LOCAL: "is a copy of its own and no link to the main checkout's",
        }.get(one.place, f"is a link to {one.target}, which is not the main checkout's")
        yield Finding(
            "shared-not-linked",
            f"{one.name} {says}.",
            f"Link it: `ln -s <main checkout>/{one.name} {one.name}`"
            + (", after a look at what the copy says." if one.place is Place.LOCAL else "."),
        )


def _local(facts: Facts) -> Iterator[Finding]:
    if facts.kind != "worktree":
        return
    for one in facts.resources:
        if one.name in LOCAL and one.place in (Place.LINK, Place.LINK_ELSEWHERE):
            yield Finding(
                "local-linked",
                f"{one.name}/ is a link to {one.target}: runs of this worktree write among those of others.",
                f"Wait until no job runs from here, delete the link {one.name}, and make a folder of that name.",
            )


def _after_the_merge(facts: Facts) -> Iterator[Finding]:
    if facts.kind != "worktree" or facts.merge.merged is not True:
        return
    yield Finding(
        "merged-still-there",
        f"{facts.branch or facts.head[:8]} is merged: {facts.merge.why} The worktree is still there.",
        "Clean it up: the page shows first what would be lost.",
    )
    if facts.has_index:
        yield Finding(
            "claude-left",
            "Its CLAUDE.md is still there after the merge, and points whoever opens it at finished work.",
            "Clean the worktree up, which deletes it; or delete CLAUDE.md.",
        )
