"""`/inbox`: what waits for whom, in which order, and what the header of every page costs."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.board.waiting import waiting_for, waiting_total
from apps.core.permissions import Role
from apps.resume.domain import GateLine, LineState
from apps.resume.models import GateCheck, ResumeRequest
from tests.factories.approvals import approved, handover, plan, question
from tests.factories.moments import NOW, before
from tests.factories.rows import FlagFactory, RunFactory
from tests.integration.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
SHUT = {"state": "fail", "evidence": "the newest is 9 h old", "action": "", "overridable": True}


def look(run: Any, *lines: dict[str, Any], **values: Any) -> GateCheck:
    told = [{"id": f"line{at}", "title": f"Line {at}", **line} for at, line in enumerate(lines)]
    told_at = values.pop("at", before(minutes=5))
    return GateCheck.objects.create(
        run=run, key=f"k{GateCheck.objects.count()}", asked_by="mia", asked_at=told_at, checked_at=told_at,
        lines=told, **{"state": "done", **values},
    )  # fmt: skip


def page(client: Client, path: str = "/inbox") -> str:
    return client.get(path).content.decode()


def test_an_empty_inbox_says_why(operator: Client, viewer: Client) -> None:
    assert "Nothing waits for you" in page(operator)
    plan()
    question()
    assert "Plans and questions wait for operators" in page(viewer)


def test_plans_questions_and_assigned_flags_wait_for_an_operator(operator: Client) -> None:
    me = User.objects.get(groups__name="operator").username
    made, asked = plan(), question()
    approved(handover("HO-20261104-1405-b1b2c3"), title="Decided before")
    FlagFactory(assignee=me, evidence="mine to see to")
    FlagFactory(assignee="somebody else", evidence="not mine")
    FlagFactory(assignee=me, evidence="put off", snoozed_until=NOW + timedelta(hours=1))
    FlagFactory(assignee=me, evidence="long over", cleared_at=NOW)
    text = page(operator)
    for said in ("1 plan to approve", "1 question to answer", "1 flag assigned to you", "mine to see to"):
        assert said in text, said
    for said in ("not mine", "put off", "long over", "Decided before"):
        assert said not in text, said
    assert f'href="/plans/{made.pk}"' in text
    assert f'action="/questions/{asked.pk}/answer"' in text
    assert '<span class="tag">3<span class="sr"> waiting for you' in page(operator, "/plans")


def test_a_press_in_the_inbox_answers_and_comes_back(operator: Client) -> None:
    asked = question()
    done = operator.post(f"/questions/{asked.pk}/answer", {"choice": "linear", "back": "inbox"}, follow=True)
    assert done.redirect_chain == [("/inbox", 302)]
    assert "Answered: Keep linear." in done.content.decode()
    second = client_of(Role.OPERATOR).post(
        f"/questions/{asked.pk}/answer", {"choice": "cosine", "back": "inbox"}, follow=True
    )
    assert "That counts; yours was not kept." in second.content.decode()


def test_the_urgent_come_first_and_then_the_oldest() -> None:
    on = handover()
    for title, age, left in (("new", 1, 70), ("old", 3, 69), ("ends soon", 2, 5)):
        made = plan(on, title=title, now=before(hours=age))
        made.expires_at = NOW + timedelta(hours=left)
        made.save()
    for title, age, due in (("silent", 9, None), ("overdue", 1, -1), ("due soon", 2, 3), ("later", 5, 50)):
        question(title=title, now=before(hours=age), deadline=None if due is None else NOW + timedelta(hours=due))
    FlagFactory(assignee="mia", severity="warning", opened_at=before(hours=9), evidence="w")
    FlagFactory(assignee="mia", severity="critical", opened_at=before(hours=1), evidence="c1")
    FlagFactory(assignee="mia", severity="critical", opened_at=before(hours=2), evidence="c2")
    mine = waiting_for("mia", Role.OPERATOR, NOW)
    assert [one.title for one in mine.plans.rows] == ["ends soon", "old", "new"]
    assert [one.title for one in mine.questions.rows] == ["overdue", "due soon", "silent", "later"]
    assert [one.evidence for one in mine.flags.rows] == ["c2", "c1", "w"]
    assert mine.total == waiting_total("mia", Role.OPERATOR, NOW) == 10


def test_a_resume_that_only_an_admin_can_let_through_waits_for_an_admin() -> None:
    passing = {"state": "pass", "evidence": "it is", "action": "", "overridable": False}
    wanted = look(RunFactory(), passing, SHUT)
    look(RunFactory(), passing, passing)
    look(RunFactory(), SHUT, SHUT)
    look(RunFactory(), {**SHUT, "overridable": False})
    look(RunFactory(), SHUT, at=before(hours=25))
    look(RunFactory(), SHUT, state="queued")
    busy, later = RunFactory(), RunFactory()
    look(busy, SHUT)
    ResumeRequest.objects.create(run=busy, key="r", asked_by="mia", asked_at=NOW)
    look(later, SHUT)
    look(later, passing)
    assert list(waiting_for("root", Role.ADMIN, NOW).overrides.rows) == [wanted]
    assert waiting_for("mia", Role.OPERATOR, NOW).overrides.count == 0
    assert wanted.gate[1] == GateLine("line1", "Line 1", LineState.FAIL, "the newest is 9 h old", "", True)
    text = page(client_of(Role.ADMIN))
    assert "1 resume that only an admin can let through" in text
    assert "the newest is 9 h old" in text


def test_a_poll_says_nothing_while_nothing_changed(operator: Client) -> None:
    question()
    seen = page(operator).split("/inbox/changes?seen=")[1].split('"')[0]
    assert operator.get(f"/inbox/changes?seen={seen}").status_code == 204
    question(title="Another one?")
    told = operator.get(f"/inbox/changes?seen={seen}")
    assert told.status_code == 200
    assert "What waits for you has changed" in told.content.decode()


@pytest.mark.parametrize(("role", "queries"), [(Role.VIEWER, 1), (Role.OPERATOR, 3), (Role.ADMIN, 4)])
def test_the_count_in_the_header_costs_few_queries_however_much_waits(
    role: Role, queries: int, django_assert_num_queries: Any
) -> None:
    on = handover()
    for number in range(12):
        plan(on, title=f"Plan {number}")
        question(title=f"Question {number}?")
        FlagFactory(assignee="mia")
        look(RunFactory(), {**SHUT, "overridable": False})
    with django_assert_num_queries(queries):
        waiting_total("mia", role, NOW)


@pytest.mark.parametrize("things", [2, 12])
def test_the_inbox_costs_a_fixed_number_of_queries(operator: Client, things: int) -> None:
    on, me = handover(), User.objects.get(groups__name="operator").username
    for number in range(things):
        plan(on, title=f"Plan {number}")
        question(title=f"Question {number}?", handover=on)
        FlagFactory(assignee=me)
    with CaptureQueriesContext(connection) as asked:
        operator.get("/inbox")
    assert len(asked) == 12


def test_what_is_not_shown_is_counted(operator: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.board.waiting.MOST", 2)
    for number in range(5):
        question(title=f"Question {number}?")
    text = page(operator)
    assert "5 questions to answer" in text
    assert "and 3 more" in text
