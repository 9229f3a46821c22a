"""Questions: asking, reading, waiting for the answer, withdrawing. Only people answer, on a page."""

from django.conf import settings
from django.db import transaction

from apps.api.acts.handovers import named
from apps.api.acts.paging import newest_first
from apps.api.acts.plans import check_form, plan_of
from apps.api.acts.registry import Told, act
from apps.api.acts.waiting import waited
from apps.api.callers import Caller
from apps.api.domain.problems import not_found
from apps.api.domain.tokens import Scope
from apps.api.domain.webhooks import check_url
from apps.api.models import Webhook
from apps.api.schemas.approvals import NewQuestion, QuestionNumber, QuestionsWish, WithdrawWish
from apps.api.schemas.handovers import HandoverWish
from apps.api.services.webhooks import add_webhook, secret_of
from apps.approvals.domain.questions import check_question
from apps.approvals.models import Question
from apps.approvals.reading import question_from
from apps.approvals.selectors import question_as_json, questions
from apps.approvals.services import questions as services
from apps.core.clock import utcnow


@act(Scope.PLAN, writes=True)
def ask_question(caller: Caller, wish: NewQuestion) -> Told:
    """Ask people to decide between two to six options, the suggested one first. Silence is never an answer."""
    fields = {"title", "options", "context", "allow_multiple", "deadline"}
    draft = question_from(wish.model_dump(include=fields))
    check_form(f"{wish.title}\n{wish.context}", lambda: check_question(draft))
    if wish.webhook:
        check_url(wish.webhook)
    plan = plan_of(wish.plan) if wish.plan is not None else None
    handover = named(HandoverWish(handover=wish.handover)) if wish.handover else None
    with transaction.atomic():
        asked = services.ask_question(draft=draft, by=caller.actor, now=utcnow(), handover=handover, plan=plan)
        hook = add_webhook(question=asked, token=caller.token, url=wish.webhook, now=utcnow()) if wish.webhook else None
    return {**told_of(_question(asked.pk)), "webhook_secret": secret_of(hook) if hook else None}


@act(Scope.READ)
def list_questions(caller: Caller, wish: QuestionsWish) -> Told:
    """List questions with their answers, the newest first, as their page filters them."""
    rows = questions(wish.show, wish.q).select_related("answer", "handover", "plan", "webhook")
    page, after = newest_first(rows, wish, "questions")
    return {"questions": [told_of(one) for one in page], "next": after}


@act(Scope.READ)
def answer_status(caller: Caller, wish: QuestionNumber) -> Told:
    """Tell a question's answer, null while there is none; with ``wait`` once somebody answers."""
    rows = Question.objects.filter(pk=wish.question)
    if _question(wish.question).state == "open":
        waited(lambda: rows.values_list("state", flat=True).first(), wish.wait)
    return told_of(_question(wish.question))


@act(Scope.PLAN, writes=True)
def withdraw_question(caller: Caller, wish: WithdrawWish) -> Told:
    """Take back a question of your own that nobody has answered."""
    held = _question(wish.question)
    services.withdraw_question(question=held, by=caller.actor, now=utcnow(), reason=wish.reason)
    return told_of(_question(wish.question))


def _question(number: int) -> Question:
    found = Question.objects.select_related("answer", "handover", "plan", "webhook").filter(pk=number).first()
    if found is None:
        raise not_found(f"There is no question {number}.")
    return found


def told_of(question: Question) -> Told:
    """Return a question as it is told, with where its answer is sent."""
    hook: Webhook | None = getattr(question, "webhook", None)
    sent = {name: getattr(hook, name) for name in ("url", "state", "attempts", "said")} if hook else None
    return {
        **question_as_json(question),
        "by": question.by,
        "at": question.at,
        "plan": question.plan_id,
        "handover": question.handover.key if question.handover else None,
        "webhook": sent,
        "url": f"{settings.PUBLIC_URL}/questions/{question.pk}",
    }
