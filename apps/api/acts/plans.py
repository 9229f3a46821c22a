"""Plans: posting, revising, reading, commenting, and reporting how they are carried out.

Deciding on one is no act of this door: only a logged-in person does that, on the plan's page.
"""

from collections.abc import Callable
from typing import Any

from django.conf import settings

from apps.api.acts.handovers import named
from apps.api.acts.paging import newest_first
from apps.api.acts.registry import Told, act
from apps.api.acts.waiting import waited
from apps.api.callers import Caller
from apps.api.domain.problems import Kind, Problem, not_found
from apps.api.domain.tokens import Scope
from apps.api.schemas.approvals import (
    CommentWish,
    FinalWish,
    NewPlan,
    PlanNumber,
    PlansWish,
    PlanText,
    ProgressWish,
    RevisedPlan,
)
from apps.api.schemas.handovers import HandoverWish
from apps.approvals.domain.choices import looks_like_a_choice
from apps.approvals.domain.comments import APPROVES_NOTHING
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.plans import Draft
from apps.approvals.domain.questions import LONGEST_TITLE, MOST, check_plain_text
from apps.approvals.models import Plan
from apps.approvals.reading import draft_from, results_from
from apps.approvals.selectors import plan_as_json, plan_view, plans
from apps.approvals.services import deploying
from apps.approvals.services import plans as services
from apps.core.clock import utcnow
from apps.core.permissions import Role

COMMENTS = 100


@act(Scope.PLAN, writes=True)
def create_plan(caller: Caller, wish: NewPlan) -> Told:
    """Post a plan on a handover; then a person decides on it, on its page, and nothing else does."""
    handover = named(HandoverWish(handover=wish.handover))
    made = services.create_plan(handover=handover, draft=_draft(wish), by=caller.actor, now=utcnow())
    return _told(plan_of(made.pk))


@act(Scope.PLAN, writes=True)
def revise_plan(caller: Caller, wish: RevisedPlan) -> Told:
    """Post a new text of a plan of yours; an approval of the old one is void from then on."""
    plan = plan_of(wish.plan)
    if caller.token.kind == "person" and plan.by != caller.name and caller.facts.owner.role != Role.ADMIN.value:
        raise Problem(
            Kind.MISSING_SCOPE, f"Only {plan.by}, who posted it, and an admin's own token revise plan {plan.pk}."
        )
    services.revise_plan(plan=plan, draft=_draft(wish), by=caller.actor, now=utcnow())
    return _told(plan_of(wish.plan))


def _draft(wish: PlanText) -> Draft:
    return draft_from(wish.model_dump(include=set(PlanText.model_fields)))


@act(Scope.READ)
def list_plans(caller: Caller, wish: PlansWish) -> Told:
    """List plans, the newest first, as their page filters them."""
    now = utcnow()
    page, after = newest_first(plans(wish.show, wish.q, now=now), wish, "plans")
    told = [
        {**{name: getattr(one, name) for name in ("title", "kind", "state", "by", "posted_at")}, "plan": one.pk,
         "handover": one.handover.key, "expired": one.expired(now), "url": _url(one)}
        for one in page
    ]  # fmt: skip
    return {"plans": told, "next": after}


@act(Scope.READ)
def plan_status(caller: Caller, wish: PlanNumber) -> Told:
    """Tell where a plan stands and whether it may be carried out; with ``wait`` once something of it changes."""
    rows = Plan.objects.filter(pk=wish.plan)
    waited(lambda: rows.values_list("revision", flat=True).first(), wish.wait)
    return _told(plan_of(wish.plan))


@act(Scope.READ)
def show_plan(caller: Caller, wish: PlanNumber) -> Told:
    """Show a plan with its text, as people read it, and what was said about it."""
    plan = plan_of(wish.plan)
    rows = plan.comments.order_by("-pk")[:COMMENTS]
    said = [{"by": one.by, "at": one.at.isoformat(), "text": one.text} for one in rows]
    return {**_told(plan), "text": plan_view(plan).version.text, "comments": said[::-1]}


@act(Scope.PLAN, writes=True)
def comment_on_plan(caller: Caller, wish: CommentWish) -> Told:
    """Keep a comment on a plan. It approves nothing, whatever it says; a question with options is asked as one."""
    _check_asks_nothing(caller, wish.text)
    made = services.comment_on_plan(plan=plan_of(wish.plan), text=wish.text, by=caller.actor, now=utcnow())
    return {"plan": wish.plan, "comment": made.pk, "said": f"The comment is kept. {APPROVES_NOTHING}"}


@act(Scope.PLAN, writes=True)
def report_progress(caller: Caller, wish: ProgressWish) -> Told:
    """Report that a step of an approved plan began, or what its validation command came to."""
    _check_asks_nothing(caller, wish.remark)
    deploying.report_progress(
        plan=plan_of(wish.plan), step=wish.step, by=caller.actor, now=utcnow(), exit_status=wish.exit_status,
        output=wish.output, remark=wish.remark,
    )  # fmt: skip
    return _told(plan_of(wish.plan))


@act(Scope.PLAN, writes=True)
def finish_deploy(caller: Caller, wish: FinalWish) -> Told:
    """Report the end of a deploy, with the result of every validation command and of the tests that the plan names.

    A report that lacks one, or that of the failing test or an acceptance test, is refused and names it.
    """
    _check_asks_nothing(caller, wish.summary)
    results = results_from(wish.model_dump()["results"])
    deploying.finish_deploy(
        plan=plan_of(wish.plan), results=results, by=caller.actor, now=utcnow(), summary=wish.summary
    )
    return _told(plan_of(wish.plan))


def _check_asks_nothing(caller: Caller, text: str) -> None:
    """Whoever wants a decision asks for it with its options: words in a comment or a report are answered by nobody."""
    if caller.token.kind == "agent":
        check_form(text, lambda: check_plain_text(text))


def check_form(text: str, check: Callable[[], None]) -> None:
    """Refuse options inside a text, with the body that asks the same as a question; ``check`` raises ``Refused``."""
    try:
        check()
    except Refused as error:
        if not (found := looks_like_a_choice(text)):
            raise
        title = next((line.strip() for line in text.splitlines() if line.strip()), text)[:LONGEST_TITLE]
        options = [
            {"id": chr(ord("a") + at), "label": label, "consequence": "…"} for at, label in enumerate(found[:MOST])
        ]
        instead = {"act": "ask_question", "post": "/api/v1/questions", "body": {"title": title, "options": options}}
        raise Problem(Kind.INVALID, str(error), {"instead": instead}) from error


def plan_of(number: int) -> Plan:
    found = Plan.objects.select_related("handover__workspace").filter(pk=number).first()
    if found is None:
        raise not_found(f"There is no plan {number}.")
    return found


def _told(plan: Plan) -> dict[str, Any]:
    return {**plan_as_json(plan, utcnow()), "url": _url(plan)}


def _url(plan: Plan) -> str:
    return f"{settings.PUBLIC_URL}/plans/{plan.pk}"
