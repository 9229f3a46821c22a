"""Asking, answering and withdrawing questions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import structlog
from django.db import IntegrityError, transaction

from apps.approvals.actors import Actor, Person, check_person
from apps.approvals.domain.errors import AnsweredBefore, Refused
from apps.approvals.domain.plans import check_words
from apps.approvals.domain.questions import LONGEST_NOTE, QuestionDraft, check_choice, check_question
from apps.approvals.models import Answer, Plan, Question
from apps.approvals.services.common import key_or_new, named, touch
from apps.audit.services import record
from apps.core.permissions import Permission
from apps.handovers.models import Handover

log = structlog.get_logger(__name__)


def ask_question(
    *,
    draft: QuestionDraft,
    by: Actor,
    now: datetime,
    handover: Handover | None = None,
    plan: Plan | None = None,
    key: str = "",
) -> Question:
    """Ask people to decide between options; the question waits until one does, however long that takes.

    A question of a plan belongs to the plan's handover as well. The same ``key`` of the same asker makes one question.
    ``Refused`` with the form to use where options are missing or stand in the text.
    """
    check_question(draft)
    who, key = named(by), key_or_new(key)
    told = _told(draft, handover, plan)
    try:
        return _asked_before(told, who, key) or _ask(draft, told, who, key, now)
    except IntegrityError:  # the same request came twice at once, and the other one was faster
        if before := _asked_before(told, who, key):
            return before
        raise


def _told(draft: QuestionDraft, handover: Handover | None, plan: Plan | None) -> dict[str, Any]:
    """Return all that a question says, as its row keeps it."""
    return {
        "title": draft.title,
        "context": draft.context,
        "options": [{"id": one.id, "label": one.label, "consequence": one.consequence} for one in draft.options],
        "allow_multiple": draft.allow_multiple,
        "deadline": draft.deadline,
        "handover": plan.handover if plan else handover,
        "plan": plan,
    }


def _asked_before(told: dict[str, Any], who: dict[str, str], key: str) -> Question | None:
    held = Question.objects.filter(key=key, **who).first()
    if held is not None and any(getattr(held, name) != value for name, value in told.items()):
        raise Refused(f"The key '{key}' stands for question {held.pk}, which asks something else: use a new key.")
    return held


@transaction.atomic
def _ask(draft: QuestionDraft, told: dict[str, Any], who: dict[str, str], key: str, now: datetime) -> Question:
    asked = Question.objects.create(key=key, at=now, words=_words(draft, who["by"]), **told, **who)
    if asked.plan is not None:
        touch(asked.plan)
    record(type="question.asked", actor=who["by"], subject=asked.subject, by_kind=who["by_kind"], title=draft.title)
    log.info("approvals.question.asked", question=asked.pk, by=who["by"])
    return asked


def _words(draft: QuestionDraft, asker: str) -> str:
    told = [draft.title, draft.context, asker]
    return "\n".join([*told, *(f"{one.label} {one.consequence}" for one in draft.options)]).lower()


def answer_question(*, question: Question, chosen: Sequence[str], by: Person, now: datetime, note: str = "") -> Answer:
    """Keep a person's answer; of two at once the first counts.

    ``NotAPerson`` for an agent or a command, ``AnsweredBefore`` with the answer that counts for whoever came second,
    ``Refused`` for a question that was withdrawn or a choice that is none. The same person's same answer is one answer.
    """
    person = check_person(by, Permission.ANSWER_QUESTIONS, "answer a question")
    note = note.replace("\r\n", "\n").strip()
    if note:
        check_words("The note", note, LONGEST_NOTE)
    picked = check_choice(question.choices, chosen, allow_multiple=question.allow_multiple)
    try:
        return _answer(question, picked, note, person.name, now)
    except IntegrityError:  # two at once: the other one's row was written first
        return _compared(Answer.objects.select_related("question").get(question=question), picked, note, person.name)


@transaction.atomic
def _answer(question: Question, picked: tuple[str, ...], note: str, name: str, now: datetime) -> Answer:
    held = Question.objects.select_for_update(of=("self",)).get(pk=question.pk)
    if held.said is not None:
        return _compared(held.said, picked, note, name)
    if held.state != "open":
        raise Refused(f"The question was withdrawn by {held.by}: there is nothing left to answer.")
    made = Answer.objects.create(question=held, chosen=list(picked), note=note, by=name, at=now)
    words = "\n".join([held.words, name.lower(), note.lower()])
    Question.objects.filter(pk=held.pk).update(state="answered", words=words)
    if held.plan is not None:
        touch(held.plan)
    record(type="question.answered", actor=name, subject=held.subject, chosen=list(picked), note=note[:500])
    log.info("approvals.question.answered", question=held.pk, by=name)
    return made


def _compared(held: Answer, picked: tuple[str, ...], note: str, name: str) -> Answer:
    """Return the answer that is there where it is the same press again; tell everybody else whose counts."""
    if (held.by, held.chosen, held.note) == (name, list(picked), note):
        return held
    raise AnsweredBefore(
        f"{held.by} answered this on {held.at:%Y-%m-%d %H:%M} UTC: '{', '.join(held.labels)}'. That counts; "
        "yours was not kept."
    )


@transaction.atomic
def withdraw_question(*, question: Question, by: Actor, now: datetime, reason: str = "") -> Question:
    """Take a question back; only its asker may, and only while nobody has answered. Twice is once."""
    who = named(by)
    if reason:
        check_words("The reason", reason, LONGEST_NOTE // 4)
    held = Question.objects.select_for_update(of=("self",)).get(pk=question.pk)
    if (held.by, held.by_kind) != (who["by"], who["by_kind"]):
        raise Refused(f"Only {held.by}, who asked it, can withdraw this question.")
    if held.state == "answered":
        raise AnsweredBefore("The question was answered before; its answer counts.")
    if held.state == "open":
        held.state, held.withdrawn_at, held.withdrawn_why = "withdrawn", now, reason
        held.save(update_fields=["state", "withdrawn_at", "withdrawn_why"])
        if held.plan is not None:
            touch(held.plan)
        record(type="question.withdrawn", actor=who["by"], subject=held.subject, by_kind=who["by_kind"], reason=reason)
    return held
