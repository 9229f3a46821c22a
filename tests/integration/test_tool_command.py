"""`manage.py tool`: the tools of MCP for a shell."""

import io
import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.api.domain.tokens import Scope
from apps.api.mcp.tools import TOOLS
from apps.approvals.models import Question
from apps.audit.models import AuditEvent
from tests.factories.rows import RunFactory
from tests.factories.tokens import token

pytestmark = pytest.mark.django_db
OPTIONS = json.dumps([{"label": "linear"}, {"label": "cosine"}])


def run(*words: str) -> Any:
    out = io.StringIO()
    call_command("tool", *words, stdout=out)
    return json.loads(out.getvalue())


def refused(*words: str) -> CommandError:
    with pytest.raises(CommandError) as error:
        call_command("tool", *words, stdout=io.StringIO())
    return error.value


def test_every_tool_is_listed_with_an_example() -> None:
    out = io.StringIO()
    call_command("tool", "list", stdout=out)
    assert all(f"{one.name} " in out.getvalue() for one in TOOLS)
    assert out.getvalue().count("Example: {") == len(TOOLS)


def test_a_tool_is_called_as_the_agent_that_the_token_names(settings: Any) -> None:
    settings.TOKEN = token("shell-1")[1]
    RunFactory(run_id="123")
    assert run("run_verdict", "run=123")["verdict"] == "unknown"
    assert run("ask_question", "title=Which schedule?", f"options={OPTIONS}", "idempotency_key=k")["state"] == "open"
    run("ask_question", "title=Which schedule?", f"options={OPTIONS}", "idempotency_key=k")
    assert Question.objects.count() == 1
    assert AuditEvent.objects.get(type="question.asked").actor == "agent:shell-1"


def test_arguments_come_from_the_standard_input_too(settings: Any, monkeypatch: Any) -> None:
    settings.TOKEN = token()[1]
    body = {"title": "Which?", "options": [{"label": "a"}, {"label": "b"}]}
    monkeypatch.setattr("sys.stdin", io.StringIO(json.dumps(body)))
    assert run("ask_question", "-")["title"] == "Which?"


def test_bytes_that_are_no_text_end_with_a_sentence(settings: Any, monkeypatch: Any) -> None:
    settings.TOKEN = token()[1]
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b'{"title": "\xff"}'), encoding="utf-8"))
    error = refused("ask_question", "-")
    assert (error.returncode, "no UTF-8" in str(error)) == (2, True)


def test_what_is_refused_ends_with_a_sentence_and_what_to_do(settings: Any) -> None:
    assert "SWEEPBOARD_TOKEN is not set" in str(refused("active_sweeps"))
    settings.TOKEN = token(scopes=frozenset({Scope.READ}))[1]
    assert refused("run_verdict", "run=zzz").returncode == 1
    assert "Next:" in str(refused("ask_question", "title=x"))
    assert "There is no tool" in str(refused("approve_plan", "plan=1"))
    assert refused("run_verdict", "run").returncode == 2
