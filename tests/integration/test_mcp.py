"""MCP by the official client over both transports, against a real server process: what holds for one holds for both."""

import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from apps.api.domain.tokens import Scope
from apps.api.mcp.tools import TOOLS
from apps.api.models import Token
from apps.approvals.models import Plan, Question
from apps.approvals.services.deciding import approve_plan
from apps.audit.models import AuditEvent
from apps.core.clock import utcnow
from apps.workspaces.models import Workspace
from tests.factories import approvals
from tests.factories.handovers import git
from tests.factories.rows import FlagFactory, JobFactory, RunFactory, RunStatusFactory, both_sources_answered
from tests.factories.tokens import token
from tests.services.web import ROOT, environment, running_web

pytestmark = [pytest.mark.starts_first, pytest.mark.django_db(transaction=True)]
Connect = Callable[[str], AbstractAsyncContextManager[Client]]
QUESTION = {"title": "Which schedule?", "options": [{"label": "linear"}, {"label": "cosine"}]}


@pytest.fixture
def checkout(transactional_db: None, glue: Workspace) -> Path:
    git(glue.path, "init", "-q")
    (glue.path / "train.py").write_text("pass\n")
    git(glue.path, "add", "train.py")
    git(glue.path, "commit", "-qm", "first")
    return glue.path


@pytest.fixture(scope="module")
def web(django_db_setup: None) -> Iterator[str]:
    """One server for all tests here: what it shows is in the database, which each test has for itself."""
    with running_web() as url:
        yield url


@pytest.fixture(params=["http", "stdio"])
def connect(request: pytest.FixtureRequest, checkout: Path) -> Connect:
    """How to connect with a token, by one of the two transports."""
    if request.param == "stdio":
        return by_stdio
    url = request.getfixturevalue("web")
    return lambda secret: by_http(url, secret)


@asynccontextmanager
async def by_http(url: str, secret: str, mode: Any = "auto") -> AsyncIterator[Client]:
    headers = {"Authorization": f"Bearer {secret}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=90) as http,
        Client(streamable_http_client(f"{url}/mcp", http_client=http), mode=mode) as client,
    ):
        yield client


@asynccontextmanager
async def by_stdio(secret: str) -> AsyncIterator[Client]:
    told = {**environment(), "SWEEPBOARD_TOKEN": secret}
    server = StdioServerParameters(command=sys.executable, args=["manage.py", "mcp"], env=told, cwd=ROOT)
    async with Client(server) as client:
        yield client


def talk(connect: Connect, secret: str, *calls: tuple[str, dict[str, Any]]) -> list[Any]:
    """Call tools one after the other in one conversation; return the results."""

    async def run() -> list[Any]:
        async with connect(secret) as client:
            return [await client.call_tool(name, arguments) for name, arguments in calls]

    return anyio.run(run)


def test_every_tool_is_listed_with_its_schema_an_example_and_what_it_tells(connect: Connect) -> None:
    secret = token()[1]

    async def run() -> Any:
        async with connect(secret) as client:
            return (await client.list_tools()).tools

    tools = {one.name: one for one in anyio.run(run)}
    assert set(tools) == {one.name for one in TOOLS}
    for one in tools.values():
        assert one.input_schema["type"] == one.output_schema["type"] == "object"
        assert "Example: {" in one.description
        assert "Scope: " in one.description
    assert tools["create_plan"].input_schema["properties"]["idempotency_key"]
    assert tools["run_verdict"].annotations.read_only_hint is True


def test_an_agent_reads_the_board_and_a_verdict(connect: Connect) -> None:
    both_sources_answered()
    run = RunFactory(run_id="aaa")
    RunStatusFactory(run=run, job=JobFactory(), verdict="resume", chain=["W&B says crashed."])
    FlagFactory(run=run)
    board, verdict, missing = talk(
        connect, token()[1], ("active_sweeps", {}), ("run_verdict", {"run": "aaa"}), ("run_verdict", {"run": "zzz"})
    )
    assert board.structured_content["sweeps"][0]["sweep"] == run.sweep.sweep_id
    assert verdict.structured_content["evidence"] == ["W&B says crashed."]
    assert missing.is_error
    assert "No run 'zzz'" in missing.content[0].text
    assert "Next: Look the name up first" in missing.content[0].text


def test_a_handover_is_written_verified_searched_picked_up_and_read_as_a_resource(
    connect: Connect, checkout: Path
) -> None:
    new = {"workspace": "glue", "focus": "why the cosine schedule stalls", "next_actions": ["look at step 5400"]}

    secret = token()[1]

    async def run() -> Any:
        async with connect(secret) as client:
            made = (await client.call_tool("create_handover", {**new, "idempotency_key": "h1"})).structured_content
            again = (await client.call_tool("create_handover", {**new, "idempotency_key": "h1"})).structured_content
            key = {"handover": made["key"]}
            verified = (await client.call_tool("verify_handover", key)).structured_content
            found = (await client.call_tool("search_handovers", {"q": "cosine schedule"})).structured_content
            taken = (await client.call_tool("pick_up_handover", key)).structured_content
            listed = [one.uri for one in (await client.list_resources()).resources]
            text = (await client.read_resource(f"sweepboard://handovers/{made['key']}")).contents[0]
            return made, again, verified, found, taken, listed, text

    made, again, verified, found, taken, listed, text = anyio.run(run)
    assert again == made
    assert len(list((checkout / "CLAUDE").glob("HO-*.md"))) == 1
    assert verified["answer"] == "pass"
    assert found["handovers"][0]["key"] == made["key"]
    assert taken["who"] == "agent:coder-1"
    assert {"sweepboard://ACTIVE_SWEEPS.md", f"sweepboard://handovers/{made['key']}"} <= set(listed)
    assert "cosine" in text.text
    event = AuditEvent.objects.get(type="handover.written")
    assert (event.actor, event.detail["owner"]) == ("agent:coder-1", Token.objects.get().owner.username)


def test_the_report_is_a_resource_of_all_and_of_each_workspace_and_what_is_none_says_so(connect: Connect) -> None:
    secret = token()[1]

    async def run() -> Any:
        async with connect(secret) as client:
            templates = [one.uri_template for one in (await client.list_resource_templates()).resource_templates]
            every = (await client.read_resource("sweepboard://ACTIVE_SWEEPS.md")).contents[0]
            one = (await client.read_resource("sweepboard://workspaces/glue/ACTIVE_SWEEPS.md")).contents[0]
            refusals = []
            for uri in ("sweepboard://nothing", "sweepboard://handovers/HO-1999", "sweepboard://handovers/%00"):
                with pytest.raises(MCPError) as refused:
                    await client.read_resource(uri)
                refusals.append(str(refused.value))
            return templates, every, one, refusals

    templates, every, one, refusals = anyio.run(run)
    assert "sweepboard://handovers/{key}" in templates
    assert every.mime_type == "text/markdown"
    assert "## Running Sweeps" in every.text
    assert "Active Sweeps: glue" in one.text
    assert "There is no resource" in refusals[0]
    assert "No handover" in refusals[1]


def test_a_plan_waits_for_a_person_and_is_then_carried_out(connect: Connect) -> None:
    handover = approvals.handover()
    secret = token()[1]
    steps = [{"text": "Mend it", "command": "pytest -q tests"}]
    draft = {"handover": handover.key, "title": "Mend", "kind": "other", "steps": steps}
    made, early = talk(connect, secret, ("create_plan", draft), ("report_progress", {"plan": 1, "step": 1}))
    number = made.structured_content["plan"]
    assert made.structured_content["may_deploy"] is False
    assert early.is_error
    plan = Plan.objects.get(pk=number)
    approve_plan(plan=plan, shown_sha256=plan.sha256, by=approvals.person(), now=utcnow())
    status, step, final = talk(
        connect, secret, ("plan_status", {"plan": number}),
        ("report_progress", {"plan": number, "step": 1, "exit_status": 0}),
        ("finish_deploy", {"plan": number, "results": [{"command": "pytest -q tests", "exit_status": 0}]}),
    )  # fmt: skip
    assert status.structured_content["may_deploy"] is True
    assert step.structured_content["steps"][0]["state"] == "done"
    assert final.structured_content["state"] == "deployed"


def test_a_question_with_its_options_in_the_text_is_refused_with_the_body_to_send(connect: Connect) -> None:
    wrong, right, status = talk(
        connect, token()[1], ("ask_question", {"title": "Which? A) linear B) cosine"}), ("ask_question", QUESTION),
        ("answer_status", {"question": 1}),
    )  # fmt: skip
    assert wrong.is_error
    assert wrong.structured_content["instead"]["act"] == "ask_question"
    assert "cosine" in wrong.content[0].text
    assert right.structured_content["state"] == "open"
    assert Question.objects.count() == 1
    assert status.structured_content is not None


def test_wrong_arguments_unknown_tools_and_missing_scopes_are_told_with_what_to_do(connect: Connect) -> None:
    secret = token(scopes=frozenset({Scope.READ}))[1]
    wrong, scope, resume = talk(
        connect, secret, ("run_verdict", {"runn": "aaa"}), ("ask_question", QUESTION),
        ("request_resume", {"run": "aaa", "override": "checkpoint"}),
    )  # fmt: skip
    assert wrong.is_error
    assert "'run'" in wrong.content[0].text
    assert scope.structured_content["scope"] == "plan"
    assert "Ask your owner" in scope.content[0].text
    assert resume.is_error
    assert "override" in resume.content[0].text
    assert Question.objects.count() == 0


def test_a_token_that_is_revoked_in_the_middle_of_a_conversation_opens_nothing_more(connect: Connect) -> None:
    made, secret = token()

    async def run() -> Any:
        async with connect(secret) as client:
            first = await client.call_tool("active_sweeps", {})
            await anyio.to_thread.run_sync(revoke)
            try:
                second = await client.call_tool("active_sweeps", {})
                return first, second.content[0].text
            except MCPError as error:  # over HTTP the door itself answers
                return first, str(error)

    def revoke() -> None:
        Token.objects.filter(pk=made.pk).update(revoked_at=utcnow())

    first, said = anyio.run(run)
    assert not first.is_error
    assert said


def test_the_door_over_http_asks_for_a_token_first_and_speaks_json_to_a_post_only(checkout: Path, web: str) -> None:
    hello = {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}
    with httpx2.Client(base_url=web) as client:
        for headers in ({}, {"Authorization": "Bearer swb_" + "x" * 43}):
            refused = client.post("/mcp", json=hello, headers=headers)
            assert refused.status_code == 401
            assert refused.headers["content-type"] == "application/problem+json"
            assert refused.headers["www-authenticate"].startswith("Bearer")
        assert client.get("/mcp").status_code == 405
        assert client.get("/mcp").headers["allow"] == "POST"
        assert client.get("/mcp/").headers["content-type"] == "application/problem+json"
        elsewhere = client.post("/mcp", json=hello, headers={"Host": "evil.example.org"})
        assert elsewhere.status_code == 422
        good = {"Authorization": f"Bearer {token()[1]}", "Accept": "application/json, text/event-stream"}
        assert client.post("/mcp", content=b"{", headers=good).status_code == 400
        assert client.post("/mcp", content=b"x" * (2 << 20), headers=good).status_code == 413
        assert client.get("/static/css/sweepboard.css").status_code == 200
        assert client.get("/api/v1/plans", headers=good).status_code == 200


def test_a_client_of_the_protocol_before_speaks_to_the_same_door(checkout: Path, web: str) -> None:
    secret = token()[1]

    async def run() -> Any:
        async with by_http(web, secret, mode="legacy") as client:
            return await client.call_tool("active_sweeps", {})

    assert anyio.run(run).structured_content == {"sweeps": [], "next": None}


def test_the_command_without_a_living_token_ends_with_a_sentence(checkout: Path) -> None:
    import subprocess

    for secret, said in (("", "Make a token"), ("swb_" + "x" * 43, "No token is known")):
        done = subprocess.run(
            [sys.executable, "manage.py", "mcp"], cwd=ROOT, env={**environment(), "SWEEPBOARD_TOKEN": secret},
            capture_output=True, text=True, timeout=60, stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        assert done.returncode == 1
        assert said in done.stderr
