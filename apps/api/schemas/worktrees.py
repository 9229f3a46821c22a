"""Worktrees, and handovers that are due: what is asked, and what is told."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field

from apps.api.schemas.base import Line, Paged, Told, Whole, Wish, Word


class WorktreesWish(Paged):
    """The filters of the page, and some more."""

    workspace: Word = ""
    branch: Word = ""
    path: Line = Field(default="", description="of one worktree, or a folder in it")
    finding: Word = Field(default="", description="only those with this finding, such as 'merged-still-there'")
    show: Literal["", "findings", "merged", "dirty", "unpushed"] = Field(
        default="", description="those with findings, merged ones, with changes, with commits that are nowhere else"
    )
    q: Word = Field(default="", description="words in path, branch, focus, workspace or the handover's key")


class JobHereTold(Told):
    cluster: str
    job: str
    name: str
    state: str


class WorktreeTold(Told):
    workspace: str
    path: str
    kind: str = Field(description="main, worktree or clone")
    branch: str | None
    head: str | None
    merged: str | bool | None = Field(description="how (merge, fast-forward, rebase, squash), false, null: unknown")
    merge: dict[str, Any]
    dirty: bool | None
    changes: dict[str, int] | None
    unpushed: int | None
    size: int | None
    active_at: str | None
    handover: str | None
    focus: str | None
    only_here: list[dict[str, Any]] | None
    findings: list[dict[str, Any]]
    problems: list[str]
    jobs: list[JobHereTold] | None = Field(description="that run from it; null where Slurm did not answer lately")
    keeps: list[str] = Field(description="why it may not be cleaned up")
    looked_at: datetime


class WorktreePage(Told):
    worktrees: list[WorktreeTold]
    next: str | None


class NewWorktree(Wish):
    """Without ``press`` the steps are shown and nothing is done; with the one that came back it is made."""

    workspace: Word
    branch: Word = Field(description="such as fix/warm-restarts")
    focus: str = Field(max_length=1000, description="one line on what it is for; its CLAUDE.md carries it")
    base: Word = Field(default="", description="where the branch begins; empty for the base branch")
    name: Word = Field(default="", description="of its folder; empty for one made of the branch")
    next_action: Line = ""
    press: Word = Field(default="", description="what the call without it told")


class NewWorktreeTold(Told):
    path: str
    branch: str
    steps: list[str] = Field(description="what is done, in order")
    press: str = Field(description="send it with the same wish to have it made; empty once it is made")
    made: bool
    handover: str | None
    startup_prompt: str


class ExchangesWish(Wish):
    workspace: Word
    branch: Word
    count: Whole = Field(ge=0, le=100_000, description="messages of this session by now")


class DueWish(Wish):
    workspace: Word = ""


class NudgeTold(Told):
    nudge: str
    workspace: str
    branch: str
    checkout: str
    sentence: str


class DueTold(Told):
    due: list[NudgeTold] = Field(description="handovers that should be written now, and why")
