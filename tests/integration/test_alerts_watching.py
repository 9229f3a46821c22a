"""From open flags to messages: one for each cause, once for each change, whoever dies on the way."""

import threading
from contextlib import suppress
from datetime import datetime, time, timedelta
from typing import Any

import pytest
from django.db import connection, transaction

from apps.alerts.models import AlertCause, AlertChange, AlertChannel, AlertDelivery
from apps.alerts.services import watching
from apps.alerts.services.channels import switch_channel
from apps.alerts.services.watching import adopt, look, make_message, note_changes
from apps.core.locks import Busy, lease
from apps.flags.models import Flag
from apps.flags.selectors import open_flags
from apps.workspaces.config import AlertsConfig
from tests.factories.alerts import channel, flagged
from tests.factories.moments import NOW
from tests.factories.rows import WorkspaceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("redis_server")]
CONFIG = AlertsConfig()
SETTLED = NOW + timedelta(seconds=61)


def after(**duration: float) -> datetime:
    return NOW + timedelta(**duration)


def look_at(now: datetime) -> list[str]:
    """Look once and return the subjects of the messages that this made; they count as sent."""
    known = set(AlertDelivery.objects.values_list("pk", flat=True))
    look(config=CONFIG, now=now)
    made = list(AlertDelivery.objects.exclude(pk__in=known).order_by("pk"))
    AlertDelivery.objects.filter(state="waiting").update(state="sent", sent_at=now)
    return [one.subject for one in made]


def clear(*flags: Flag, at: datetime = NOW) -> None:
    Flag.objects.filter(pk__in=[one.pk for one in flags]).update(cleared_at=at)


def test_fourteen_runs_of_a_dead_node_are_one_message_and_further_ones_are_none() -> None:
    ops = channel()
    for _ in range(9):
        flagged()
    assert look_at(NOW) == []
    for _ in range(5):
        flagged()  # seen a little later, and still in the one message
    assert look_at(SETTLED) == ["✖ critical: zombie, 14 runs on node g07"]
    flagged()
    assert look_at(after(minutes=5)) == []
    body = AlertDelivery.objects.get(channel=ops).body
    assert body.count("W&B says running") == 3
    assert "http://127.0.0.1:8000/flags?rule=zombie&crash=node-failure&node=g07" in body
    assert "Next: mark the run crashed in W&B" in body


def test_a_rise_of_severity_is_one_message_and_a_fall_is_none() -> None:
    channel()
    flagged(severity="warning")
    look_at(NOW)
    look_at(SETTLED)
    Flag.objects.update(severity="critical")
    assert look_at(after(minutes=5)) == []
    assert look_at(after(minutes=7)) == ["✖ critical (was warning): zombie, 1 run on node g07"]
    Flag.objects.update(severity="warning")
    assert look_at(after(minutes=9)) == []
    Flag.objects.update(severity="critical")
    assert look_at(after(minutes=11)) == []
    assert look_at(after(minutes=13)) == []


def test_what_is_over_before_it_was_told_makes_no_message_at_all() -> None:
    channel()
    flag = flagged()
    look_at(NOW)
    clear(flag)
    assert look_at(after(seconds=30)) == []
    assert look_at(after(minutes=5)) == []
    assert AlertCause.objects.get().resolved_at == after(seconds=30)


def test_only_what_was_told_is_told_to_be_over_once() -> None:
    channel()
    channel("quiet", tell_resolved=False)
    flag, other = flagged(), flagged()
    look_at(NOW)
    assert len(look_at(SETTLED)) == 2
    clear(flag)
    assert look_at(after(minutes=3)) == []
    clear(other)
    look_at(after(minutes=4))
    assert look_at(after(minutes=6)) == ["✓ resolved: zombie, 2 runs on node g07"]
    assert look_at(after(minutes=8)) == []


def test_a_cause_that_comes_back_before_its_end_was_told_makes_no_message() -> None:
    channel()
    flag = flagged()
    look_at(NOW)
    look_at(SETTLED)
    clear(flag)
    look_at(after(minutes=5))
    flagged()
    assert look_at(after(minutes=5, seconds=30)) == []
    assert look_at(after(minutes=9)) == []
    assert AlertCause.objects.get().resolved_at is None


def test_a_cause_that_comes_back_later_is_told_anew() -> None:
    channel()
    clear_me = flagged()
    look_at(NOW)
    look_at(SETTLED)
    clear(clear_me)
    look_at(after(minutes=5))
    look_at(after(minutes=7))
    flagged()
    look_at(after(minutes=20))
    assert len(look_at(after(minutes=22))) == 1


def test_a_rise_that_nobody_heard_of_is_news_when_the_cause_comes_back() -> None:
    channel()
    flag = flagged(severity="warning")
    look_at(NOW)
    look_at(SETTLED)
    Flag.objects.update(severity="critical")
    look_at(after(minutes=5))
    clear(flag)
    look_at(after(minutes=5, seconds=20))
    Flag.objects.update(cleared_at=None)
    look_at(after(minutes=5, seconds=40))
    look_at(after(minutes=6))
    assert look_at(after(minutes=8)) == ["✖ critical (was warning): zombie, 1 run on node g07"]


def test_a_new_channel_knows_what_is_open_and_makes_no_storm() -> None:
    flag = flagged()
    ops = channel()
    adopt(channel=ops, flags=open_flags(), now=NOW)
    assert look_at(NOW) + look_at(SETTLED) == []
    clear(flag)
    assert look_at(after(minutes=5)) + look_at(after(minutes=7)) == []


def test_a_channel_that_is_off_collects_nothing_and_on_again_knows_what_is_open() -> None:
    ops = channel()
    flagged()
    look_at(NOW)
    switch_channel(channel=ops, on=False, actor="mia", now=NOW)
    flagged(node="g08")
    assert look_at(after(minutes=5)) == []
    switch_channel(channel=ops, on=True, actor="mia", now=after(minutes=6))
    assert look_at(after(minutes=6)) + look_at(after(minutes=9)) == []
    flagged(node="g09")
    look_at(after(minutes=10))
    assert look_at(after(minutes=12)) == ["✖ critical: zombie, 1 run on node g09"]


def test_each_channel_hears_of_its_own_workspace_and_severity() -> None:
    glue, speech = WorkspaceFactory(name="glue"), WorkspaceFactory(name="speech")
    channel("all")
    channel("glue", workspace="glue")
    channel("worst", least="critical")
    flagged(workspace=glue, severity="warning", node="g01")
    flagged(workspace=speech, severity="critical", node="g02")
    flagged(workspace=speech, severity="note", node="g03")
    look_at(NOW)
    look_at(SETTLED)
    told = {one.channel.name: one.body for one in AlertDelivery.objects.select_related("channel")}
    assert {name: [node for node in ("g01", "g02", "g03") if node in body] for name, body in told.items()} == {
        "all": ["g01", "g02"],
        "glue": ["g01"],
        "worst": ["g02"],
    }
    assert "workspace=glue" in told["glue"]


def test_quiet_hours_hold_back_and_then_tell_what_is_still_open() -> None:
    channel(quiet_from=time(11), quiet_to=time(14), critical_breaks_quiet=True)
    gone, stays = flagged(severity="warning", node="g01"), flagged(severity="warning", node="g02")
    flagged(severity="critical", node="g03")
    look_at(NOW)
    assert look_at(SETTLED) == ["✖ critical: zombie, 1 run on node g03"]
    clear(gone)
    assert look_at(after(hours=1)) == []
    assert look_at(after(hours=2, minutes=1)) == ["▲ warning: zombie, 1 run on node g02"]
    assert stays.cleared_at is None


def test_a_digest_is_one_message_for_all_that_it_collected() -> None:
    channel(digest_minutes=30)
    flagged(node="g01")
    look_at(NOW)
    flagged(node="g02")
    assert look_at(after(minutes=20)) == []
    assert look_at(after(minutes=31)) == ["✖ Sweepboard: 2 critical"]


def test_the_end_of_a_cause_waits_for_its_message_and_is_not_told_when_that_was_given_up() -> None:
    channel()
    flag = flagged()
    look_at(NOW)
    look(config=CONFIG, now=SETTLED)
    clear(flag)
    assert look(config=CONFIG, now=after(minutes=5)) is None
    look(config=CONFIG, now=after(minutes=7))
    assert AlertDelivery.objects.count() == 1
    AlertDelivery.objects.update(state="failed")
    look(config=CONFIG, now=after(minutes=9))
    assert AlertDelivery.objects.count() == 1
    assert AlertChange.objects.get(kind="resolved").dropped


def test_what_nobody_wants_to_hear_of_now_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    channel()
    flagged()
    look_at(NOW)
    monkeypatch.setattr("apps.alerts.domain.calls_for_alert", lambda flag, now: now > after(hours=1))
    assert look_at(SETTLED) == []
    assert look_at(after(hours=2)) == ["✖ critical: zombie, 1 run on node g07"]


def test_a_list_that_was_cut_off_tells_no_end(monkeypatch: pytest.MonkeyPatch) -> None:
    channel()
    flag = flagged()
    flagged(node="g08")
    look_at(NOW)
    look_at(SETTLED)
    clear(flag)
    monkeypatch.setattr(watching, "MOST_SHOWN", 1)
    assert look_at(after(minutes=5)) + look_at(after(minutes=7)) == []


class Killed(BaseException):
    """As a worker is."""


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("fatal", range(8))
def test_a_look_that_is_killed_at_any_write_loses_and_doubles_nothing(
    fatal: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Kill the first look, and the one that makes the message, at every write in turn; the next looks make it good."""
    channel()
    for node in ("g01", "g02"):
        flagged(node=node)
    for moment in (NOW, SETTLED):
        with monkeypatch.context() as patched:
            _die_at(patched, fatal)
            with suppress(Killed):  # or killed just after the last write
                look(config=CONFIG, now=moment)
    said = look_at(after(minutes=3)) + look_at(after(minutes=5)) + look_at(after(minutes=7))
    told = AlertChange.objects.filter(kind="opened").exclude(delivery=None)
    assert told.count() == 2
    assert AlertDelivery.objects.count() == 1
    assert AlertCause.objects.count() == 2
    assert len(said) <= 1


def _die_at(patched: pytest.MonkeyPatch, number: int) -> None:
    """Raise at the write with this number, before it happens."""
    from django.db.models.query import QuerySet

    writes = 0

    def counted(original: Any) -> Any:
        def write(self: Any, *args: Any, **kwargs: Any) -> Any:
            nonlocal writes
            if self.model in (AlertCause, AlertChange, AlertDelivery):
                writes += 1
                if writes > number:
                    raise Killed
            return original(self, *args, **kwargs)

        return write

    patched.setattr(QuerySet, "create", counted(QuerySet.create))
    patched.setattr(QuerySet, "update", counted(QuerySet.update))


@pytest.mark.django_db(transaction=True)
def test_a_worker_that_dies_between_noting_and_making_the_message_is_made_good() -> None:
    ops = channel()
    flagged()
    note_changes(channel_pk=ops.pk, flags=open_flags(), config=CONFIG, now=NOW)
    assert note_changes(channel_pk=ops.pk, flags=open_flags(), config=CONFIG, now=NOW) == 0
    first = make_message(channel_pk=ops.pk, flags=open_flags(), config=CONFIG, now=SETTLED)
    assert first is not None
    assert make_message(channel_pk=ops.pk, flags=open_flags(), config=CONFIG, now=SETTLED) is None


def test_a_message_that_is_rolled_back_takes_its_changes_with_it() -> None:
    ops = channel()
    flagged()
    look_at(NOW)
    with suppress(ZeroDivisionError), transaction.atomic():
        assert make_message(channel_pk=ops.pk, flags=open_flags(), config=CONFIG, now=SETTLED)
        raise ZeroDivisionError
    assert not AlertDelivery.objects.exists()
    assert AlertChange.objects.get().delivery is None
    assert len(look_at(SETTLED)) == 1


def test_two_looks_never_overlap() -> None:
    channel()
    with lease("alerts", seconds=30), pytest.raises(Busy):
        look(config=CONFIG, now=NOW)


def test_a_channel_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    broken, whole = channel("broken"), channel("whole")
    flagged()
    real = watching.note_changes

    def fail(*, channel_pk: int, **values: Any) -> int:
        if channel_pk == broken.pk:
            raise ZeroDivisionError
        return real(channel_pk=channel_pk, **values)

    monkeypatch.setattr(watching, "note_changes", fail)
    look(config=CONFIG, now=NOW)
    assert list(AlertCause.objects.values_list("channel", flat=True)) == [whole.pk]


def test_without_channels_no_flag_is_read(django_assert_num_queries: Any) -> None:
    flagged()
    with django_assert_num_queries(1):
        look(config=CONFIG, now=NOW)
    assert not AlertChannel.objects.exists()


def test_a_look_at_which_nothing_happened_costs_the_same_for_any_number_of_flags(
    django_assert_max_num_queries: Any,
) -> None:
    channel()
    for number in range(20):
        flagged(node=f"g{number}")
    look_at(NOW)
    look_at(SETTLED)
    with django_assert_max_num_queries(14):
        look(config=CONFIG, now=after(minutes=5))
    assert AlertChange.objects.count() == 20


@pytest.mark.django_db(transaction=True)
def test_two_looks_without_a_lock_between_them_tell_once() -> None:
    """As when a lease ran out under a look that hung: the channel's row keeps the two apart."""
    ops = channel()
    flagged()
    flags, start, failures = open_flags(), threading.Barrier(6), []

    def work() -> None:
        start.wait()
        try:
            for moment in (NOW, SETTLED):
                note_changes(channel_pk=ops.pk, flags=flags, config=CONFIG, now=moment)
                make_message(channel_pk=ops.pk, flags=flags, config=CONFIG, now=moment)
        except Exception as error:
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work) for _ in range(6)]
    for one in workers:
        one.start()
    for one in workers:
        one.join()
    assert failures == []
    assert (AlertCause.objects.count(), AlertChange.objects.count(), AlertDelivery.objects.count()) == (1, 1, 1)
