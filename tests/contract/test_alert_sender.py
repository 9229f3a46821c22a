"""Sending alerts: by Apprise to a real webhook and a real mail server, and into memory, under one contract."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.alerts.adapters.apprise import AppriseSender
from apps.alerts.adapters.memory import MemorySender
from apps.alerts.ports import AlertSender, Unsure
from apps.core.errors import Permanent, SweepboardError, Transient
from tests.services.alert_targets import (
    SECRET,
    Target,
    closed_port,
    running_mail_server,
    running_webhook,
    self_signed,
    wait_for,
)

SECONDS = 6.0


class Harness:
    """A sender and what it sends to; ``behave`` says what its messages meet, one each."""

    def __init__(self, sender: AlertSender, target: Target) -> None:
        self.sender = sender
        self.target = target

    def behave(self, *what: str) -> None:
        self.target.behaviour = list(what)

    def send(self, subject: str = "✖ critical: zombie", body: str = "14 runs on node g07\nNext: drain it") -> None:
        self.sender.send(self.target.address, subject, body)

    @property
    def received(self) -> list[tuple[str, str]]:
        return self.target.received


class MemoryHarness(Harness):
    MET: dict[str, SweepboardError | None] = {
        "take": None,
        "refuse": Transient("The service refused the message."),
        "forbid": Permanent("The service refused the message."),
        "slow": Unsure("No answer came."),
        "drop": Unsure("No answer came."),
    }

    def __init__(self) -> None:
        self.memory = MemorySender()
        target = Target()
        target.address = f"memory://{SECRET}"
        super().__init__(self.memory, target)

    def behave(self, *what: str) -> None:
        self.memory.failures = [self.MET[one] for one in what]

    @property
    def received(self) -> list[tuple[str, str]]:
        return [(subject, body) for _, subject, body in self.memory.sent]


@pytest.fixture(params=["webhook", "mail", "memory"])
def at(request: pytest.FixtureRequest) -> Iterator[Harness]:
    if request.param == "memory":
        yield MemoryHarness()
        return
    running = {"webhook": running_webhook, "mail": running_mail_server}[request.param]
    with running() as target:
        yield Harness(AppriseSender(seconds=SECONDS), target)


@pytest.fixture
def webhook() -> Iterator[Harness]:
    with running_webhook() as target:
        yield Harness(AppriseSender(seconds=SECONDS), target)


def test_a_message_arrives_once_with_its_subject_and_its_lines(at: Harness) -> None:
    at.send()
    assert at.received == [("✖ critical: zombie", "14 runs on node g07\nNext: drain it")]


def test_a_refusal_that_may_go_away_may_be_tried_again_and_then_arrives_once(at: Harness) -> None:
    at.behave("refuse", "take")
    with pytest.raises(Transient):
        at.send()
    assert at.received == []
    at.send()
    assert len(at.received) == 1


def test_a_refusal_for_good_is_permanent(at: Harness) -> None:
    at.behave("forbid")
    with pytest.raises(Permanent):
        at.send()
    assert at.received == []


@pytest.mark.parametrize("what", ["slow", "drop"])
def test_what_was_read_and_not_answered_may_have_arrived(at: Harness, what: str) -> None:
    at.behave(what)
    with pytest.raises(Unsure):
        at.send()


def test_no_error_quotes_the_address_or_the_other_side(at: Harness) -> None:
    for what in ("refuse", "forbid", "drop"):
        at.behave(what)
        with pytest.raises(SweepboardError) as raised:
            at.send()
        assert SECRET not in str(raised.value)
        assert "hooks" not in str(raised.value)


def test_an_address_is_named_by_its_service_and_nonsense_is_refused(at: Harness) -> None:
    assert at.sender.check(at.target.address) in ("JSON", "E-Mail", "Memory")
    with pytest.raises(Permanent):
        at.sender.check("nonsense")
    assert at.received == []


@pytest.mark.parametrize("scheme", ["json://{}", "mailto://{}?from=a@example.org&to=b@example.org&mode=insecure"])
def test_a_connection_that_is_refused_sent_nothing(scheme: str) -> None:
    with pytest.raises(Transient, match="could not be reached"):
        AppriseSender().send(scheme.format(f"127.0.0.1:{closed_port()}"), "a", "b")


def test_a_name_that_does_not_exist_sent_nothing() -> None:
    with pytest.raises(Transient, match="could not be reached"):
        AppriseSender().send("json://nowhere.invalid/", "a", "b")


def test_a_service_that_asks_to_wait_is_heard(webhook: Harness) -> None:
    webhook.behave("busy")
    with pytest.raises(Transient) as raised:
        webhook.send()
    assert raised.value.retry_after == 7


def test_a_certificate_that_nobody_vouches_for_is_met_before_anything_is_sent(tmp_path: Path) -> None:
    with running_webhook(self_signed(tmp_path / "pem")) as target:
        at = Harness(AppriseSender(), target)
        with pytest.raises(Transient, match="no valid certificate"):
            at.send()
        assert target.attempts == 0
        target.address += "?verify=no"
        at.behave("take", "drop", "refuse")
        at.send()
        with pytest.raises(Unsure):
            at.send()
        with pytest.raises(Transient, match="HTTP 500"):
            at.send()


def test_a_gateway_that_did_not_hear_from_the_service_leaves_it_unsure(webhook: Harness) -> None:
    webhook.behave("gateway")
    with pytest.raises(Unsure, match="HTTP 504"):
        webhook.send()


def test_a_redirect_is_not_followed_to_where_the_address_does_not_say(webhook: Harness) -> None:
    webhook.behave("moved")
    with pytest.raises(Permanent, match="HTTP 302"):
        webhook.send()
    assert webhook.target.attempts == 1


@pytest.mark.parametrize(
    ("address", "sentence"),
    [
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#one/#two", "several targets"),
        ("mailto://u:p@example.org/a@example.org/b@example.org", "several targets"),
        ("mailto://u:p@example.org?to=a@example.org&cc=b@example.org", "several targets"),
        ("json://one.example.org, json://two.example.org", "one address for each channel"),
        ("dbus://", "HTTP and by e-mail only"),
        ("gnome://", "HTTP and by e-mail only"),
        ("macosx://", "HTTP and by e-mail only"),
        ("windows://", "HTTP and by e-mail only"),
        ("syslog://", "HTTP and by e-mail only"),
        ("mqtt://example.org/topic", "HTTP and by e-mail only"),
        ("file:///etc/passwd", "does not understand"),
        ("exec://rm", "does not understand"),
        ("", "does not understand"),
        ("slack://", "missing"),
        ("workflows://h.example.org:443/wf/sig/?template=/etc/passwd", "name files"),
        ("mailto://u:p@example.org?pgp=sign&pgpprv=/etc/ssl/key.pem", "name files"),
    ],
)
def test_an_address_that_is_no_good_is_refused_with_a_sentence(address: str, sentence: str) -> None:
    with pytest.raises(Permanent, match=sentence):
        AppriseSender().check(address)


@pytest.mark.parametrize(
    "address",
    [
        "slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ/#general",
        "workflows://h.example.org:443/workflow/signature/",
        "mailtos://u:p@example.org?to=a@example.org",
        "ntfy://topic",
        "discord://4174216298/JHMHI8qBe7bk2ZwO5U711o3dV_js",
        "tgram://123456789:abcdefg_hijklmnop/12315544/",
        "gotifys://h.example.org/tokenabcdefghijk",
        "jsons://h.example.org/hook",
    ],
)
def test_the_usual_services_are_taken(address: str) -> None:
    assert AppriseSender().check(address)


def test_the_process_that_sends_may_read_no_file_and_run_no_program(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    script = f"""
from apps.alerts.adapters.apprise_watch import Watch
import subprocess, os
Watch(lambda: None).begin()
for act in (
    lambda: open({str(tmp_path / "secret")!r}).read(), lambda: open("/etc/passwd"), lambda: open("/tmp/new", "w"),
    lambda: subprocess.run(["true"]), lambda: os.system("true"), lambda: os.fork(),
):
    try:
        act()
        print("allowed")
    except PermissionError:
        print("refused")
"""
    done = subprocess.run([sys.executable, "-B", "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["refused"] * 6


def test_the_address_stands_on_no_command_line(webhook: Harness) -> None:
    webhook.behave("slow")
    raised: list[Exception] = []

    def send() -> None:
        try:
            webhook.send()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    wait_for(webhook.target, 1)
    lines = [line for _, line in _children()]
    webhook.target.over.set()
    thread.join()
    assert [line for line in lines if "apprise_child" in line]
    assert SECRET not in "".join(lines)
    assert isinstance(raised[0], Unsure)


def test_a_process_that_is_killed_in_mid_send_leaves_it_unsure(webhook: Harness) -> None:
    webhook.behave("slow")
    raised: list[Exception] = []

    def send() -> None:
        try:
            webhook.send()
        except Exception as error:
            raised.append(error)

    thread = threading.Thread(target=send)
    thread.start()
    wait_for(webhook.target, 1)
    for pid, line in _children():
        if "apprise_child" in line:
            os.kill(pid, signal.SIGKILL)
    thread.join()
    assert isinstance(raised[0], Unsure)


def _children() -> list[tuple[int, str]]:
    """Return the processes that this one started, with their command lines."""
    import psutil

    return [(one.pid, " ".join(one.cmdline())) for one in psutil.Process().children(recursive=True)]


def test_hostile_text_stays_text_in_a_mail() -> None:
    with running_mail_server() as target:
        AppriseSender().send(target.address, "<b>now</b>", "<img src=x> *bold* & <script>")
        ((subject, body),) = target.received
    assert subject == "<b>now</b>"
    assert body == "<img src=x> *bold* & <script>"
