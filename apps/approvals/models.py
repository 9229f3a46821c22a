"""What agents propose and ask, and what people decide. Every version, decision and answer is kept."""

from datetime import datetime
from typing import Any

from django.db import models
from django.db.models import Q

from apps.approvals.domain.plans import Draft, Kind, Step
from apps.approvals.domain.questions import Option
from apps.approvals.domain.states import OPEN, PLANNING, PlanState, Standing

_OPEN = Q(state__in=tuple(one.value for one in OPEN))
KIND = 10  # characters of agent, shell or person


class PlanQuerySet(models.QuerySet["Plan"]):
    def open(self, now: datetime) -> "PlanQuerySet":
        """Those that are neither over nor expired."""
        return self.filter(_OPEN, expires_at__gt=now)

    def waiting(self, now: datetime) -> "PlanQuerySet":
        """Those that a person must decide on."""
        return self.filter(state=PlanState.POSTED.value, expires_at__gt=now)


class Plan(models.Model):
    """A plan on a handover. ``title``, ``kind`` and ``sha256`` are those of its newest version.

    ``state`` is a ``PlanState``; that it expired follows from ``expires_at``, which every version, approval and report
    moves on. ``key`` is the caller's own, so that a request that was sent twice makes one plan. ``revision`` grows with
    every change, also of comments, so that a page can ask cheaply whether it is still true.
    """

    handover = models.ForeignKey("handovers.Handover", on_delete=models.PROTECT, related_name="plans")
    title = models.CharField(max_length=200)
    kind = models.CharField(max_length=10)
    state = models.CharField(max_length=20, default=PlanState.POSTED.value)
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=100)
    by = models.CharField(max_length=150)
    by_kind = models.CharField(max_length=KIND)
    posted_at = models.DateTimeField()
    moved_at = models.DateTimeField()
    expires_at = models.DateTimeField()
    revision = models.PositiveIntegerField(default=1)

    objects = PlanQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [
            models.UniqueConstraint(fields=["by_kind", "by", "key"], name="plan_key_is_unique"),
            models.UniqueConstraint(fields=["handover", "sha256"], condition=_OPEN, name="one_open_plan_of_a_text"),
        ]
        indexes = [
            models.Index(fields=["state", "posted_at"], condition=_OPEN, name="plan_open"),
            models.Index(fields=["handover", "-id"], name="plan_by_handover"),
        ]

    @property
    def subject(self) -> str:
        return f"plan {self.pk}"

    def expired(self, now: datetime) -> bool:
        return self.state in OPEN and now >= self.expires_at

    @property
    def is_open(self) -> bool:
        return self.state in OPEN

    @property
    def in_planning(self) -> bool:
        return self.state in PLANNING


class PlanVersion(models.Model):
    """One text of a plan. ``text`` is exactly what people are shown, ``sha256`` its hash.

    ``content`` is what it was made of. ``key`` is the caller's own, as that of a plan.
    """

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    content = models.JSONField()
    text = models.TextField()
    sha256 = models.CharField(max_length=64)
    key = models.CharField(max_length=100)
    by = models.CharField(max_length=150)
    by_kind = models.CharField(max_length=KIND)
    at = models.DateTimeField()

    class Meta:
        ordering = ["number"]
        constraints = [
            models.UniqueConstraint(fields=["plan", "number"], name="plan_version_is_unique"),
            models.UniqueConstraint(fields=["plan", "key"], name="plan_version_key_is_unique"),
        ]

    @property
    def draft(self) -> Draft:
        told = self.content
        return Draft(
            title=told["title"],
            kind=Kind(told["kind"]),
            steps=tuple(Step(**step) for step in told["steps"]),
            risks=tuple(told["risks"]),
            touches=tuple(told["touches"]),
            failing_test=told["failing_test"],
            acceptance_tests=tuple(told["acceptance_tests"]),
        )


class Decision(models.Model):
    """What a person decided on one version: approved, rejected or change-requested. It is never changed, save that an
    approval becomes void (``voided_at``) when the text changes after it; ``voided_why`` is a sentence.
    """

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="decisions")
    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="decisions")
    act = models.CharField(max_length=20)
    sha256 = models.CharField(max_length=64)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()
    reason = models.TextField(blank=True)
    voided_at = models.DateTimeField(null=True)
    voided_why = models.CharField(max_length=300, blank=True)

    class Meta:
        ordering = ["pk"]
        constraints = [
            models.UniqueConstraint(
                fields=["plan"], condition=Q(act="approved", voided_at=None), name="one_standing_approval_a_plan"
            )
        ]


class Comment(models.Model):
    """Words about a plan. They decide nothing; ``affirmative`` marks those that may have been meant to."""

    plan = models.ForeignKey(Plan, on_delete=models.CASCADE, related_name="comments")
    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="+")
    text = models.TextField()
    affirmative = models.BooleanField(default=False)
    key = models.CharField(max_length=100)
    by = models.CharField(max_length=150)
    by_kind = models.CharField(max_length=KIND)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["plan", "by_kind", "by", "key"], name="comment_key_is_unique")]


class StepReport(models.Model):
    """What was reported of one step: that it began (``exit_status`` None), or what its validation command came to.

    ``step`` counts from 1. ``output`` is bounded; of a long one head and tail are kept.
    """

    version = models.ForeignKey(PlanVersion, on_delete=models.CASCADE, related_name="reports")
    step = models.PositiveIntegerField()
    exit_status = models.IntegerField(null=True)
    output = models.TextField(blank=True)
    note = models.CharField(max_length=1000, blank=True)
    key = models.CharField(max_length=100)
    by = models.CharField(max_length=150)
    by_kind = models.CharField(max_length=KIND)
    at = models.DateTimeField()

    class Meta:
        ordering = ["pk"]
        constraints = [models.UniqueConstraint(fields=["version", "key"], name="step_report_key_is_unique")]


class FinalReport(models.Model):
    """The end of a deploy: every validation command of the approved version with its result, as
    ``{command, exit_status, output}``. ``passed`` says that each of them ended with 0.
    """

    version = models.OneToOneField(PlanVersion, on_delete=models.CASCADE, related_name="final")
    results = models.JSONField()
    passed = models.BooleanField()
    summary = models.TextField(blank=True)
    by = models.CharField(max_length=150)
    by_kind = models.CharField(max_length=KIND)
    at = models.DateTimeField()


class QuestionQuerySet(models.QuerySet["Question"]):
    def open(self) -> "QuestionQuerySet":
        return self.filter(state="open")


class Question(models.Model):
    """A question with its options ``{id, label, consequence}``, the suggested one first.

    ``state`` is open, answered or withdrawn: a deadline ends nothing. ``words`` is all that a search looks at.
    """

    title = models.CharField(max_length=300)
    context = models.TextField(blank=True)
    options = models.JSONField()
    allow_multiple = models.BooleanField(default=False)
    deadline = models.DateTimeField(null=True)
    handover = models.ForeignKey("handovers.Handover", null=True, on_delete=models.PROTECT, related_name="questions")
    plan = models.ForeignKey(Plan, null=True, on_delete=models.CASCADE, related_name="questions")
    state = models.CharField(max_length=10, default="open")
    key = models.CharField(max_length=100)
    by = models.CharField(max_length=150)
    by_kind = models.CharField(max_length=KIND)
    at = models.DateTimeField()
    withdrawn_at = models.DateTimeField(null=True)
    withdrawn_why = models.CharField(max_length=1000, blank=True)
    words = models.TextField()

    objects = QuestionQuerySet.as_manager()

    class Meta:
        ordering = ["-pk"]
        constraints = [models.UniqueConstraint(fields=["by_kind", "by", "key"], name="question_key_is_unique")]
        indexes = [models.Index(fields=["at"], condition=Q(state="open"), name="question_open")]

    @property
    def subject(self) -> str:
        return f"question {self.pk}"

    @property
    def choices(self) -> tuple[Option, ...]:
        return tuple(Option(**one) for one in self.options)

    @property
    def said(self) -> "Answer | None":
        """The answer, where there is one."""
        found: Answer | None = getattr(self, "answer", None)
        return found


class Answer(models.Model):
    """What a person chose: ids of options in their order, and a note. One for each question: the first counts."""

    question = models.OneToOneField(Question, on_delete=models.CASCADE, related_name="answer")
    chosen = models.JSONField()
    note = models.TextField(blank=True)
    by = models.CharField(max_length=150)
    at = models.DateTimeField()

    @property
    def labels(self) -> list[str]:
        """What was chosen, as the options are called."""
        return [option.label for option in self.question.choices if option.id in self.chosen]


def content_of(draft: Draft) -> dict[str, Any]:
    """Return a draft as a version keeps it."""
    return {
        "title": draft.title,
        "kind": draft.kind.value,
        "steps": [{"text": step.text, "command": step.command} for step in draft.steps],
        "risks": list(draft.risks),
        "touches": list(draft.touches),
        "failing_test": draft.failing_test,
        "acceptance_tests": list(draft.acceptance_tests),
    }


def standing_of(plan: Plan, version: PlanVersion, approval: Decision | None, *, voided: bool) -> Standing:
    """Return what the checks look at; ``version`` is the newest one."""
    return Standing(
        state=PlanState(plan.state),
        version=version.number,
        sha256=version.sha256,
        expires_at=plan.expires_at,
        approved_sha256=approval.sha256 if approval else "",
        voided=voided,
    )
