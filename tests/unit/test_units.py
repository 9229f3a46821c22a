"""Numbers as people read them."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.units import age_mark, ago, count, duration, number, percent, with_ages
from tests.factories.moments import NOW


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (None, "—"),
        (-3, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3900, "1 h 05 min"),
        (86400 * 2 + 4 * 3600, "2 d 4 h"),
        (timedelta(minutes=12), "12 min"),
    ],
)
def test_a_duration_has_two_units_at_most(seconds: float | timedelta | None, said: str) -> None:
    assert duration(seconds) == said


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "just now"), (-30, "just now"), (12, "12 s ago"), (7200, "2 h 00 min ago"), (-300, "in the future (5 min)")],
)
def test_an_age_is_told_and_a_clock_that_runs_ahead_is_named(seconds: int, said: str) -> None:
    assert ago(timedelta(seconds=seconds)) == said


def test_a_count_has_its_noun_and_parts_its_thousands() -> None:
    assert count(1, "run") == "1 run"
    assert count(0, "run") == "0 runs"
    assert count(12345, "run") == "12\u202f345 runs"
    assert count(7) == "7"
    assert count(None, "run") == "—"


@pytest.mark.parametrize(
    ("value", "said"), [(None, "—"), (float("nan"), "—"), (99.99, "99 %"), (100.0, "100 %"), (42.3, "42 %")]
)
def test_a_percentage_never_rounds_up_to_done(value: float | None, said: str) -> None:
    assert percent(value) == said


@pytest.mark.parametrize(
    ("value", "said"),
    [(None, "—"), (12.0, "12"), (0.123456, "0.1235"), (1e-7, "1e-07"), (float("nan"), "nan"), (float("inf"), "inf")],
)
def test_a_metric_has_four_digits_and_whole_numbers_stay_whole(value: float | None, said: str) -> None:
    assert number(value) == said


@given(st.floats())
def test_every_number_can_be_printed(value: float) -> None:
    assert number(value)
    assert percent(value)


@given(st.integers(min_value=0, max_value=10**9))
def test_a_longer_time_never_reads_as_seconds_once_it_is_a_minute(seconds: int) -> None:
    assert duration(seconds).endswith(" s") == (seconds < 60)


def test_a_kept_sentence_tells_ages_as_they_are_when_it_is_read() -> None:
    kept = f"The last heartbeat came {age_mark(NOW - timedelta(minutes=47))} (limit 30 min)."
    assert with_ages(kept, NOW) == "The last heartbeat came 47 min ago (limit 30 min)."
    assert with_ages(kept, NOW + timedelta(hours=1)) == "The last heartbeat came 1 h 47 min ago (limit 30 min)."


@pytest.mark.parametrize(
    "text", ["[[age:never]]", "[[age:]]", "[[age:2026-11-23]]", "no mark", "[[age:9999-99-99T00:00:00+00:00]]"]
)
def test_what_only_looks_like_an_age_stays_as_it_is(text: str) -> None:
    assert with_ages(text, NOW) == text
