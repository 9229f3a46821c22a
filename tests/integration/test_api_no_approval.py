"""No door but the page's button approves a plan or answers a question: every operation, tool and command is tried."""

import json
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command, get_commands
from django.urls import URLPattern, get_resolver

from apps.api.acts.registry import ACTS
from apps.api.mcp.calling import call_tool
from apps.api.mcp.tools import TOOLS
from apps.api.views.docs import document
from apps.approvals.models import Answer, Decision, Plan, Question
from apps.core.clock import utcnow
from tests.factories import approvals
from tests.factories.handovers import KEY
from tests.factories.tokens import Api, token
from tests.guards.test_django import patterns

pytestmark = pytest.mark.django_db
ROOT = Path(__file__).parents[2]
WORDS = ("approve", "approved", "reject", "turn-back", "answer", "decide")
OURS = ("plan", "question", "token", "mcp", "handover")


@pytest.fixture(autouse=True)
def _no_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is tried here, within a minute."""
    monkeypatch.setattr("apps.api.limits.Counters.count", lambda *_: 1)


@pytest.fixture
def waiting() -> tuple[Plan, Question]:
    plan = approvals.plan(now=utcnow())
    return plan, approvals.question(plan=plan, now=utcnow())


def unchanged(plan: Plan) -> bool:
    plan.refresh_from_db()
    return plan.state != "approved" and not Decision.objects.exists() and not Answer.objects.exists()


def bodies(plan: Plan, question: Question) -> list[dict[str, Any]]:
    """What somebody might send who wants a plan to be approved, or a question to be answered."""
    told: dict[str, Any] = {"plan": plan.pk, "question": question.pk, "sha256": plan.sha256, "state": "approved"}
    return [
        {**told, "act": "approved", "text": "approve", "approve": True},
        {**told, "chosen": ["linear"], "answer": "linear", "note": "yes"},
        {"text": "yes, approved, go ahead"},
        {"plan": plan.pk, "text": "sounds good"},
    ]


@pytest.mark.parametrize("kind", ["agent", "person"])
def test_no_operation_of_the_api_approves_or_answers(waiting: tuple[Plan, Question], kind: str) -> None:
    plan, question = waiting
    client = Api(token("everything", kind=kind)[1])
    numbers = {
        "plan": plan.pk,
        "question": question.pk,
        "handover": KEY,
        "flag": 1,
        "run": "x",
        "sweep": "x",
        "resume": 1,
    }
    tried = 0
    for path, methods in json.loads(document())["paths"].items():
        address = path.removeprefix("/api/v1").format(**numbers)
        for method in methods:
            for body in bodies(plan, question) if method == "post" else [{}]:
                answer = client.post(address, body) if method == "post" else client.get(address)
                assert answer.status_code < 500, (method, address, answer.content)
                assert unchanged(plan), (method, address)
                tried += 1
    assert tried > 60


@pytest.mark.parametrize(
    "path", ["plans/{0}/approve", "plans/{0}/turn-back", "questions/{1}/answer", "plans/{0}/decision"]
)
def test_an_address_that_would_decide_is_not_there(waiting: tuple[Plan, Question], path: str) -> None:
    plan, question = waiting
    answer = Api(token()[1]).post("/" + path.format(plan.pk, question.pk), {"sha256": plan.sha256})
    assert answer.status_code == 404
    assert unchanged(plan)


@pytest.mark.parametrize("page", ["/plans/{0}/approve", "/plans/{0}/turn-back", "/questions/{1}/answer"])
def test_a_token_opens_no_page_on_which_people_decide(waiting: tuple[Plan, Question], page: str) -> None:
    plan, question = waiting
    told = {"sha256": plan.sha256, "act": "rejected", "reason": "x", "chosen": "linear"}
    answer = Api(token()[1]).client.post(page.format(plan.pk, question.pk), told)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login/")
    assert unchanged(plan)


@pytest.mark.parametrize("kind", ["agent", "person"])
def test_no_tool_of_mcp_approves_or_answers(waiting: tuple[Plan, Question], kind: str, monkeypatch: Any) -> None:
    monkeypatch.setattr("apps.api.mcp.calling.connections.close_all", lambda: None)  # the test's own connection
    from apps.api.callers import caller_with

    plan, question = waiting
    secret = token("everything", kind=kind)[1]
    for tool in TOOLS:
        fields = tool.takes.model_fields
        for body in bodies(plan, question):
            for arguments in (body, {name: value for name, value in body.items() if name in fields}):
                call_tool(lambda: caller_with(secret, utcnow()), tool.name, arguments)
                assert unchanged(plan), tool.name
    assert len(TOOLS) >= 14


def test_no_act_is_named_for_deciding_and_none_can_reach_the_services_that_do() -> None:
    assert [name for name in ACTS if any(word in name.split("_") for word in WORDS)] == ["answer_status"]
    assert ACTS["answer_status"].writes is False
    deciding = ("services.deciding", "approve_plan", "answer_question", "person_at", "Person(")
    texts = {path: path.read_text() for path in (ROOT / "apps" / "api").rglob("*.py")}
    assert len(texts) > 30
    assert [str(path) for path, text in texts.items() if any(word in text for word in deciding)] == []


def test_no_url_but_the_pages_decides() -> None:
    named = {url for url, _ in patterns(get_resolver()) if any(word in url.split("/") for word in WORDS)}
    assert named == {"plans/<int:pk>/approve", "plans/<int:pk>/turn-back", "questions/<int:pk>/answer"}
    assert all(isinstance(one, URLPattern) for _, one in patterns(get_resolver()))


def test_no_management_command_approves_or_answers(waiting: tuple[Plan, Question]) -> None:
    plan, question = waiting
    ours = sorted(name for name, app in get_commands().items() if app.startswith("apps."))
    assert set(OURS) <= set(ours)
    for name in ours:
        assert not any(word in name.replace("_", "-").split("-") for word in WORDS), name
    for name in ("plan", "question"):
        for act in ("approve", "approved", "reject", "answer", "decide"):
            with pytest.raises((CommandError, SystemExit)):
                call_command(name, act, str(plan.pk if name == "plan" else question.pk), stdout=StringIO())
    assert unchanged(plan)
