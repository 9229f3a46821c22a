"""Handovers: what is asked, and what is told."""

from datetime import datetime
from typing import Any, Literal

from pydantic import Field, field_validator

from apps.api.schemas.base import Line, Paged, Told, Wish, Word, Words
from apps.handovers.screens.listing import day_of

Key = Word


class HandoversWish(Paged):
    """The filters of the page; with ``q`` the best answers come first."""

    q: str = Field(default="", max_length=300, description="a question in plain words, or a piece of a key")
    workspace: Word = ""
    branch: Word = ""
    agent: Word = ""
    author: Word = ""
    state: Literal["", "current", "superseded", "archived", "gone"] = ""
    sweep: Word = ""
    pending: Literal["", "1"] = Field(default="", description="1: only those with open items")
    since: Literal[""] | str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="a day, 2026-05-04")
    until: Literal[""] | str = Field(default="", pattern=r"^(\d{4}-\d{2}-\d{2})?$", description="a day, included")

    @field_validator("since", "until")
    @classmethod
    def _is_a_day(cls, told: str) -> str:
        """One that is none would show everything, as a misspelt filter would."""
        if told and day_of(told) is None:
            raise ValueError(f"'{told}' is no day of the calendar; write one such as 2026-05-04")
        return told


class HandoverWish(Wish):
    handover: Key = Field(description="its key, or a piece that no other key has")
    workspace: Word = ""


class PickUpBody(Wish):
    workspace: Word = ""
    checkout: Line = Field(default="", description="the folder in which you go on with it")


class PickUpWish(PickUpBody):
    handover: Key = Field(description="its key, or a piece that no other key has")


class ResultTold(Told):
    command: Line
    result: Line = ""


class DecisionTold(Told):
    decision: Line
    reason: Line = ""


class NewHandover(Wish):
    """What git, the runs and the last handover tell is filled in; say what only you know."""

    workspace: Word
    checkout: Line = Field(default="", description="a checkout of that workspace; empty for the main one")
    focus: str = Field(max_length=1000, description="one line on what this is about")
    next_actions: list[Line] = Field(max_length=50, description="what whoever comes next does first")
    spec: list[Line] = Field(default=[], max_length=100)
    changes: list[Line] = Field(default=[], max_length=100)
    checks: list[ResultTold] = Field(default=[], max_length=100, description="commands that were run, and what came")
    pending: list[Line] = Field(default=[], max_length=100)
    done: list[Line] = Field(default=[], max_length=100, description="pending items that are done")
    decisions: list[DecisionTold] = Field(default=[], max_length=100)


class HandoverTold(Told):
    key: str
    workspace: str
    path: str
    date: datetime | None
    branch: str
    agent: str
    author: str
    focus: str
    state: str
    superseded_by: str | None
    pending_open: int
    pending_done: int
    findings: list[dict[str, Any]]
    passage: str = Field(default="", description="of a search: the place that answers")


class HandoverPage(Told):
    handovers: list[HandoverTold]
    next: str | None
    total: int | None = Field(description="of a search: how many were found")
    unknown_words: list[str]


class HandoverWhole(HandoverTold):
    text: Words
    sections: list[str]
    picked_up_by: str
    picked_up_at: datetime | None


class VerifyLine(Told):
    id: str
    answer: Literal["pass", "fail", "unknown"]
    evidence: str


class VerifiedTold(Told):
    key: str
    answer: Literal["pass", "fail", "unknown"]
    lines: list[VerifyLine]


class PickedUpTold(Told):
    key: str
    who: str
    at: datetime
    before: str = Field(description="who had picked it up and goes on with it as well; empty for nobody else")
    said: str
    text: str


class ReleasedTold(Told):
    key: str
    said: str


class WrittenTold(Told):
    key: str
    paths: list[str]
    indexes: list[str]
    startup_prompt: str
    warnings: list[str]
    text: str
