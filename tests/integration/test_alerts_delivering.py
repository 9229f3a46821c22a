"""A message is sent by one worker, tried again only when it certainly did not arrive, and never twice by itself."""

import threading
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import connection

from apps.alerts import tasks
from apps.alerts.adapters.memory import MemorySender
from apps.alerts.models import AlertDelivery
from apps.alerts.ports import AlertSender, Unsure
from apps.alerts.selectors import LEASE, due_deliveries
from apps.alerts.services.channels import SWITCHED_OFF, ask_for_test, switch_channel
from apps.alerts.services.delivering import deliver, give_up_on_the_dead, send_again
from apps.alerts.services.thinning import drop_old
from apps.alerts.timing import TRIES
from apps.audit.models import AuditEvent
from apps.core.errors import AlreadyDone, Permanent, SweepboardError, Transient
from tests.factories.alerts import ADDRESS, SECRET, channel, flagged
from tests.factories.moments import NOW

pytestmark = pytest.mark.django_db
LONG = timedelta(hours=12)


@pytest.fixture
def queued(db: None) -> AlertDelivery:
    return ask_for_test(channel=channel(), actor="mia", now=NOW)


def send(delivery: AlertDelivery, sender: AlertSender, now: datetime = NOW) -> str:
    return deliver(delivery_pk=delivery.pk, sender=sender, clock=lambda: now)


def state_of(delivery: AlertDelivery) -> tuple[str, int, str]:
    delivery.refresh_from_db()
    return delivery.state, delivery.attempts, delivery.error


def test_a_message_is_sent_to_the_channels_address(queued: AlertDelivery) -> None:
    sender = MemorySender()
    assert send(queued, sender) == "sent"
    ((address, subject, body),) = sender.sent
    assert (address, subject) == (ADDRESS, "Sweepboard: a test")
    assert "http://127.0.0.1:8000/flags" in body
    assert state_of(queued) == ("sent", 1, "")
    assert queued.sent_at == NOW


def test_a_message_that_is_asked_for_twice_is_sent_once(queued: AlertDelivery) -> None:
    sender = MemorySender()
    assert [send(queued, sender) for _ in range(3)] == ["sent"] * 3
    assert len(sender.sent) == 1


def test_what_certainly_did_not_arrive_is_tried_again_over_hours_and_then_given_up(
    queued: AlertDelivery,
) -> None:
    sender, now, states = MemorySender(*[Transient("Refused.")] * TRIES), NOW, []
    for _ in range(TRIES):
        states.append(send(queued, sender, now))
        assert send(queued, sender, now) == states[-1]  # not before its time
        queued.refresh_from_db()
        now = max(now, queued.next_try_at)
    assert states == ["waiting"] * (TRIES - 1) + ["failed"]
    assert timedelta(hours=2) < now - NOW < timedelta(hours=4)
    assert state_of(queued) == ("failed", TRIES, "Refused.")
    assert queued.error_id
    assert due_deliveries(now + LONG) == []


def test_a_message_that_arrives_at_a_later_try_is_sent(queued: AlertDelivery) -> None:
    sender = MemorySender(Transient("Refused."))
    assert send(queued, sender) == "waiting"
    assert due_deliveries(NOW) == []
    assert due_deliveries(NOW + LONG) == [queued.pk]
    assert send(queued, sender, NOW + LONG) == "sent"
    assert state_of(queued) == ("sent", 2, "")


def test_a_service_that_names_a_wait_is_given_it(queued: AlertDelivery) -> None:
    send(queued, MemorySender(Transient("Slow down.", retry_after=900)))
    assert due_deliveries(NOW + timedelta(seconds=899)) == []
    assert due_deliveries(NOW + timedelta(seconds=900)) == [queued.pk]


@pytest.mark.parametrize(
    ("error", "state"),
    [(Permanent("Refused for good."), "failed"), (Unsure("No answer came."), "unsure")],
)
def test_neither_a_refusal_for_good_nor_an_unsure_end_is_tried_again(
    queued: AlertDelivery, error: SweepboardError, state: str
) -> None:
    sender = MemorySender(error)
    assert send(queued, sender) == state
    assert due_deliveries(NOW + LONG) == []
    assert send(queued, sender, NOW + LONG) == state
    assert sender.sent == []


def test_a_defect_in_mid_send_leaves_it_unsure_and_quotes_nothing(
    queued: AlertDelivery, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(MemorySender):
        def send(self, address: str, subject: str, body: str) -> None:
            raise ZeroDivisionError(address)

    assert send(queued, Broken()) == "unsure"
    _, _, error = state_of(queued)
    assert "ZeroDivisionError" in error
    assert SECRET not in error + caplog.text


def test_a_worker_that_dies_in_mid_send_leaves_it_unsure_and_it_is_not_sent_again(queued: AlertDelivery) -> None:
    class Killed(BaseException):
        pass

    class Dying(MemorySender):
        def send(self, address: str, subject: str, body: str) -> None:
            raise Killed

    with pytest.raises(Killed):
        send(queued, Dying())
    give_up_on_the_dead(NOW + LEASE)
    assert state_of(queued)[0] == "sending"
    sender = MemorySender()
    assert send(queued, sender, NOW + LEASE) == "sending"  # the broker delivers the task again
    give_up_on_the_dead(NOW + LEASE + timedelta(seconds=1))
    state, attempts, error = state_of(queued)
    assert (state, attempts) == ("unsure", 1)
    assert "before the answer came" in error
    assert queued.error_id
    assert send(queued, sender, NOW + LONG) == "unsure"
    assert sender.sent == []


def test_a_worker_that_was_taken_for_dead_and_answers_after_all_knows_better(queued: AlertDelivery) -> None:
    class Slow(MemorySender):
        def send(self, address: str, subject: str, body: str) -> None:
            give_up_on_the_dead(NOW + LONG)

    assert send(queued, Slow()) == "sent"
    assert state_of(queued)[0] == "sent"


def test_a_late_answer_does_not_undo_what_a_person_did_since(queued: AlertDelivery) -> None:
    class Slow(MemorySender):
        def send(self, address: str, subject: str, body: str) -> None:
            give_up_on_the_dead(NOW + LONG)
            queued.refresh_from_db()
            send_again(delivery=queued, actor="mia", now=NOW + LONG)
            raise Unsure("No answer came.")

    assert send(queued, Slow()) == "waiting"
    sender = MemorySender()
    assert send(queued, sender, NOW + LONG) == "sent"
    assert len(sender.sent) == 1


def test_a_person_may_send_again_what_failed_or_may_have_arrived_and_nothing_else(
    queued: AlertDelivery,
) -> None:
    with pytest.raises(AlreadyDone):
        send_again(delivery=queued, actor="mia", now=NOW)
    send(queued, MemorySender(Unsure("No answer came.")))
    queued.refresh_from_db()
    send_again(delivery=queued, actor="mia", now=NOW)
    with pytest.raises(AlreadyDone):
        send_again(delivery=queued, actor="mia", now=NOW)
    sender = MemorySender()
    assert send(queued, sender) == "sent"
    event = AuditEvent.objects.get(type="alert.sent-again")
    assert (event.actor, event.subject, event.detail["state"]) == ("mia", "alert channel ops", "unsure")


def test_another_secret_key_says_to_enter_the_address_anew(queued: AlertDelivery, settings: Any) -> None:
    settings.SECRET_KEY = "another one entirely"
    sender = MemorySender()
    assert send(queued, sender) == "failed"
    assert "Enter the address anew" in state_of(queued)[2]
    assert sender.sent == []


def test_a_channel_that_is_off_sends_tests_only(queued: AlertDelivery) -> None:
    ops = queued.channel
    alert = AlertDelivery.objects.create(channel=ops, subject="s", body="b", made_at=NOW, next_try_at=NOW)
    switch_channel(channel=ops, on=False, actor="mia", now=NOW)
    assert due_deliveries(NOW) == [queued.pk]
    assert state_of(alert)[::2] == ("failed", SWITCHED_OFF)
    with pytest.raises(Permanent, match="Switch it on first"):
        send_again(delivery=alert, actor="mia", now=NOW)
    AlertDelivery.objects.filter(pk=alert.pk).update(state="waiting")  # made while it was switched off
    sender = MemorySender()
    assert send(alert, sender) == "waiting"
    assert send(queued, sender) == "sent"
    assert len(sender.sent) == 1


def test_a_second_test_while_one_is_on_its_way_is_refused(queued: AlertDelivery) -> None:
    with pytest.raises(AlreadyDone, match="on its way"):
        ask_for_test(channel=queued.channel, actor="mia", now=NOW)
    send(queued, MemorySender())
    assert ask_for_test(channel=queued.channel, actor="mia", now=NOW)


@pytest.mark.django_db(transaction=True)
def test_of_ten_workers_at_once_one_sends(queued: AlertDelivery) -> None:
    sender, start, outcomes = MemorySender(), threading.Barrier(10), []

    def work() -> None:
        start.wait()
        try:
            outcomes.append(send(queued, sender))
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(10)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert len(outcomes) == 10
    assert len(sender.sent) == 1
    assert state_of(queued)[:2] == ("sent", 1)


def test_beat_sends_on_what_redis_lost(
    queued: AlertDelivery, redis_server: str, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    settings.CONFIG_FILE = ""
    sent: list[int] = []
    monkeypatch.setattr(tasks.send, "apply_async", lambda kwargs, **options: sent.append(kwargs["delivery_pk"]))
    tasks.watch()
    assert sent == [queued.pk]


def test_a_gone_message_is_gone() -> None:
    assert deliver(delivery_pk=12345, sender=MemorySender(), clock=lambda: NOW) == "gone"


def test_what_is_old_and_over_is_thinned_out_and_what_is_open_stays(redis_server: str) -> None:
    from apps.alerts.models import AlertCause
    from apps.alerts.services.watching import look
    from apps.flags.models import Flag
    from apps.workspaces.config import AlertsConfig

    channel()
    for node in ("g01", "g02"):
        flagged(node=node)
    for moment in (NOW, NOW + timedelta(minutes=2)):
        look(config=AlertsConfig(), now=moment)
    AlertDelivery.objects.update(state="sent")
    Flag.objects.filter(run__status__job__nodes="g01").update(cleared_at=NOW)
    for minutes in (5, 7):
        look(config=AlertsConfig(), now=NOW + timedelta(minutes=minutes))
    AlertDelivery.objects.update(state="sent")
    assert drop_old(before=NOW) == 0
    assert drop_old(before=NOW + LONG) > 0
    assert AlertCause.objects.get().where == "node g02"
    assert AlertDelivery.objects.count() == 1  # it told of both
    look(config=AlertsConfig(), now=NOW + LONG)
    assert AlertDelivery.objects.count() == 1
