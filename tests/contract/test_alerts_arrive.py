"""From an open flag to a real webhook: once for each cause, as plain text; and from a real worker that is killed."""

from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timedelta

import pytest

from apps.alerts.adapters.apprise import AppriseSender
from apps.alerts.selectors import due_deliveries
from apps.alerts.services.delivering import deliver
from apps.alerts.services.watching import look
from apps.flags.models import Flag
from apps.workspaces.config import AlertsConfig
from tests.contract.test_workers_that_die import Machine
from tests.factories.alerts import channel, flagged
from tests.factories.moments import NOW
from tests.factories.rows import SweepFactory
from tests.services.alert_targets import SECRET, Target, running_webhook, wait_for
from tests.services.sandbox import running_sandbox

pytestmark = pytest.mark.starts_first

MAKE = """
from apps.alerts.models import AlertChannel
from apps.alerts.sealing import seal
from apps.alerts.services.channels import ask_for_test
from apps.core.clock import utcnow
now, sealed = utcnow(), seal({address!r})
channel = AlertChannel.objects.create(name="ops", sealed=sealed, hint="JSON", made_by="mia", made_at=now)
ask_for_test(channel=channel, actor="mia", now=now)
"""


@pytest.fixture
def webhook() -> Iterator[Target]:
    with running_webhook() as target:
        yield target


def work(now: datetime) -> None:
    """What beat and the workers do."""
    look(config=AlertsConfig(), now=now)
    for pk in due_deliveries(now):
        deliver(delivery_pk=pk, sender=AppriseSender(), clock=lambda: now)


@pytest.mark.django_db
def test_a_dead_node_is_told_once_and_so_is_its_return_in_plain_text(webhook: Target, redis_server: str) -> None:
    channel(address=webhook.address)
    webhook.behaviour = ["refuse"]
    for _ in range(14):
        flagged(
            evidence="<!here> @channel <b>look</b> at [this](https://evil.invalid)", sweep=SweepFactory(name="<@U1>")
        )
    for minutes in range(30):
        work(NOW + timedelta(minutes=minutes))
    ((subject, body),) = webhook.received
    assert subject == "✖ critical: zombie, 14 runs on node g07"
    for markup in ("<!", "@channel", "<b>", "<@", "]("):
        assert markup not in subject + body
    assert webhook.attempts == 2
    Flag.objects.update(cleared_at=NOW)
    for minutes in range(30, 50, 2):
        work(NOW + timedelta(minutes=minutes))
    assert [subject for subject, _ in webhook.received][1:] == ["✓ resolved: zombie, 14 runs on node g07"]


@pytest.mark.timeout(240)
def test_a_worker_that_is_killed_in_mid_send_leaves_one_message_and_says_so(
    webhook: Target, tmp_path_factory: pytest.TempPathFactory
) -> None:
    webhook.behaviour = ["slow"]
    folder = tmp_path_factory.mktemp("alerts")
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox(tmp_path_factory.mktemp("wandb")))
        machine = Machine(folder, sandbox, stack)
        board = machine.board
        board.manage("shell", "-c", MAKE.format(address=webhook.address))
        wait_for(webhook, 1)
        machine.kill_worker()
        machine.restart_redis()
        assert machine.rows("SELECT state FROM alerts_alertdelivery") == [("sending",)]
        machine.rows("UPDATE alerts_alertdelivery SET claimed_at = '2026-01-01 00:00:00'")  # as if it were long ago
        board.wait_for(
            lambda: machine.rows("SELECT state FROM alerts_alertdelivery") == [("unsure",)], 90, "it should be unsure"
        )
        said = board.said
    assert webhook.attempts == 1
    assert SECRET not in said
    assert "alerts.unsure" in said
