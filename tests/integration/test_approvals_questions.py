"""Questions: asked with options, answered by a person once, withdrawn by their asker; silence answers nothing."""

from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied

from apps.approvals.actors import Agent, AtShell, Person
from apps.approvals.domain.errors import AnsweredBefore, NotAPerson, Refused
from apps.approvals.models import Answer, Question
from apps.approvals.selectors import open_questions, question_as_json, questions
from apps.approvals.services.questions import answer_question, ask_question, withdraw_question
from apps.audit.models import AuditEvent
from apps.core.permissions import Role
from tests.factories.approvals import CODER, handover, person, plan, question, question_draft
from tests.factories.moments import NOW
from tests.services.together import together

LATER = NOW + timedelta(hours=1)


@pytest.mark.django_db
def test_a_question_is_a_row_with_its_event_and_belongs_to_its_plans_handover() -> None:
    made = plan()
    asked = question(plan=made, key="q1")
    assert question(plan=made, key="q1") == asked
    assert (asked.handover, asked.state, [one.id for one in asked.choices]) == (
        made.handover, "open", ["linear", "cosine", "both"],
    )  # fmt: skip
    others: list[dict[str, Any]] = [
        {"title": "Another?"}, {"context": "Or so."}, {"allow_multiple": True}, {"deadline": LATER}, {"plan": None},
    ]  # fmt: skip
    for other in others:
        with pytest.raises(Refused, match="asks something else"):
            question(**{"key": "q1", "plan": made, **other})
    assert question(plan=made, key="q1", by=Agent("coder-2")) != asked
    events = AuditEvent.objects.filter(subject=asked.subject)
    assert [(event.type, event.actor) for event in events] == [("question.asked", "coder-1")]


@pytest.mark.django_db
def test_a_question_whose_options_stand_in_its_text_is_refused_with_the_form() -> None:
    for text in ("Resume or restart?", "Which: (a) linear (b) cosine", "Pick one:\n1. now\n2. later"):
        with pytest.raises(Refused, match=r"ask_question\(title="):
            question(title=text.splitlines()[0], context=text, options=())
    assert not Question.objects.exists()


@pytest.mark.django_db
def test_an_answer_keeps_who_when_what_and_is_found() -> None:
    asked, mia = question(handover=handover()), person(username="mia")
    kept = answer_question(question=asked, chosen=["cosine"], by=mia, now=LATER, note="Seed 3 is an outlier")
    again = answer_question(question=asked, chosen=["cosine"], by=mia, now=LATER, note="Seed 3 is an outlier")
    assert again == kept
    assert (kept.by, kept.at, kept.labels) == ("mia", LATER, ["Go back to cosine"])
    for words in ("outlier", "MIA cosine", "stalls epoch", "start over"):
        assert [one.pk for one in questions(q=words)] == [asked.pk], words
    assert not questions(q="warmup")
    assert question_as_json(questions().get())["answer"]["chosen"] == ["cosine"]
    assert AuditEvent.objects.filter(type="question.answered", actor="mia").count() == 1


@pytest.mark.django_db
def test_the_second_person_is_told_whose_answer_counts() -> None:
    asked = question()
    answer_question(question=asked, chosen=["linear"], by=person(username="mia"), now=LATER)
    with pytest.raises(AnsweredBefore, match=r"mia answered this on 2026-11-23 13:00 UTC: 'Keep linear'. That counts"):
        answer_question(question=asked, chosen=["cosine"], by=person(), now=LATER)
    assert Answer.objects.get().chosen == ["linear"]


@pytest.mark.django_db
@pytest.mark.parametrize("actor", [CODER, AtShell("mia"), "mia", None])
def test_no_agent_and_no_command_answers(actor: Any) -> None:
    with pytest.raises(NotAPerson, match="answer a question"):
        answer_question(question=question(), chosen=["linear"], by=actor, now=NOW)
    assert not Answer.objects.exists()


@pytest.mark.django_db
def test_a_viewer_answers_nothing_and_what_is_no_option_is_no_answer() -> None:
    asked = question()
    with pytest.raises(PermissionDenied):
        answer_question(question=asked, chosen=["linear"], by=person(Role.VIEWER), now=NOW)
    for chosen in ([], ["never"], ["linear", "both"]):
        with pytest.raises(Refused):
            answer_question(question=asked, chosen=chosen, by=person(), now=NOW)
    both = question(title="Which to try?", allow_multiple=True)
    assert answer_question(question=both, chosen=["both", "linear"], by=person(), now=NOW).chosen == ["linear", "both"]


@pytest.mark.django_db
def test_silence_is_never_an_answer() -> None:
    asked = question(deadline=NOW)
    asked.refresh_from_db()
    assert list(open_questions()) == [asked]
    assert answer_question(question=asked, chosen=["linear"], by=person(), now=NOW + timedelta(days=400)).pk


@pytest.mark.django_db
def test_only_its_asker_withdraws_a_question_and_nobody_answers_it_then() -> None:
    asked = question()
    for somebody in (Agent("coder-2"), AtShell("coder-1"), person(username="coder-1")):
        with pytest.raises(Refused, match="Only coder-1"):
            withdraw_question(question=asked, by=somebody, now=NOW)
    withdraw_question(question=asked, by=CODER, now=NOW, reason="found it in the log")
    assert withdraw_question(question=asked, by=CODER, now=NOW).withdrawn_why == "found it in the log"
    with pytest.raises(Refused, match="withdrawn by coder-1"):
        answer_question(question=asked, chosen=["linear"], by=person(), now=NOW)
    answered = question(title="Another?")
    answer_question(question=answered, chosen=["linear"], by=person(), now=NOW)
    with pytest.raises(AnsweredBefore):
        withdraw_question(question=answered, by=CODER, now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_people_who_answer_at_once_one_counts_and_the_others_are_told() -> None:
    asked = question()
    crowd: list[Person] = [person() for _ in range(4)]
    ways = ["linear", "cosine", "both", "linear"]
    told = together(
        [
            lambda who=who, way=way: answer_question(question=asked, chosen=[way], by=who, now=NOW)
            for who, way in zip(crowd, ways, strict=True)
        ]
    )
    assert sum(isinstance(one, Answer) for one in told) == 1, told
    assert sum(isinstance(one, AnsweredBefore) for one in told) == 3, told
    assert AuditEvent.objects.filter(type="question.answered").count() == 1


@pytest.mark.django_db(transaction=True)
def test_a_request_that_is_sent_twice_at_once_asks_once() -> None:
    told = together([lambda: ask_question(draft=question_draft(), by=CODER, now=NOW, key="same") for _ in range(4)])
    assert {getattr(one, "pk", one) for one in told} == {Question.objects.get().pk}
