"""ISO weeks in time zones: the year's edge, clocks that are changed, and texts that name no week."""

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.review.domain.weeks import NoSuchWeek, Week, parse_week, week_at, week_of_day

BERLIN, NEW_YORK, KIRITIMATI = "Europe/Berlin", "America/New_York", "Pacific/Kiritimati"


def at(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)  # type: ignore[misc, arg-type]  # year, month, day and more


def test_a_week_begins_on_monday_at_midnight_of_its_zone() -> None:
    week = parse_week("2026-W47", BERLIN)
    assert (week.start, week.end) == (at(2026, 11, 15, 23), at(2026, 11, 22, 23))
    assert week.hours == 168
    assert week.days == "16 to 22 November 2026"


@pytest.mark.parametrize(
    ("text", "zone", "hours"),
    [
        ("2026-W13", BERLIN, 167),  # clocks go forward on 29 March
        ("2026-W43", BERLIN, 169),  # and back on 25 October
        ("2026-W10", NEW_YORK, 167),
        ("2026-W44", NEW_YORK, 169),
        ("2026-W13", "UTC", 168),
        ("2011-W52", "Pacific/Apia", 144),  # Samoa left out a Friday
    ],
)
def test_a_week_in_which_clocks_are_changed_is_longer_or_shorter(text: str, zone: str, hours: int) -> None:
    week = parse_week(text, zone)
    assert week.hours == hours
    assert week.end == week.following.start
    assert week.start == week.previous.end


@pytest.mark.parametrize(
    ("day", "week"),
    [
        (date(2027, 1, 3), "2026-W53"),
        (date(2021, 1, 3), "2020-W53"),
        (date(2024, 12, 30), "2025-W01"),  # it begins in December
        (date(2026, 1, 1), "2026-W01"),
        (date(2027, 1, 4), "2027-W01"),
        (date(2023, 1, 1), "2022-W52"),
    ],
)
def test_a_day_at_the_years_edge_belongs_to_the_week_of_its_thursday(day: date, week: str) -> None:
    assert str(week_of_day(day)) == week


def test_weeks_follow_each_other_over_the_years_edge() -> None:
    last = parse_week("2026-W53")
    assert (str(last.previous), str(last.following)) == ("2026-W52", "2027-W01")
    assert last.days == "28 December 2026 to 3 January 2027"
    assert str(parse_week("2025-W01").previous) == "2024-W52"
    assert parse_week("2025-W01").monday == date(2024, 12, 30)


def test_which_week_runs_depends_on_the_zone() -> None:
    moment = at(2026, 11, 22, 23, 30)
    assert str(week_at(moment, "UTC")) == "2026-W47"
    assert str(week_at(moment, BERLIN)) == "2026-W48"
    assert str(week_at(at(2027, 1, 3, 11), KIRITIMATI)) == "2027-W01"


def test_a_week_that_runs_is_told_until_now() -> None:
    week = parse_week("2026-W47")
    assert week.until(week.start + timedelta(days=2)) == week.start + timedelta(days=2)
    assert week.until(week.end + timedelta(days=2)) == week.end
    assert week.until(week.start - timedelta(days=2)) == week.start
    assert week.running(week.end - timedelta(seconds=1))
    assert not week.running(week.end)
    assert not week.holds(week.end)
    assert week.holds(week.start)
    assert not week.holds(None)


@pytest.mark.parametrize("text", ["", "2026", "2026-47", "2026-W7", "W47", "2026-W47x", "٢٠٢٦-W47", "../2026-W47"])
def test_a_text_that_is_no_week_is_refused_with_a_sentence(text: str) -> None:
    with pytest.raises(NoSuchWeek, match="is no week"):
        parse_week(text)


@pytest.mark.parametrize("text", ["2026-W54", "2026-W00", "2025-W53", "9999-W52", "0000-W01"])
def test_a_week_that_the_year_does_not_have_is_refused(text: str) -> None:
    with pytest.raises(NoSuchWeek, match=r"has no week|none that can be reviewed"):
        parse_week(text)


@given(
    st.integers(0, 90 * 365 * 24 * 60).map(lambda minutes: at(2001, 1, 1) + timedelta(minutes=minutes)),
    st.sampled_from(["UTC", BERLIN, NEW_YORK, "Australia/Lord_Howe", KIRITIMATI, "America/Santiago"]),
)
def test_every_moment_is_in_exactly_one_week_which_is_read_back_from_its_text(moment: datetime, zone: str) -> None:
    week = week_at(moment, zone)
    assert week.holds(moment)
    assert not week.previous.holds(moment)
    assert not week.following.holds(moment)
    assert parse_week(str(week), zone) == week
    assert week.following.previous == week
    assert isinstance(week, Week)
