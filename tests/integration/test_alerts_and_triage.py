"""What people do with flags, and what alerts make of it: nothing misleads, and what grows worse is heard."""

from datetime import datetime

import pytest

from apps.alerts.models import AlertDelivery
from apps.flags import services
from apps.flags.domain import Finding, Severity
from apps.flags.models import Flag
from apps.flags.services import Subject
from apps.flags.triage import Act, Wish, triage
from tests.factories.alerts import channel, flagged
from tests.factories.moments import NOW
from tests.integration.test_alerts_watching import SETTLED, after, clear, look_at

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]


def dismiss(flag: Flag, at: datetime, why: str = "the node is being mended") -> None:
    triage(flags=[flag.pk], wish=Wish(Act.DISMISS, "mira", why), now=at)


def test_a_cause_that_was_cleared_by_hand_is_not_told_as_mended() -> None:
    ops, flag = channel(), flagged()
    look_at(NOW), look_at(SETTLED)
    dismiss(flag, after(minutes=5))
    look_at(after(minutes=5))
    assert look_at(after(minutes=7)) == ["✓ cleared by hand: zombie, 1 run on node g07"]
    body = AlertDelivery.objects.filter(channel=ops).latest("pk").body
    assert "- Cleared by hand by mira: the node is being mended" in body
    assert "/flags?show=cleared&rule=zombie&" in body
    clear(flag, at=after(minutes=9))
    assert [look_at(after(minutes=n)) for n in (9, 11)] == [[], []]  # its real end is no news any more


def test_what_was_cleared_by_hand_long_ago_says_nothing_of_an_end_of_today() -> None:
    channel()
    dismiss(flagged(), NOW)
    flag = flagged()
    look_at(after(minutes=5)), look_at(after(minutes=7))
    clear(flag, at=after(minutes=8))
    look_at(after(minutes=8))
    assert look_at(after(minutes=10)) == ["✓ resolved: zombie, 1 run on node g07"]


def test_what_was_cleared_by_hand_and_is_put_back_is_told_anew() -> None:
    channel()
    flag = flagged()
    look_at(NOW), look_at(SETTLED)
    dismiss(flag, after(minutes=5))
    look_at(after(minutes=5)), look_at(after(minutes=7))
    triage(flags=[flag.pk], wish=Wish(Act.PUT_BACK, "noor"), now=after(minutes=8))
    look_at(after(minutes=8))
    assert look_at(after(minutes=10)) == ["✖ critical: zombie, 1 run on node g07"]


def test_a_severity_that_rises_after_somebody_took_note_is_told() -> None:
    channel()
    flag = flagged(severity="warning")
    look_at(NOW), look_at(SETTLED)
    triage(flags=[flag.pk], wish=Wish(Act.ACKNOWLEDGE, "mira"), now=after(minutes=2))
    flag.refresh_from_db()
    facts = Subject(flag.sweep_id, flag.run_id)
    services._update(flag, facts, Finding("It went on.", "look", Severity.CRITICAL))
    look_at(after(minutes=3))
    assert look_at(after(minutes=5)) == ["✖ critical (was warning): zombie, 1 run on node g07"]


def test_a_flag_that_comes_back_within_its_snooze_wakes_nobody_until_that_is_over() -> None:
    channel()
    flag = flagged()
    look_at(NOW), look_at(SETTLED)
    clear(flag, at=after(minutes=5))
    look_at(after(minutes=5)), look_at(after(minutes=7))
    flagged(sweep=flag.sweep, snoozed_until=after(hours=4), snoozed_by="mira")
    assert [look_at(after(hours=n)) for n in (1, 2)] == [[], []]
    look_at(after(hours=5))
    assert look_at(after(hours=5, minutes=2)) == ["✖ critical: zombie, 1 run on node g07"]
