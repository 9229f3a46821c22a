"""The screen of alerts: who may see it, what it shows and does, and that no address ever comes out of it."""

import json
import logging
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.alerts.adapters.memory import MemorySender
from apps.alerts.models import AlertCause, AlertChannel, AlertDelivery
from apps.alerts.sealing import unseal
from apps.alerts.services.channels import hint_of
from apps.audit.models import AuditEvent
from apps.core.errors import Transient
from tests.factories.alerts import ADDRESS, SECRET, channel, flagged
from tests.factories.moments import NOW, before
from tests.factories.rows import WorkspaceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
SENDER = MemorySender()
FORM = {
    "name": "ops", "address": ADDRESS, "least": "warning", "workspace": "", "digest_minutes": "0", "quiet_from": "",
    "quiet_to": "", "tell_resolved": "on", "critical_breaks_quiet": "on",
}  # fmt: skip
HTMX = {"HX-Request": "true", "HX-Target": "alerts"}


def sender() -> MemorySender:
    return SENDER


@pytest.fixture(autouse=True)
def _memory(settings: Any) -> None:
    settings.CONFIG_FILE = ""
    settings.ALERT_SENDER = "tests.integration.test_alerts_views.sender"
    settings.CELERY_BROKER_URL = "memory://"
    SENDER.failures.clear()
    SENDER.sent.clear()


def post(client: Client, path: str = "/alerts/new", **values: str) -> Any:
    return client.post(path, {**FORM, **values} if path.endswith(("new", "edit")) else values)


def delivery(of: AlertChannel, **values: Any) -> AlertDelivery:
    given = {"subject": "✖ critical: zombie, 14 runs on node g07", "body": "b", "made_at": NOW, "next_try_at": NOW}
    return AlertDelivery.objects.create(channel=of, **{**given, **values})


def page(client: Client) -> str:
    return client.get("/alerts").content.decode()


def test_viewers_and_strangers_see_nothing_of_it(viewer: Client, client: Client) -> None:
    ops = channel()
    failed = delivery(ops, state="failed")
    for path in ("/alerts", "/alerts/new", f"/alerts/{ops.pk}/edit", f"/alerts/{ops.pk}/delete"):
        assert viewer.get(path).status_code == 403, path
        assert client.get(path).status_code == 302, path
    for path in ("new", f"{ops.pk}/edit", f"{ops.pk}/switch", f"{ops.pk}/delete", f"{ops.pk}/test"):
        assert viewer.post(f"/alerts/{path}", FORM).status_code == 403, path
    assert viewer.post(f"/alerts/messages/{failed.pk}/again").status_code == 403
    assert 'href="/alerts"' not in viewer.get("/").content.decode()
    assert (AlertChannel.objects.count(), AlertDelivery.objects.count(), AuditEvent.objects.count()) == (1, 1, 0)


def test_an_operator_finds_it_in_the_header_and_is_told_what_to_do_first(operator: Client) -> None:
    assert 'href="/alerts"' in operator.get("/").content.decode()
    assert "Nobody is told yet" in page(operator)
    channel()
    assert "Nothing was told yet" in page(operator)


def test_a_channel_is_made_audited_and_knows_what_is_open(operator: Client) -> None:
    WorkspaceFactory(name="glue")
    flagged()
    answer = post(operator, workspace="", quiet_from="22:00", quiet_to="07:00", least="critical", digest_minutes="15")
    assert (answer.status_code, answer["Location"]) == (302, "/alerts")
    ops = AlertChannel.objects.get()
    assert unseal(ops.sealed) == ADDRESS
    assert (ops.least, ops.digest_minutes, ops.enabled) == ("critical", 15, True)
    assert AlertCause.objects.get().changes.count() == 0
    event = AuditEvent.objects.get()
    assert (event.type, event.subject, event.detail["quiet_from"]) == (
        "alert-channel.made", "alert channel ops", "22:00:00",
    )  # fmt: skip
    for said in ("critical only", "of all workspaces", "digest of 15 min", "quiet 22:00 to 07:00", "except critical"):
        assert said in page(operator), said


@pytest.mark.parametrize(
    ("values", "field", "said"),
    [
        ({"name": ""}, "name", "Fill this in."),
        ({"address": ""}, "address", "Fill this in."),
        ({"address": "nonsense"}, "address", "no address that Apprise knows"),
        ({"quiet_from": "22:00"}, "quiet_to", "both times, or neither"),
        ({"quiet_from": "late", "quiet_to": "07:00"}, "quiet_from", "Write it as 22:30."),
        ({"quiet_from": "07:00", "quiet_to": "07:00"}, "quiet_to", "never end"),
        ({"digest_minutes": "-1"}, "digest_minutes", "greater than or equal to 0"),
        ({"digest_minutes": "9999"}, "digest_minutes", "less than or equal to 1440"),
        ({"least": "loud"}, "least", "Select a valid choice"),
        ({"workspace": "nowhere"}, "workspace", "Select a valid choice"),
        ({"name": "taken"}, "name", "There is a channel"),
    ],
)
def test_what_is_wrong_is_said_beside_its_field_and_nothing_is_saved(
    operator: Client, values: dict[str, str], field: str, said: str
) -> None:
    channel("taken")
    answer = post(operator, **values)
    text = answer.content.decode()
    assert answer.status_code == 422
    beside = text.split(f'id="id_{field}_error"')[1].split("</ul>")[0]
    assert said in beside
    assert 'aria-invalid="true"' in text
    assert SECRET not in text
    assert AlertChannel.objects.count() == 1
    assert not AuditEvent.objects.exists()


def test_a_checker_that_does_not_answer_saves_nothing_and_says_so(
    operator: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: MemorySender, address: str) -> str:
        raise Transient("The process that sends could not be started.")

    monkeypatch.setattr(MemorySender, "check", fail)
    answer = post(operator)
    assert answer.status_code == 422
    assert "could not be started" in answer.content.decode()


def test_editing_keeps_the_address_unless_another_is_given(operator: Client) -> None:
    ops = channel()
    before_it = ops.sealed
    assert post(operator, f"/alerts/{ops.pk}/edit", address="", name="night watch").status_code == 302
    ops.refresh_from_db()
    assert (ops.sealed, ops.name) == (before_it, "night watch")
    assert not AuditEvent.objects.get().detail["address"]
    post(operator, f"/alerts/{ops.pk}/edit", address="json://elsewhere.example.org/token")
    ops.refresh_from_db()
    assert unseal(ops.sealed) == "json://elsewhere.example.org/token"
    assert ops.hint == "Json (json://elsewhere.example.org)"


def test_a_channel_that_hears_of_more_from_now_on_knows_what_is_open(operator: Client) -> None:
    ops = channel(least="critical")
    flagged(severity="warning")
    post(operator, f"/alerts/{ops.pk}/edit", address="", least="warning")
    assert AlertCause.objects.get().changes.count() == 0


def test_a_channel_is_switched_off_and_on_and_deleted_after_asking(operator: Client) -> None:
    ops = channel()
    delivery(ops, state="sent", sent_at=NOW)
    assert "is off." in operator.post(f"/alerts/{ops.pk}/switch", {"on": "0"}, follow=True).content.decode()
    assert '<span class="badge note">off</span>' in page(operator)
    assert "off already" in operator.post(f"/alerts/{ops.pk}/switch", {"on": "0"}, follow=True).content.decode()
    operator.post(f"/alerts/{ops.pk}/switch", {"on": "1"})
    asked = operator.get(f"/alerts/{ops.pk}/delete").content.decode()
    assert "what it sent (1 message)" in asked
    assert AlertChannel.objects.exists()
    assert operator.post(f"/alerts/{ops.pk}/delete").status_code == 302
    assert not AlertChannel.objects.exists()
    told = set(AuditEvent.objects.values_list("type", flat=True))
    assert told == {"alert-channel.switched-off", "alert-channel.switched-on", "alert-channel.deleted"}


def test_a_channel_with_history_can_be_deleted(operator: Client, redis_server: str) -> None:
    from datetime import timedelta

    from apps.alerts.services.watching import look
    from apps.workspaces.config import AlertsConfig

    ops = channel()
    flagged()
    for moment in (NOW, NOW + timedelta(minutes=2)):
        look(config=AlertsConfig(), now=moment)
    assert AlertDelivery.objects.exists()
    operator.post(f"/alerts/{ops.pk}/delete")
    assert not AlertCause.objects.exists()
    assert not AlertDelivery.objects.exists()


def test_a_test_is_queued_and_its_fate_shows(operator: Client) -> None:
    ops = channel()
    answer = operator.post(f"/alerts/{ops.pk}/test", headers=HTMX).content.decode()
    assert "A test of ops is on its way" in answer
    assert "test: waiting for a worker" in answer
    assert "<html" not in answer
    again = operator.post(f"/alerts/{ops.pk}/test", follow=True).content.decode()
    assert "on its way already" in again
    assert AuditEvent.objects.get().type == "alert-channel.tested"
    AlertDelivery.objects.update(state="sent", sent_at=NOW)
    assert "test sent" in page(operator)


@pytest.mark.parametrize(
    ("values", "said", "button"),
    [
        ({"state": "waiting"}, "waiting for a worker", False),
        ({"state": "waiting", "attempts": 2, "error": "Refused."}, "Tried 2 times of 6.", False),
        ({"state": "sending", "claimed_at": before(seconds=8)}, "since 8 s ago", False),
        ({"state": "sent", "sent_at": before(minutes=3), "attempts": 1}, "✓ sent", False),
        ({"state": "failed", "error": "Refused.", "error_id": "3f9c21ab77d0", "attempts": 6}, "3f9c21ab77d0", True),
        ({"state": "unsure", "error": "No answer came.", "attempts": 1}, "It is not sent again by itself.", True),
    ],
)
def test_each_state_of_a_message_is_shown(operator: Client, values: dict[str, Any], said: str, button: bool) -> None:
    one = delivery(channel(), **values)
    text = page(operator)
    assert said in text
    assert (f'id="again-{one.pk}"' in text) is button


def test_sending_again_is_a_persons_act(operator: Client) -> None:
    one = delivery(channel(), state="unsure", error="No answer came.", attempts=1)
    assert "is sent again" in operator.post(f"/alerts/messages/{one.pk}/again", follow=True).content.decode()
    assert "on its way" in operator.post(f"/alerts/messages/{one.pk}/again", follow=True).content.decode()
    assert AuditEvent.objects.get().type == "alert.sent-again"


def test_another_secret_key_is_said_on_the_screen(operator: Client, settings: Any) -> None:
    channel()
    assert "Enter it anew" not in page(operator)
    ops = AlertChannel.objects.get()
    ops.sealed = ops.sealed[:-8] + "AAAAAAA="
    ops.save()
    text = page(operator)
    assert "SECRET_KEY changed" in text
    assert f'href="/alerts/{ops.pk}/edit">Enter it anew' in text


def test_hostile_names_are_text(operator: Client) -> None:
    delivery(channel("<img src=x>"), subject="<script>alert(1)</script>", state="failed", error="<b>no</b>")
    text = page(operator)
    for hostile in ("<img src=x>", "<script>alert", "<b>no"):
        assert hostile not in text


@pytest.mark.parametrize(
    ("address", "hint"),
    [
        ("json://mia:pw@hooks.example.org/token", "JSON (json://hooks.example.org)"),
        ("mailtos://mia:pw@mail.example.org?to=a@example.org", "JSON (mailtos://mail.example.org)"),
        ("slack://T1JJ3T3L2/A1BRTD4JD/TIiajkdnlazkcOXrIdevi7FQ", "JSON (slack://…)"),
        ("ntfy://a-secret-topic", "JSON (ntfy://…)"),
        ("json://[secret/token", "JSON (json://…)"),
    ],
)
def test_a_hint_shows_no_token(address: str, hint: str) -> None:
    assert hint_of(address, "JSON") == hint


def test_the_secret_comes_out_of_nothing(
    operator: Client, caplog: pytest.LogCaptureFixture, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Make, break, test and change a channel, then search every answer, log line and row for its address."""
    caplog.set_level(logging.DEBUG)
    answers = [post(operator), post(operator), post(operator, digest_minutes="never")]
    ops = AlertChannel.objects.get()
    answers += [operator.get(f"/alerts/{ops.pk}/{act}") for act in ("edit", "delete")]
    answers += [operator.post(f"/alerts/{ops.pk}/test"), operator.get("/alerts")]
    from apps.alerts.services.delivering import deliver
    from apps.core.clock import utcnow

    def broken(self: MemorySender, address: str, subject: str, body: str) -> None:
        raise ValueError(f"could not send to {address}")

    monkeypatch.setattr(MemorySender, "send", broken)
    assert deliver(delivery_pk=AlertDelivery.objects.get().pk, sender=SENDER, clock=utcnow) == "unsure"
    answers += [operator.get("/alerts"), post(operator, f"/alerts/{ops.pk}/edit"), operator.get("/alerts")]
    answers += [operator.post(f"/alerts/{ops.pk}/edit", {**FORM, "name": ""})]
    for answer in answers:
        assert SECRET not in answer.content.decode() + str(answer.headers)
    assert SECRET not in caplog.text
    assert SECRET not in json.dumps(list(AuditEvent.objects.values("type", "subject", "actor", "detail")))
    assert SECRET not in _everything_stored()


def _everything_stored() -> str:
    """Return every value of every table as text."""
    told = []
    with connection.cursor() as cursor:
        for table in connection.introspection.table_names(cursor):
            cursor.execute(f'SELECT * FROM "{table}"')
            told.append(repr(cursor.fetchall()))
    return "\n".join(told)


def test_the_screen_costs_a_fixed_number_of_queries(operator: Client, django_assert_num_queries: Any) -> None:
    for number in range(12):
        ops = channel(f"c{number}")
        for _ in range(3):
            delivery(ops, state="sent", sent_at=NOW)
    operator.get("/alerts")
    with django_assert_num_queries(15):
        operator.get("/alerts")
