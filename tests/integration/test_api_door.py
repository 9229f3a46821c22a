"""What every request of the JSON API goes through: refusals, limits, ETags, and requests that come twice."""

import json
import threading
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from django.db import connection
from django.test import Client

from apps.api import limits
from apps.api.domain.tokens import Scope
from apps.api.models import KeptAnswer, Token
from apps.api.services.once import LEASE, Answer, Claim, once
from apps.api.tasks import forget_answers
from apps.approvals.models import Question
from apps.approvals.services.deciding import approve_plan
from apps.audit.models import AuditEvent
from apps.config.schedule import beat_schedule
from apps.core.clock import utcnow
from tests.factories import approvals
from tests.factories.tokens import Api, api, token

QUESTION = {"title": "Which schedule do we keep?", "options": [{"label": "linear"}, {"label": "cosine"}]}
pytestmark = pytest.mark.django_db


def problem(answer: Any, status: int) -> dict[str, Any]:
    assert answer.status_code == status, answer.content
    assert answer["Content-Type"] == "application/problem+json"
    told: dict[str, Any] = json.loads(answer.content)
    assert told["status"] == status
    assert told["detail"]
    return told


def test_every_refusal_is_a_problem_with_a_sentence() -> None:
    client = api()
    assert "openapi.json" in problem(client.get("/nothing"), 404)["detail"]
    assert "POST" in problem(client.post("/plans/3/status"), 405)["detail"]
    assert problem(client.get("/plans/99"), 404)["detail"] == "There is no plan 99."
    told = problem(client.post("/questions", {"title": 3, "colour": "red"}), 422)
    assert {one["field"] for one in told["errors"]} == {"title", "colour"}
    assert "no JSON" in problem(client.post("/questions", "{"), 422)["detail"]
    assert "no filter 'sweeep'" in problem(client.get("/runs", sweeep="x"), 422)["detail"]
    assert problem(client.get("/runs", limit=0), 422)["errors"][0]["field"] == "limit"
    assert "NUL" in problem(client.get("/runs", q="a\x00"), 422)["detail"]
    assert "NUL" in problem(client.post("/questions", {"title": "a\x00", "options": []}), 422)["detail"]
    assert problem(client.get("/flags/99999999999999999999"), 422)
    assert problem(client.post("/questions", {"title": "x" * (2 << 20)}), 413)


def test_no_address_of_the_door_answers_a_page() -> None:
    client = api().client
    for path in ("/api/v1", "/api/v1/", "/api/v1/a%0ab", "/api/v1/plans/"):
        problem(client.get(path), 404)
    assert problem(client.get("/mcp/"), 501)
    refused = Client(enforce_csrf_checks=True).post("/api/v1/openapi.json")
    assert (problem(refused, 405)["title"], refused["Allow"]) == ("It cannot be asked so", "GET, HEAD")
    assert Client().head("/api/v1/openapi.json").status_code == 200


def test_a_head_is_answered_as_a_get_is_without_its_body() -> None:
    client = api().client
    head, get = client.head("/api/v1/plans"), client.get("/api/v1/plans")
    assert (head.status_code, head["ETag"], head.content) == (200, get["ETag"], b"")
    assert client.head("/api/v1/plans/99").status_code == 404
    assert client.head("/api/v1/exchanges").status_code == 405


def test_a_length_that_is_no_number_is_refused() -> None:
    client = api()
    for length in ("abc", "-1", "²"):
        told = client.client.get("/api/v1/plans", CONTENT_LENGTH=length)
        assert "Content-Length" in problem(told, 422)["detail"]
    problem(client.client.get("/api/v1/plans", CONTENT_LENGTH="9" * 5000), 413)


def test_a_405_names_what_the_address_takes() -> None:
    answer = api().client.delete("/api/v1/plans")
    assert set(answer["Allow"].split(", ")) == {"GET", "POST"}


def test_a_defect_of_ours_is_a_problem_with_the_id_that_the_log_has(caplog: Any) -> None:
    with patch("apps.api.acts.plans.plans", side_effect=RuntimeError("secret detail")):
        told = problem(api().get("/plans"), 500)
    assert "secret detail" not in json.dumps(told)
    assert told["log_id"] in caplog.text


def test_an_answer_that_is_known_already_is_not_sent_again() -> None:
    client = api()
    first = client.get("/questions")
    assert client.get("/questions", headers={"If-None-Match": first["ETag"]}).status_code == 304
    assert client.get("/questions", headers={"If-None-Match": f'W/{first["ETag"]}, "x"'}).status_code == 304
    client.post("/questions", QUESTION)
    assert client.get("/questions", headers={"If-None-Match": first["ETag"]}).status_code == 200


def limited(world: Any, settings: Any, **values: int) -> None:
    with Path(settings.CONFIG_FILE).open("a") as config:
        config.write("\n[api]\n" + "".join(f"{name} = {value}\n" for name, value in values.items()))


def test_reads_and_writes_of_a_token_are_limited_apart_and_told_when_to_come_again(
    world: Any, settings: Any, noon: object
) -> None:
    limited(world, settings, reads_per_minute=3, writes_per_minute=1)
    client, other = api(), api("coder-2")
    assert [client.get("/plans").status_code for _ in range(4)] == [200, 200, 200, 429]
    refused = client.get("/plans")
    assert "3 reads a minute" in problem(refused, 429)["detail"]
    assert 1 <= int(refused["Retry-After"]) <= 60
    assert client.post("/questions", QUESTION).status_code == 201
    assert problem(client.post("/questions", QUESTION), 429)
    assert other.get("/plans").status_code == 200


def test_a_dead_redis_takes_nothing_down_and_each_process_counts_for_itself(
    world: Any, settings: Any, noon: object, monkeypatch: Any
) -> None:
    limited(world, settings, reads_per_minute=2)
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(limits, "COUNTERS", limits.Counters())
    client = api()
    assert [client.get("/plans").status_code for _ in range(3)] == [200, 200, 429]


def test_a_post_with_a_key_is_done_once_and_answered_the_same() -> None:
    client = api()
    first = client.post("/questions", QUESTION, key="k1")
    again = client.post("/questions", QUESTION, key="k1")
    assert (again.status_code, again.content) == (first.status_code, first.content)
    assert again["Idempotency-Replayed"] == "true"
    assert Question.objects.count() == 1
    assert (
        "another request" in problem(client.post("/questions", {**QUESTION, "title": "Else?"}, key="k1"), 422)["detail"]
    )
    assert client.post("/questions", QUESTION, key="k2").status_code == 201
    assert api("coder-2").post("/questions", QUESTION, key="k1").status_code == 201
    assert Question.objects.count() == 3


def test_a_key_that_is_none_is_refused() -> None:
    for key in ("x" * 201, "a\u00e9".encode().decode("latin-1"), " "):
        assert api(f"c{len(key)}").post("/questions", QUESTION, key=key).status_code in (201, 422)
    assert problem(api("last").post("/questions", QUESTION, key="x" * 201), 422)


def test_a_key_is_forgotten_after_a_day() -> None:
    client = api()
    client.post("/questions", QUESTION, key="k1")
    KeptAnswer.objects.update(first_at=utcnow() - timedelta(hours=25))
    assert client.post("/questions", {**QUESTION, "title": "Another one?"}, key="k1").status_code == 201


def test_answers_older_than_a_day_are_deleted_of_tokens_that_come_no_more_too() -> None:
    api().post("/questions", QUESTION, key="k1")
    KeptAnswer.objects.update(first_at=utcnow() - timedelta(hours=25))
    api("coder-2").post("/questions", QUESTION, key="k1")
    assert beat_schedule()["forget-answers"]["task"] == forget_answers.name
    forget_answers()
    assert [one.token.name for one in KeptAnswer.objects.all()] == ["coder-2"]


def test_a_refusal_is_not_kept_so_that_the_same_key_is_heard_after_the_approval() -> None:
    plan, client = approvals.plan(now=utcnow()), api()
    told = {"step": 1, "exit_status": 0}
    assert "not approved" in problem(client.post(f"/plans/{plan.pk}/progress", told, key="k1"), 422)["detail"]
    assert KeptAnswer.objects.count() == 0
    approve_plan(plan=plan, shown_sha256=plan.sha256, by=approvals.person(), now=utcnow())
    assert client.post(f"/plans/{plan.pk}/progress", told, key="k1").status_code == 201


def test_the_secret_of_a_webhook_is_told_again_to_whoever_sends_again_and_kept_in_no_answer() -> None:
    client, asked = api(), {**QUESTION, "webhook": "https://example.org/hook"}
    first = client.post("/questions", asked, key="k1")
    assert first.json()["webhook_secret"]
    assert first.json()["webhook_secret"] not in KeptAnswer.objects.get().body
    assert client.post("/questions", asked, key="k1").content == first.content


def test_the_same_request_while_it_is_under_way_is_told_so() -> None:
    client = api()
    client.post("/questions", QUESTION, key="k1")
    KeptAnswer.objects.update(status=None, body="")  # as whoever carries it out has it
    refused = client.post("/questions", QUESTION, key="k1")
    assert "being carried out" in problem(refused, 409)["detail"]
    assert int(refused["Retry-After"]) > 0


def test_a_request_that_failed_by_our_fault_may_be_sent_again_and_nothing_of_it_stays() -> None:
    client = api()
    with patch("apps.api.acts.questions.add_webhook", side_effect=RuntimeError):
        failed = client.post("/questions", {**QUESTION, "webhook": "https://example.org"}, key="k1")
    assert failed.status_code == 500
    assert (Question.objects.count(), KeptAnswer.objects.count()) == (0, 0)
    assert client.post("/questions", {**QUESTION, "webhook": "https://example.org"}, key="k1").status_code == 201


def ask_with(made: Token, title: str, *, dies: bool = False, clock: Any = utcnow) -> Answer:
    class Died(BaseException):
        """What a kill looks like from inside: nothing after it is carried out."""

    def act(claim: Claim) -> Answer:
        Question.objects.create(title=title, options=[], key=title, by="x", by_kind="agent", at=utcnow(), words="")
        if dies:
            raise Died
        return Answer(201, f"done, repeated: {claim.repeated}", "text/plain")

    if not dies:
        return once(token=made, key="k", fingerprint="f", clock=clock, act=act)
    with patch("apps.api.services.once._let_go"), pytest.raises(Died):  # a dead process cleans nothing up
        once(token=made, key="k", fingerprint="f", clock=clock, act=act)
    return Answer(0, "", "")


@pytest.mark.django_db(transaction=True)
def test_a_process_that_dies_in_the_middle_has_done_nothing_and_the_next_one_does_it_once() -> None:
    made, _ = token()
    ask_with(made, "one", dies=True)
    assert Question.objects.count() == 0
    assert KeptAnswer.objects.get().status is None
    later = utcnow() + LEASE + timedelta(seconds=1)
    assert ask_with(made, "one", clock=lambda: later).body == "done, repeated: True"
    assert Question.objects.count() == 1
    assert ask_with(made, "one", clock=lambda: later).replayed
    assert Question.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_one_that_was_only_slow_and_lost_its_request_to_another_takes_back_all_that_it_did() -> None:
    made, _ = token()

    def slow(claim: Claim) -> Answer:
        Question.objects.create(title="slow", options=[], key="s", by="x", by_kind="agent", at=utcnow(), words="")
        # Another process takes the row over meanwhile; its own connection is played by this one.
        KeptAnswer.objects.update(claim="somebody else's")
        return Answer(201, "", "")

    with pytest.raises(Exception, match="being carried out"):
        once(token=made, key="k", fingerprint="f", clock=utcnow, act=slow)
    assert Question.objects.count() == 0


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_with_one_key_one_acts() -> None:
    _, secret = token()
    answers: list[int] = []

    def send() -> None:
        answers.append(Api(secret).post("/questions", QUESTION, key="k1").status_code)
        connection.close()

    threads = [threading.Thread(target=send) for _ in range(6)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(answers) == 6
    assert set(answers) <= {201, 409}
    assert 201 in answers
    assert Question.objects.count() == 1


def test_what_an_agent_does_is_in_the_audit_trail_as_that_agent_with_its_owner() -> None:
    made, secret = token("coder-7")
    Api(secret).post("/questions", QUESTION)
    event = AuditEvent.objects.get(type="question.asked")
    assert event.actor == "agent:coder-7"
    assert event.detail["owner"] == made.owner.username
    assert event.detail["token"] == "coder-7"
    mine = api("laptop", kind="person", owner=made.owner, scopes=frozenset(Scope))
    mine.post("/questions", QUESTION)
    assert AuditEvent.objects.filter(type="question.asked", actor=f"{made.owner.username} (token laptop)").exists()
