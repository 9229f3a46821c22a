"""Plans and questions: what is asked, and what is told."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import Field

from apps.api.schemas.base import Line, Number, Paged, Seconds, Told, Whole, Wish, Word, Words

Status = Annotated[Whole, Field(ge=-255, le=2**31 - 1)]


class StepWish(Wish):
    text: Words = Field(description="what is done")
    command: Words = Field(description="the validation command that proves it")


class PlanText(Wish):
    title: Line
    kind: Word = Field(default="other", description="'bug fix', 'feature' or 'other'")
    steps: list[StepWish] = Field(max_length=100)
    risks: list[Words] = Field(default=[], max_length=100)
    touches: list[Words] = Field(default=[], max_length=100, description="files, jobs, sweeps that will change")
    failing_test: Words = Field(
        default="",
        description="a bug fix: the test that fails first; the final report tells it",
    )
    acceptance_tests: list[Words] = Field(
        default=[], max_length=100, description="a feature: what will have to pass; the final report tells each"
    )


class NewPlan(PlanText):
    handover: Word = Field(description="the key of the handover that you took up")


class RevisedPlan(PlanText):
    plan: Number


class PlansWish(Paged):
    show: Literal["", "open", "expired", "over"] = ""
    q: Word = Field(default="", description="words in title, author or the handover's key")


class PlanNumber(Wish):
    plan: Number
    wait: Seconds = 0


class CommentBody(Wish):
    text: str = Field(max_length=4000)


class CommentWish(CommentBody):
    plan: Number


class ProgressBody(Wish):
    """A step begins without ``exit_status``; with it, its validation command has ended."""

    step: Whole = Field(ge=1, le=1000, description="counted from 1")
    exit_status: Status | None = None
    output: str = Field(default="", max_length=1 << 19)
    remark: Line = ""


class ProgressWish(ProgressBody):
    plan: Number


class ResultWish(Wish):
    command: Words
    exit_status: Status
    output: str = Field(default="", max_length=1 << 19)


class FinalBody(Wish):
    """The end of a deploy: a result for every validation command of the plan, and for the tests that it names, by their
    names or by a test command with their file or folder.
    """

    results: list[ResultWish] = Field(max_length=100)
    summary: str = Field(default="", max_length=8000)


class FinalWish(FinalBody):
    plan: Number


class OptionWish(Wish):
    id: Word = Field(default="", description="empty: a, b, c …")
    label: Line
    consequence: Line = ""


class NewQuestion(Wish):
    """Two to six options; the first one is what you suggest."""

    title: Line
    options: list[OptionWish] = Field(default=[], max_length=20)
    context: str = Field(default="", max_length=8000)
    allow_multiple: bool = False
    deadline: Word = Field(default="", description="it only reminds, such as 2026-05-04T09:00Z")
    handover: Word = ""
    plan: Number | None = None
    webhook: str = Field(
        default="", max_length=1000, description="http(s) address to which the answer is sent, signed; see the answer"
    )


class QuestionsWish(Paged):
    show: Literal["", "open", "answered", "withdrawn"] = ""
    q: Word = ""


class QuestionNumber(Wish):
    question: Number
    wait: Seconds = 0


class WithdrawBody(Wish):
    reason: Line = ""


class WithdrawWish(WithdrawBody):
    question: Number


class DecisionTold(Told):
    act: str
    by: str
    reason: str


class StepTold(Told):
    step: int
    command: str
    state: Literal["to-come", "now", "done", "failed"]


class PlanTold(Told):
    plan: int
    handover: str
    title: str
    kind: str
    state: str
    version: int
    sha256: str
    may_deploy: bool = Field(description="whether to begin: a person approved exactly this text, and it is not expired")
    expired: bool
    expires_at: datetime
    approved_by: str
    approval_void: bool
    decision: DecisionTold | None
    steps: list[StepTold]
    questions_open: list[int]
    url: str


class PlanWhole(PlanTold):
    text: str
    comments: list[dict[str, Any]]


class PlanRow(Told):
    plan: int
    handover: str
    title: str
    kind: str
    state: str
    expired: bool
    by: str
    posted_at: datetime
    url: str


class PlanPage(Told):
    plans: list[PlanRow]
    next: str | None


class CommentTold(Told):
    plan: int
    comment: int
    said: str


class OptionTold(Told):
    id: str
    label: str
    consequence: str


class AnswerTold(Told):
    chosen: list[str]
    note: str
    by: str
    at: datetime


class WebhookTold(Told):
    url: str
    state: Literal["waiting", "done", "failed"]
    attempts: int
    said: str


class QuestionTold(Told):
    question: int
    title: str
    state: Literal["open", "answered", "withdrawn"]
    options: list[OptionTold]
    allow_multiple: bool
    deadline: datetime | None
    answer: AnswerTold | None
    by: str
    at: datetime
    plan: int | None
    handover: str | None
    webhook: WebhookTold | None
    url: str


class AskedQuestion(QuestionTold):
    webhook_secret: str | None = Field(description="told this once: the key of the HMAC-SHA256 that signs the delivery")


class QuestionPage(Told):
    questions: list[QuestionTold]
    next: str | None
