"""When a channel is spoken to: quiet hours, digests, and further tries."""

from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.alerts.timing import LONGEST_WAIT, TRIES, Due, Manners, is_quiet, next_try, ready
from tests.factories.moments import NOW, before

NIGHT = Manners(quiet_from=time(22), quiet_to=time(7), critical_breaks_quiet=True)


def at(hour: int, minute: int = 0) -> datetime:
    return datetime(2026, 11, 23, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    ("hour", "quiet"), [(21, False), (22, True), (23, True), (0, True), (6, True), (7, False), (12, False)]
)
def test_quiet_hours_run_over_midnight(hour: int, quiet: bool) -> None:
    assert is_quiet(NIGHT, at(hour)) is quiet


def test_quiet_hours_within_a_day_and_none_at_all() -> None:
    lunch = Manners(quiet_from=time(12), quiet_to=time(13))
    assert [is_quiet(lunch, at(hour)) for hour in (11, 12, 13)] == [False, True, False]
    assert not is_quiet(Manners(quiet_from=time(12)), at(12))


def test_quiet_hours_are_meant_in_their_own_time_zone() -> None:
    berlin = Manners(quiet_from=time(22), quiet_to=time(7), zone=ZoneInfo("Europe/Berlin"))
    assert [is_quiet(berlin, at(hour)) for hour in (20, 21, 5, 6)] == [False, True, True, False]


def test_quiet_hours_hold_back_all_but_the_critical_where_those_may_break_them() -> None:
    waiting = [Due(1, at(23)), Due(2, at(23), critical=True)]
    assert [one.pk for one in ready(waiting, NIGHT, at(23, 30))] == [2]
    silent = Manners(quiet_from=time(22), quiet_to=time(7))
    assert ready(waiting, silent, at(23, 30)) == []
    assert [one.pk for one in ready(waiting, silent, at(7) + timedelta(days=1))] == [1, 2]


def test_all_that_is_due_goes_out_together_and_what_still_settles_does_not() -> None:
    waiting = [Due(1, before(seconds=5)), Due(2, NOW), Due(3, NOW + timedelta(seconds=1))]
    assert [one.pk for one in ready(waiting, Manners(), NOW)] == [1, 2]
    assert ready([], Manners(), NOW) == []


def test_a_digest_collects_from_the_first_change_on() -> None:
    hourly = Manners(digest=timedelta(hours=1))
    waiting = [Due(1, before(minutes=59)), Due(2, before(minutes=1))]
    assert ready(waiting, hourly, NOW) == []
    assert [one.pk for one in ready(waiting, hourly, NOW + timedelta(minutes=1))] == [1, 2]


def test_the_waits_between_tries_grow_over_hours_and_then_end() -> None:
    waits = []
    for attempts in range(1, TRIES):
        later = next_try(attempts, NOW, chance=0.5)
        assert later is not None
        waits.append((later - NOW).total_seconds())
    assert waits == [30, 120, 480, 1920, 7200]
    assert next_try(TRIES, NOW, chance=0.5) is None


def test_a_service_that_asks_for_a_longer_wait_gets_it_within_reason() -> None:
    assert next_try(1, NOW, chance=0.5, asked=300) == NOW + timedelta(seconds=300)
    assert next_try(1, NOW, chance=0.5, asked=1e9) == NOW + LONGEST_WAIT


@given(st.integers(1, TRIES - 1), st.floats(0, 1))
def test_chance_moves_a_wait_by_a_fifth_at_the_most(attempts: int, chance: float) -> None:
    plain, moved = next_try(attempts, NOW, chance=0.5), next_try(attempts, NOW, chance=chance)
    assert plain is not None
    assert moved is not None
    assert 0.79 <= (moved - NOW) / (plain - NOW) <= 1.21
