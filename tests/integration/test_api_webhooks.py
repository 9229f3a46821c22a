"""Answers that are sent to whoever asked: over a real HTTP server, signed, tried again, and given up in the end."""

import hashlib
import hmac
import json
import socket
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from apps.api.domain.webhooks import is_forbidden
from apps.api.models import Webhook
from apps.api.services.posting import post_by_http
from apps.api.services.tokens import revoke_token
from apps.api.services.webhooks import deliver, due_webhooks
from apps.approvals.models import Question
from apps.approvals.services.questions import answer_question
from apps.core.clock import utcnow
from apps.workspaces.config import ApiConfig
from tests.factories import approvals
from tests.factories.tokens import Api, api
from tests.integration.test_api_door import QUESTION, problem

pytestmark = pytest.mark.django_db
CONFIG = ApiConfig(webhook_seconds=2, webhook_attempts=3, webhook_hosts=["127.0.0.1"])


class Receiver(HTTPServer):
    """Keeps what it is sent, and answers with the statuses that it is given, 200 after them."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.got: list[tuple[dict[str, str], bytes]] = []
        self.statuses: list[int] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/hook"


class Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        status = self.server.statuses.pop(0) if self.server.statuses else 200
        self.send_response(status)
        if status == 302:
            self.send_header("Location", f"{self.server.url}/elsewhere")
        self.end_headers()

    def log_message(self, *args: Any) -> None:
        """Nobody reads it."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    server = Receiver()
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()


def asked(client: Api, url: str) -> tuple[Webhook, str]:
    told = client.post("/questions", {**QUESTION, "webhook": url})
    assert told.status_code == 201, told.content
    return Webhook.objects.get(), told.json()["webhook_secret"]


def answer() -> None:
    answer_question(question=Question.objects.get(), chosen=["b"], by=approvals.person(), now=utcnow())


def drive(at: datetime | None = None, post: Any = post_by_http) -> str:
    return deliver(webhook_pk=Webhook.objects.get().pk, post=post, clock=lambda: at or utcnow(), config=CONFIG)


def test_an_answer_is_sent_signed_with_the_secret_that_was_told_once(receiver: Receiver) -> None:
    client = api()
    _, secret = asked(client, receiver.url)
    assert due_webhooks(utcnow()) == []
    assert drive() == "waiting"
    answer()
    assert due_webhooks(utcnow()) == [Webhook.objects.get().pk]
    assert drive() == "done"
    ((headers, body),) = receiver.got
    assert json.loads(body)["answer"]["chosen"] == ["b"]
    signed = "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    assert headers["X-Sweepboard-Signature"] == signed
    assert drive() == "done"
    assert len(receiver.got) == 1
    told = client.get(f"/questions/{Question.objects.get().pk}").json()
    assert (told["webhook"]["state"], told["webhook"]["attempts"]) == ("done", 1)
    assert secret not in json.dumps(told)


def test_a_receiver_that_fails_is_tried_again_later_and_given_up_in_the_end(receiver: Receiver) -> None:
    asked(api(), receiver.url)
    answer()
    receiver.statuses = [500, 503, 404]
    now = utcnow()
    assert drive(now) == "waiting"
    assert drive(now) == "waiting"
    assert len(receiver.got) == 1  # its next try is not due yet
    assert drive(now + timedelta(minutes=1)) == "waiting"
    assert drive(now + timedelta(hours=2)) == "failed"
    hook = Webhook.objects.get()
    assert "given up after 3 tries" in hook.said
    assert "404" in hook.said


def test_a_redirect_is_not_followed(receiver: Receiver) -> None:
    asked(api(), receiver.url)
    answer()
    receiver.statuses = [302]
    assert drive() == "waiting"
    assert len(receiver.got) == 1
    assert "302" in Webhook.objects.get().said


def test_nobody_there_is_no_crash_and_said(receiver: Receiver) -> None:
    asked(api(), "http://127.0.0.1:1/hook")
    answer()
    assert drive() == "waiting"
    assert "not delivered" in Webhook.objects.get().said


def test_of_two_workers_one_delivers(receiver: Receiver) -> None:
    asked(api(), receiver.url)
    answer()
    seen: list[str] = []

    def slow(*told: Any) -> int:
        seen.append(drive(post=post_by_http))  # the other worker, in the middle of the first one's delivery
        return post_by_http(*told)

    assert drive(post=slow) == "done"
    assert seen == ["waiting"]
    assert len(receiver.got) == 1


def test_an_address_that_is_none_asks_no_question() -> None:
    for url in ("ftp://example.org", "javascript:alert(1)", "https://u:p@example.org/"):
        assert problem(api(f"c{len(url)}").post("/questions", {**QUESTION, "webhook": url}), 422)
    assert Question.objects.count() == 0


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "localhost", "0", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "169.254.169.254", "224.0.0.1"]
)
def test_nothing_is_sent_to_our_own_machine_or_link_local_unless_the_setting_names_it(
    receiver: Receiver, host: str
) -> None:
    asked(api(), receiver.url.replace("127.0.0.1", host))
    answer()
    strict = CONFIG.model_copy(update={"webhook_hosts": ["another.example.org"]})
    hook = Webhook.objects.get()
    assert deliver(webhook_pk=hook.pk, post=post_by_http, clock=utcnow, config=strict) == "failed"
    assert receiver.got == []
    assert "webhook_hosts" in Webhook.objects.get().said


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_leads_to_our_own_machine_once_it_was_checked_is_sent_nothing(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    """The name's owner answers the check with one address, and the connection with another (DNS rebinding)."""
    asked(api(), f"{scheme}://turns.example.org:{receiver.server_port}/hook")
    answer()
    left = ["93.184.216.34"]
    real = socket.getaddrinfo

    def turning(host: str, *told: Any, **named: Any) -> Any:
        return real(left.pop() if left else "127.0.0.1", *told, **named)

    monkeypatch.setattr(socket, "getaddrinfo", turning)
    if scheme == "https":  # a handshake with plain HTTP fails by itself; here it is the address that must not do
        monkeypatch.setattr("ssl.SSLContext.wrap_socket", lambda self, sock, **named: sock)
    strict = CONFIG.model_copy(update={"webhook_hosts": []})
    assert deliver(webhook_pk=Webhook.objects.get().pk, post=post_by_http, clock=utcnow, config=strict) == "failed"
    assert left == []
    assert receiver.got == []
    assert "own machine" in Webhook.objects.get().said


@pytest.mark.parametrize("host", ["10.1.2.3", "172.16.0.9", "192.168.4.5", "8.8.8.8", "fd12::7"])
def test_a_cluster_s_private_network_is_no_forbidden_place(host: str) -> None:
    assert not is_forbidden(host)


def test_nothing_is_sent_for_a_token_that_was_revoked_meanwhile(receiver: Receiver) -> None:
    hook, _ = asked(api(), receiver.url)
    answer()
    revoke_token(token=hook.token, now=utcnow(), by="mia")
    assert drive() == "failed"
    assert receiver.got == []
    assert "was revoked" in Webhook.objects.get().said


def test_the_secret_is_kept_nowhere(receiver: Receiver) -> None:
    _, secret = asked(api(), receiver.url)
    row = Webhook.objects.values().get()
    assert secret not in str(row)


def test_a_withdrawn_question_is_told_too(receiver: Receiver) -> None:
    client = api()
    asked(client, receiver.url)
    client.post(f"/questions/{Question.objects.get().pk}/withdraw", {})
    assert drive() == "done"
    assert json.loads(receiver.got[0][1])["state"] == "withdrawn"
