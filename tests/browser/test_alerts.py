"""The screen of alerts in a real browser: readable, live, by keyboard, in both schemes, and without JavaScript."""

from datetime import time, timedelta
from typing import Any

import pytest
from playwright.sync_api import expect

from apps.alerts.models import AlertCause, AlertChange, AlertChannel, AlertDelivery
from apps.core.clock import utcnow
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.browser.test_board_looks import violations
from tests.factories.alerts import ADDRESS, SECRET, channel

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


def delivery(of: AlertChannel, subject: str, **values: Any) -> AlertDelivery:
    now = utcnow()
    given = {"body": "…", "made_at": now - timedelta(minutes=4), "next_try_at": now + timedelta(minutes=2)}
    return AlertDelivery.objects.create(channel=of, subject=subject, **{**given, **values})


def busy_screen() -> AlertDelivery:
    """Channels and messages in every state; return the message of which nobody knows whether it arrived."""
    seed.workspace("vision")
    ops = channel("#ml-alerts", hint="Slack (slack://…)")
    night = channel(
        "on call",
        hint="Pushover (pover://…)",
        least="critical",
        workspace="vision",
        quiet_from=time(22),
        quiet_to=time(7),
    )
    mail = channel("weekly mail to the whole team", hint="E-Mail (mailtos://mail.example.org)", digest_minutes=720)
    channel("old webhook", hint="JSON (jsons://hooks.example.org)", enabled=False)
    broken = channel("speech", hint="Power Automate / Workflows (for MSTeams) (workflows://…)", tell_resolved=False)
    AlertChannel.objects.filter(pk=broken.pk).update(sealed="sealed under another key")
    now = utcnow()
    several = delivery(mail, "✖ Sweepboard: 2 critical, 1 warning, 1 resolved", state="sent", sent_at=now, attempts=1)
    for number, rule in enumerate(("zombie", "preempted-not-resumed", "idle-gpu", "stale-heartbeat")):
        cause = AlertCause.objects.create(
            channel=mail,
            key=str(number),
            severity="critical",
            rule=rule,
            where=f"node g0{number}",
            query="",
            opened_at=now,
        )
        AlertChange.objects.create(
            cause=cause, kind="opened", severity="critical", at=now, due_at=now, delivery=several
        )
    delivery(ops, "✓ resolved: zombie, 3 runs on node g07", state="sent", sent_at=now, attempts=1)
    delivery(
        night, "✖ critical (was warning): stale-heartbeat, 1 run of sweep vit-base-augment", attempts=2,
        error="The other side could not be reached: no such name, no connection or no valid certificate.",
        error_id="3f9c21ab77d0",
    )  # fmt: skip
    delivery(
        broken, "▲ warning: idle-gpu, 2 runs of sweep wav2vec", state="failed", attempts=1, error_id="77d03f9c21ab",
        error="The address of this channel cannot be read any more, because SECRET_KEY is another one than when it was "
        "saved. Enter the address anew.",
    )  # fmt: skip
    delivery(ops, "Sweepboard: a test", kind="test", next_try_at=now)
    return delivery(
        ops, "✖ critical: preempted-not-resumed, 14 runs on node g07", state="unsure", attempts=1,
        error_id="21ab77d03f9c",
        error="The connection broke or the time was over after the message was sent: no answer came.",
    )  # fmt: skip


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/alerts", "/alerts/new", "/alerts/{pk}/edit", "/alerts/{pk}/delete"])
def test_the_screens_are_accessible_in_both_schemes(visit: Visit, path: str, scheme: str) -> None:
    unsure = busy_screen()
    page = visit(path.format(pk=unsure.channel_id), color_scheme=scheme)
    expect(page.locator("h1")).to_be_visible()
    assert violations(page) == []


@pytest.mark.any_database
@pytest.mark.parametrize("path", ["/alerts", "/alerts/new"])
def test_nothing_but_a_table_scrolls_sideways_on_a_phone(visit: Visit, path: str) -> None:
    busy_screen()
    page = visit(path, viewport={"width": 390, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_a_form_that_is_wrong_is_accessible_and_says_what_is_wrong_beside_the_field(
    visit: Visit, complaints: Complaints
) -> None:
    complaints.expect("422")
    page = visit("/alerts/new")
    page.fill("#id_name", "ops")
    page.fill("#id_quiet_from", "22:00")
    page.click("button.primary")
    expect(page.locator("#id_address_error")).to_contain_text("Fill this in.")
    expect(page.locator("#id_quiet_to_error")).to_contain_text("both times, or neither")
    expect(page.locator("#id_name")).to_have_value("ops")
    assert violations(page) == []


def test_a_channel_is_made_by_keyboard_alone_and_its_address_is_never_shown(visit: Visit) -> None:
    page = visit("/alerts")
    page.locator("a.button", has_text="New channel").first.focus()
    page.keyboard.press("Enter")
    page.locator("#id_name").focus()
    page.keyboard.type("ops")
    page.keyboard.press("Tab")
    page.keyboard.type(ADDRESS)
    page.keyboard.press("Enter")
    expect(page.locator("th", has_text="JSON (json://hooks.example.org)")).to_be_visible()
    assert SECRET not in page.content()
    page.locator("a", has_text="Edit ops").click()
    expect(page.locator("#id_address")).to_have_value("")
    assert SECRET not in page.content()


def test_the_fate_of_a_test_comes_by_itself_and_the_answer_stays_to_be_read(visit: Visit) -> None:
    ops = channel("ops")
    page = visit("/alerts")
    page.locator(f"#test-{ops.pk}").click()
    expect(page.locator("#alerts-said")).to_contain_text("A test of ops is on its way")
    expect(page.locator("table.alerts").first).to_contain_text("waiting for a worker")
    page.locator(f"#edit-{ops.pk}").focus()
    AlertDelivery.objects.update(state="sent", sent_at=utcnow(), attempts=1)
    expect(page.locator("table.alerts").first).to_contain_text("test sent")
    expect(page.locator("#alerts-said")).to_contain_text("A test of ops is on its way")
    expect(page.locator(f"#edit-{ops.pk}")).to_be_focused()


def test_a_message_that_may_have_arrived_is_sent_again_by_one_press(visit: Visit) -> None:
    unsure = busy_screen()
    page = visit("/alerts")
    row = page.locator("tr", has_text="14 runs on node g07")
    expect(row).to_contain_text("may have arrived")
    page.locator(f"#again-{unsure.pk}").click()
    expect(page.locator("#alerts-said")).to_contain_text("is sent again")
    expect(row).to_contain_text("waiting for a worker")


def test_it_all_works_without_javascript(visit: Visit) -> None:
    ops = channel("ops")
    page = visit("/alerts", java_script_enabled=False)
    page.locator(f"#test-{ops.pk}").click()
    expect(page.locator(".notice")).to_contain_text("is on its way")
    page.locator(f"#switch-{ops.pk}").click()
    expect(page.locator(".notice")).to_contain_text("is off")
    page.locator(f"#delete-{ops.pk}").click()
    page.locator("button.danger").click()
    expect(page.locator(".notice")).to_contain_text("is deleted")
    assert not AlertChannel.objects.exists()
