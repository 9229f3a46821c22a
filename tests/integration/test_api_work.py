"""Handovers, plans and questions through the JSON API, over real files and a real git checkout."""

import threading
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.api.acts import waiting
from apps.api.callers import caller_with
from apps.api.domain.cursors import cursor_of
from apps.api.domain.problems import Problem
from apps.api.mcp.calling import called
from apps.api.models import KeptAnswer
from apps.approvals.actors import Agent
from apps.approvals.models import Comment, Plan, Question
from apps.approvals.services.deciding import approve_plan
from apps.approvals.services.questions import answer_question
from apps.audit.models import AuditEvent
from apps.core.clock import utcnow
from apps.core.permissions import Role
from apps.handovers.models import Handover, Pickup
from apps.handovers.search.indexing import index_new
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.wiring import document_store
from apps.workspaces.models import Workspace
from tests.factories import approvals
from tests.factories.handovers import KEY, document, git, put
from tests.factories.tokens import Api, api, token
from tests.integration.test_api_door import QUESTION, problem

PLAN = {
    "title": "Count warm-up in steps",
    "kind": "bug fix",
    "failing_test": "tests/test_warmup.py::test_it",
    "steps": [
        {"text": "Write the test", "command": "pytest -q tests/test_warmup.py"},
        {"text": "Mend it", "command": "pytest -q tests"},
    ],
}
NEW = {"workspace": "glue", "focus": "why the cosine schedule stalls", "next_actions": ["Resume run 8x2kq0ab"]}
pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace_of_many(glue: Workspace) -> list[str]:
    keys = [f"HO-20261103-140{number}-a1b2c3" for number in range(5)]
    for key in keys:
        put(glue.path, f"{key}.md", document(key, focus="why the cosine schedule stalls"))
    scan_workspace(workspace=glue, store=document_store(), now=utcnow())
    index_new()
    return keys


@pytest.fixture
def checkout(glue: Workspace) -> Path:
    git(glue.path, "init", "-q")
    (glue.path / "train.py").write_text("pass\n")
    git(glue.path, "add", "train.py")
    git(glue.path, "commit", "-qm", "first")
    return glue.path


def test_a_handover_is_written_found_verified_picked_up_and_given_back(checkout: Path) -> None:
    client, other = api(), api("coder-2")
    made = client.post("/handovers", {**NEW, "checks": [{"command": "pytest -q", "result": "3 passed"}]})
    assert made.status_code == 201, made.content
    key = made.json()["key"]
    assert Path(made.json()["paths"][0]).is_file()
    assert key in made.json()["startup_prompt"]
    assert [one["key"] for one in client.get("/handovers", q="cosine schedule").json()["handovers"]] == [key]
    assert client.get(f"/handovers/{key}").json()["agent"] == "coder-1"
    assert client.get(f"/handovers/{key}/verify").json()["answer"] == "pass"
    first = client.post(f"/handovers/{key}/pickup", {}).json()
    assert (first["who"], first["before"]) == ("agent:coder-1", "")
    assert "cosine" in first["text"]
    assert other.post(f"/handovers/{key}/pickup", {}).json()["before"] == "agent:coder-1"
    assert client.post(f"/handovers/{key}/release").status_code == 409
    assert other.post(f"/handovers/{key}/release").status_code == 200
    event = AuditEvent.objects.get(type="handover.written")
    assert (event.actor, event.detail["token"]) == ("agent:coder-1", "coder-1")
    assert AuditEvent.objects.filter(type="handover.released", actor="agent:coder-2").count() == 1


def test_a_handover_is_not_written_into_a_folder_that_is_no_checkout(checkout: Path, tmp_path: Path) -> None:
    told = problem(api().post("/handovers", {**NEW, "checkout": str(tmp_path)}), 422)
    assert str(checkout) in told["detail"]
    assert "glue" in problem(api("c2").post("/handovers", {**NEW, "workspace": "nothing"}), 404)["detail"]
    assert not list(tmp_path.glob("CLAUDE*"))


def test_a_handover_that_is_edited_fails_its_verification(checkout: Path) -> None:
    client = api()
    made = client.post("/handovers", NEW).json()
    Path(made["paths"][0]).write_text("something else")
    told = client.get(f"/handovers/{made['key']}/verify").json()
    assert told["answer"] == "fail"
    assert {line["answer"] for line in told["lines"]} <= {"pass", "fail", "unknown"}


def test_a_handover_whose_writer_died_before_it_answered_is_not_written_twice(checkout: Path) -> None:
    client = api()
    made = client.post("/handovers", NEW, key="h1").json()
    # The files are there, and nothing of the database: the process died before its transaction ended.
    Handover.objects.all().delete()
    KeptAnswer.objects.update(status=None, body="", claimed_at="2026-01-01T00:00Z")
    again = client.post("/handovers", NEW, key="h1")
    assert again.json()["key"] == made["key"]
    assert len(list((checkout / "CLAUDE").glob("HO-*.md"))) == 1


def test_a_key_that_means_nothing_or_too_much_is_told_so(checkout: Path) -> None:
    put(checkout, f"{KEY}.md", document())
    put(checkout, "HO-20261103-1405-ffffff.md", document("HO-20261103-1405-ffffff"))
    from apps.handovers.services.scanning import scan_workspace
    from apps.handovers.wiring import document_store

    scan_workspace(workspace=Workspace.objects.get(name="glue"), store=document_store(), now=utcnow())
    client = api()
    assert "several keys" in problem(client.get("/handovers/HO-20261103"), 404)["detail"]
    assert "No handover" in problem(client.get("/handovers/HO-1999"), 404)["detail"]
    assert client.get("/handovers/a1b2c3").json()["key"] == KEY


def test_options_in_a_remark_or_a_summary_are_refused_with_the_body_to_send() -> None:
    plan, client = approvals.approved(now=utcnow()), api()
    remark = {"step": 1, "remark": "Which one do you prefer: linear, cosine?"}
    told = problem(client.post(f"/plans/{plan.pk}/progress", remark), 422)
    assert [one["label"] for one in told["instead"]["body"]["options"]] == ["linear", "cosine"]
    results = [{"command": step["command"], "exit_status": 0} for step in PLAN["steps"]]
    final = {"results": results, "summary": "Done. Options: 1. resume 2. restart - which?"}
    told = problem(client.post(f"/plans/{plan.pk}/final-report", final), 422)
    assert told["instead"]["act"] == "ask_question"
    assert client.post(f"/plans/{plan.pk}/final-report", {**final, "summary": "Done."}).status_code == 201


def test_hits_of_a_search_go_on_behind_the_cursor(workspace_of_many: list[str]) -> None:
    client, found, cursor = api(), [], ""
    while cursor is not None:
        told = client.get("/handovers", q="cosine schedule", limit=2, cursor=cursor).json()
        found += [one["key"] for one in told["handovers"]]
        assert told["total"] == len(workspace_of_many)
        cursor = told["next"]
    assert sorted(found) == sorted(workspace_of_many)
    newest = client.get("/handovers", limit=2).json()["next"]
    problem(client.get("/handovers", q="cosine schedule", cursor=newest), 422)


def test_a_plan_goes_from_posting_to_its_final_report_and_a_person_approves_in_between() -> None:
    client, handover = api(), approvals.handover()
    told = client.post("/plans", {**PLAN, "handover": handover.key})
    assert told.status_code == 201, told.content
    number = told.json()["plan"]
    assert told.json()["may_deploy"] is False
    assert "Approve" in problem(client.post(f"/plans/{number}/progress", {"step": 1}), 422)["detail"]
    plan = Plan.objects.get(pk=number)
    approve_plan(plan=plan, shown_sha256=plan.sha256, by=approvals.person(), now=utcnow())
    assert client.get(f"/plans/{number}/status").json()["may_deploy"] is True
    begun = client.post(f"/plans/{number}/progress", {"step": 1, "exit_status": 0, "output": "1 passed"})
    assert begun.json()["steps"][0]["state"] == "done"
    results = [{"command": one["command"], "exit_status": 0} for one in PLAN["steps"]]  # type: ignore[index]
    assert (
        "pytest -q tests"
        in problem(client.post(f"/plans/{number}/final-report", {"results": results[:1]}), 422)["detail"]
    )
    assert client.post(f"/plans/{number}/final-report", {"results": results}).json()["state"] == "deployed"


def test_a_revision_makes_an_approval_void() -> None:
    plan = approvals.approved(now=utcnow(), by=Agent("agent:coder-1"))
    told = api().post(f"/plans/{plan.pk}/versions", {**PLAN, "title": "Something else"})
    assert told.status_code == 201, told.content
    assert (told.json()["version"], told.json()["approval_void"], told.json()["may_deploy"]) == (2, True, False)


def test_a_comment_that_says_yes_approves_nothing() -> None:
    plan = approvals.plan(now=utcnow())
    client = api()
    said = client.post(f"/plans/{plan.pk}/comments", {"text": "yes, go ahead"}).json()["said"]
    assert "approve nothing" in said
    assert Plan.objects.get().state == "posted"
    assert client.get(f"/plans/{plan.pk}").json()["comments"][0]["text"] == "yes, go ahead"


def test_a_question_in_plain_text_is_refused_with_the_form_that_it_should_have_used() -> None:
    client = api()
    told = problem(client.post("/questions", {"title": "Which one? A) linear B) cosine"}), 422)
    assert "2 to 6 options" in told["detail"]
    assert told["instead"]["body"]["options"][1] == {"id": "b", "label": "cosine", "consequence": "…"}
    filled = told["instead"]["body"] | {"options": [{"label": "linear"}, {"label": "cosine"}]}
    assert client.post("/questions", filled).status_code == 201
    plan = approvals.plan(now=utcnow())
    told = problem(
        client.post(f"/plans/{plan.pk}/comments", {"text": "Should I 1. keep linear or 2. go back to cosine?"}), 422
    )
    assert len(told["instead"]["body"]["options"]) == 2
    assert (Question.objects.count(), Comment.objects.count()) == (1, 0)


def test_a_plan_without_its_gate_is_refused_with_a_sentence() -> None:
    handover = approvals.handover()
    told = problem(api().post("/plans", {**PLAN, "failing_test": "", "handover": handover.key}), 422)
    assert "failing test" in told["detail"]


def test_a_question_is_asked_listed_answered_by_a_person_and_withdrawn() -> None:
    client = api()
    number = client.post("/questions", QUESTION).json()["question"]
    assert client.get(f"/questions/{number}").json()["answer"] is None
    answer_question(question=Question.objects.get(), chosen=["b"], by=approvals.person(), now=utcnow())
    told = client.get(f"/questions/{number}").json()
    assert (told["state"], told["answer"]["chosen"]) == ("answered", ["b"])
    assert [one["question"] for one in client.get("/questions", show="answered", q="cosine").json()["questions"]] == [
        number
    ]
    assert client.post(f"/questions/{number}/withdraw", {}).status_code == 409
    other = client.post("/questions", {**QUESTION, "title": "Another?"}).json()["question"]
    assert "Only agent:coder-1" in problem(api("coder-2").post(f"/questions/{other}/withdraw", {}), 422)["detail"]
    assert client.post(f"/questions/{other}/withdraw", {"reason": "found it"}).json()["state"] == "withdrawn"


@pytest.mark.django_db(transaction=True)
def test_whoever_waits_is_told_as_soon_as_a_person_answers() -> None:
    _, secret = token()
    number = Api(secret).post("/questions", QUESTION).json()["question"]
    told: list[dict[str, Any]] = []
    begun = threading.Event()

    def wait() -> None:
        begun.set()
        told.append(Api(secret).get(f"/questions/{number}", wait=60).json())
        connection.close()

    waiter = threading.Thread(target=wait)
    waiter.start()
    assert begun.wait(20)
    answer_question(question=Question.objects.get(), chosen=["a"], by=approvals.person(), now=utcnow())
    waiter.join(50)
    assert told[0]["answer"]["chosen"] == ["a"]


@pytest.mark.django_db(transaction=True)
def test_waiting_holds_neither_a_transaction_nor_a_connection() -> None:
    held: list[tuple[bool, bool]] = []
    looks = iter([1, 1, 2])
    waiting.waited(
        lambda: next(looks),
        30,
        pause=lambda _: held.append((connection.in_atomic_block, connection.connection is None)),
    )
    assert held == [(False, True), (False, True)]


def test_only_so_many_wait_at_once_and_one_more_is_answered_at_once(monkeypatch: Any) -> None:
    monkeypatch.setattr(waiting, "_waiting", 20)
    paused: list[float] = []
    waiting.waited(lambda: 1, 30, pause=paused.append)
    assert paused == []
    assert waiting._waiting == 20


def test_waiting_longer_than_a_minute_is_refused() -> None:
    plan = approvals.plan(now=utcnow())
    assert problem(api().get(f"/plans/{plan.pk}/status", wait=61), 422)["errors"][0]["field"] == "wait"


def test_an_agent_cannot_be_taken_for_another_by_the_name_of_a_command() -> None:
    approvals.question(by=Agent("coder-1"), now=utcnow())
    number = Question.objects.get().pk
    assert api("coder-1").post(f"/questions/{number}/withdraw", {}).status_code == 422
    assert Pickup.objects.count() == 0


@pytest.mark.parametrize("deadline", ["0001-01-01T00:00+14:00", "9999-12-31T23:59-14:00", "9999-12-31T23:59Z"])
def test_a_deadline_at_the_rim_of_the_calendar_is_refused_and_takes_no_list_down(deadline: str) -> None:
    client = api()
    problem(client.post("/questions", {**QUESTION, "deadline": deadline}), 422)
    assert client.get("/questions").json()["questions"] == []
    kept = client.post("/questions", {**QUESTION, "deadline": "2026-05-04T23:00+02:00"})
    assert kept.json()["deadline"] == "2026-05-04T21:00:00Z"


@pytest.mark.parametrize("status", [False, True, "0", 0.0])
def test_an_exit_status_that_is_no_number_is_refused_and_never_taken_for_a_pass(status: object) -> None:
    plan, client = approvals.approved(now=utcnow()), api()
    told = problem(client.post(f"/plans/{plan.pk}/progress", {"step": 1, "exit_status": status}), 422)
    assert told["errors"][0]["field"] == "exit_status"
    results = [{"command": one, "exit_status": status} for one in ("pytest -q tests/test_warmup.py", "pytest -q tests")]
    problem(client.post(f"/plans/{plan.pk}/final-report", {"results": results}), 422)
    problem(client.post(f"/plans/{plan.pk}/progress", {"step": True, "exit_status": 0}), 422)
    assert client.get(f"/plans/{plan.pk}/status", wait="0").json()["state"] == "approved"


def test_a_day_that_is_none_is_refused_and_one_at_the_rim_of_the_calendar_is_no_crash(
    checkout: Path, viewer: Client
) -> None:
    client = api()
    for name in ("since", "until"):
        for day in ("2026-02-31", "9999-12-31", "0001-01-01"):
            assert problem(client.get("/handovers", **{name: day}), 422)["errors"][0]["field"] == name
            assert viewer.get("/handovers", {name: day}).status_code == 200
            with pytest.raises(Problem, match="no day of the calendar"):
                called(caller_with(token(f"t{name}{day}")[1], utcnow()), "search_handovers", {name: day})
    assert client.get("/handovers", since="2026-05-04", until="2026-05-04").status_code == 200
    for moment in ("0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-05-04T00:00:00"):
        problem(client.get("/handovers", cursor=cursor_of("handovers", (moment, 1))), 422)


def test_only_whoever_posted_a_plan_and_an_admins_own_token_revise_it() -> None:
    handover, author = approvals.handover(), api()
    number = author.post("/plans", {**PLAN, "handover": handover.key}).json()["plan"]
    approve_plan(plan=Plan.objects.get(), shown_sha256=Plan.objects.get().sha256, by=approvals.person(), now=utcnow())
    newer = {**PLAN, "title": "Another way"}
    assert "who posted it" in problem(api("coder-2").post(f"/plans/{number}/versions", newer), 422)["detail"]
    assert "admin" in problem(api("mine", kind="person").post(f"/plans/{number}/versions", newer), 403)["detail"]
    assert author.get(f"/plans/{number}/status").json()["may_deploy"]
    chief = api("chief", kind="person", role=Role.ADMIN)
    assert chief.post(f"/plans/{number}/versions", newer).json()["version"] == 2
    assert author.post(f"/plans/{number}/versions", PLAN).json()["version"] == 3
