"""All reads of plans and questions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from apps.approvals.domain.reports import Result, verdict
from apps.approvals.domain.states import OPEN, UNDER_WAY, PlanState, Standing
from apps.approvals.domain.text import DiffLine, difference
from apps.approvals.models import Decision, FinalReport, Plan, PlanVersion, Question, StepReport, standing_of
from apps.handovers.domain.document import Check
from apps.handovers.domain.stages import StageFacts
from apps.workspaces.models import Workspace

SHOWN = ("open", "expired", "over")
MOST = 200
_OPEN = [one.value for one in OPEN]
_REPORTED = [one.value for one in (*UNDER_WAY, PlanState.DEPLOYED, PlanState.FAILED)]


def plans(show: str = "", q: str = "", *, now: datetime) -> QuerySet[Plan]:
    """Return plans, the newest first: all of them, or those that are open, expired or over, with these words."""
    rows = Plan.objects.select_related("handover__workspace")
    if show == "open":
        rows = rows.open(now)
    elif show == "expired":
        rows = rows.filter(state__in=_OPEN, expires_at__lte=now)
    elif show == "over":
        rows = rows.exclude(state__in=_OPEN)
    for word in q.split():
        rows = rows.filter(Q(title__icontains=word) | Q(by__icontains=word) | Q(handover__key__icontains=word))
    return rows


def questions(show: str = "", q: str = "") -> QuerySet[Question]:
    """Return questions with their answers, the newest first: of one state or of all, with these words."""
    rows = Question.objects.select_related("answer", "handover", "plan")
    rows = rows.filter(state=show) if show else rows
    for word in q.lower().split():
        rows = rows.filter(words__contains=word)
    return rows


def waiting_plans(now: datetime) -> QuerySet[Plan]:
    """Return the plans that wait for a person, the oldest first."""
    return Plan.objects.waiting(now).select_related("handover__workspace").order_by("posted_at", "pk")


def open_questions() -> QuerySet[Question]:
    """Return the questions that nobody has answered, the oldest first."""
    return Question.objects.open().select_related("handover", "plan").order_by("at", "pk")


def waiting_counts(now: datetime) -> dict[str, int]:
    """Return how many plans and questions wait for a person, in two queries."""
    return {"plans": Plan.objects.waiting(now).count(), "questions": Question.objects.open().count()}


@dataclass(frozen=True)
class StepView:
    """One step with what was reported of it. ``state`` is to-come, now, done or failed, by its last report."""

    number: int
    text: str
    command: str
    reports: tuple[StepReport, ...]

    @property
    def last(self) -> StepReport | None:
        return self.reports[-1] if self.reports else None

    @property
    def state(self) -> str:
        if self.last is None:
            return "to-come"
        if self.last.exit_status is None:
            return "now"
        return "failed" if self.last.exit_status else "done"


@dataclass(frozen=True)
class PlanView:
    """A plan with all that its page shows; ``version`` is the newest."""

    plan: Plan
    versions: tuple[PlanVersion, ...]
    decisions: tuple[Decision, ...]
    reports: tuple[StepReport, ...]
    final: FinalReport | None

    @property
    def version(self) -> PlanVersion:
        return self.versions[-1]

    @property
    def approval(self) -> Decision | None:
        """The approval that stands."""
        return next((one for one in self.decisions if one.act == "approved" and one.voided_at is None), None)

    @property
    def void(self) -> Decision | None:
        """The last approval that the text outlived, while no other one stands."""
        voided = [one for one in self.decisions if one.act == "approved" and one.voided_at is not None]
        return voided[-1] if voided and self.approval is None else None

    @property
    def turned_back(self) -> Decision | None:
        """What was decided against the newest version."""
        return next(
            (one for one in reversed(self.decisions) if one.act != "approved" and one.version_id == self.version.pk),
            None,
        )

    @property
    def standing(self) -> Standing:
        return standing_of(self.plan, self.version, self.approval, voided=self.void is not None)

    @property
    def steps(self) -> list[StepView]:
        return [
            StepView(number, step.text, step.command, tuple(one for one in self.reports if one.step == number))
            for number, step in enumerate(self.version.draft.steps, 1)
        ]

    def changes(self, number: int) -> list[DiffLine] | None:
        """What version ``number`` changed; empty for the first one and for one that is not there, None where the two
        texts are too long to compare.
        """
        texts = {one.number: one.text for one in self.versions}
        return difference(texts[number - 1], texts[number]) if number in texts and number - 1 in texts else []


def plan_view(plan: Plan) -> PlanView:
    """Return a plan with its versions, decisions and reports, in four queries."""
    versions = tuple(plan.versions.order_by("number"))
    last = versions[-1]
    return PlanView(
        plan=plan,
        versions=versions,
        decisions=tuple(plan.decisions.select_related("version").order_by("pk")),
        reports=tuple(StepReport.objects.filter(version=last).order_by("pk")),
        final=FinalReport.objects.filter(version=last).first(),
    )


def results_of(final: FinalReport) -> list[Result]:
    return [Result(**one) for one in final.results]


def stage_facts_of(handovers: Sequence[int]) -> dict[int, StageFacts]:
    """Return how far the plans of handovers are, for those that have a plan or an open question, in four queries.

    The plan is a handover's newest open one, else its newest. ``approved_at`` is that of the approval that stands.
    """
    asked = Question.objects.open().filter(handover__in=handovers).order_by().values_list("handover", flat=True)
    counts = Counter(asked)
    meant: dict[int, Plan] = {}
    for plan in Plan.objects.filter(handover__in=handovers).order_by("pk"):
        before = meant.get(plan.handover_id)
        if before is None or plan.is_open or not before.is_open:
            meant[plan.handover_id] = plan
    times = _times_of(list(meant.values()))
    return {
        pk: StageFacts(questions_open=counts[pk], **(times[meant[pk].pk] if pk in meant else {}))
        for pk in {*meant, *counts}
    }


def _times_of(meant: Sequence[Plan]) -> dict[int, dict[str, datetime | None]]:
    """Return by plan when it was posted, approved as it stands, and deployed with everything passed."""
    if not meant:
        return {}
    stands = Decision.objects.filter(plan__in=meant, act="approved", voided_at=None).values_list("plan", "at")
    passed = FinalReport.objects.filter(version__plan__in=meant, passed=True).values_list("version__plan", "at")
    approved, deployed = dict(stands), dict(passed)
    return {
        plan.pk: {
            "plan_posted_at": plan.posted_at,
            "approved_at": approved.get(plan.pk),
            "deployed_at": deployed.get(plan.pk),
        }
        for plan in meant
    }


def checks_since(workspace: Workspace, branch: str, since: datetime | None) -> list[Check]:
    """Return what was reported after ``since`` of the newest plan of a branch that was approved, in three queries.

    A step that only began has no result; the final report comes last, because it ran every command again.
    """
    rows = PlanVersion.objects.filter(plan__handover__workspace=workspace, plan__handover__branch=branch)
    version = rows.filter(plan__state__in=_REPORTED).order_by("-plan", "-number").first()
    if version is None:
        return []
    after = Q(at__gt=since) if since else Q()
    commands = {number: step.command for number, step in enumerate(version.draft.steps, 1)}
    steps = version.reports.filter(after, exit_status__isnull=False, step__in=commands).order_by("pk")
    told = [Result(commands[one.step], one.exit_status or 0, one.output) for one in steps]
    final = FinalReport.objects.filter(after, version=version).first()
    return [Check(one.command, verdict(one)) for one in (*told, *(results_of(final) if final else ()))]


def plan_as_json(plan: Plan, now: datetime) -> dict[str, Any]:
    """Return what an agent wants to know of its plan: its state, whether it may begin, and what was decided."""
    view = plan_view(plan)
    approval, last = view.approval, view.decisions[-1] if view.decisions else None
    expired = plan.expired(now)
    return {
        "plan": plan.pk,
        "handover": plan.handover.key,
        "title": plan.title,
        "kind": plan.kind,
        "state": plan.state,
        "version": view.version.number,
        "sha256": view.version.sha256,
        "may_deploy": plan.state in (PlanState.APPROVED, PlanState.DEPLOYING) and approval is not None and not expired,
        "expired": expired,
        "expires_at": plan.expires_at.isoformat(),
        "approved_by": approval.by if approval else "",
        "approval_void": view.void is not None,
        "decision": {"act": last.act, "by": last.by, "reason": last.reason} if last else None,
        "steps": [{"step": one.number, "command": one.command, "state": one.state} for one in view.steps],
        "questions_open": [one.pk for one in plan.questions.filter(state="open").order_by("pk")],
    }


def question_as_json(question: Question) -> dict[str, Any]:
    """Return a question with its answer, None while there is none."""
    said = question.said
    return {
        "question": question.pk,
        "title": question.title,
        "state": question.state,
        "options": question.options,
        "allow_multiple": question.allow_multiple,
        "deadline": question.deadline.isoformat() if question.deadline else None,
        "answer": {"chosen": said.chosen, "note": said.note, "by": said.by, "at": said.at.isoformat()}
        if said
        else None,
    }
