"""One value for how far a run got: its source, its pace, when it will be done, and who contradicts it."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.flags.domain import Progress, ProgressSource
from apps.flags.progress import Reading, progress_from
from apps.links.domain import JobTime
from tests.factories.moments import NOW, before

LOG, CHECKPOINT, SUMMARY = ProgressSource.LOG, ProgressSource.CHECKPOINT, ProgressSource.SUMMARY
TEN_HOURS = JobTime(seconds=2 * 3600, since=before(hours=8))


def told(*readings: Reading, target: float | None = 40, live: bool = True, time: JobTime = TEN_HOURS) -> Progress:
    return progress_from(readings, target, time, live=live)


def log(epoch: float | None = 10, step: int | None = 400, **values: Any) -> Reading:
    return Reading(LOG, epoch, step, **{"at": NOW, **values})


def test_the_log_is_believed_before_the_checkpoint_and_the_summary() -> None:
    progress = told(log(), Reading(CHECKPOINT, 9, 360), Reading(SUMMARY, 10, 400))
    assert (progress.epoch, progress.step, progress.source, progress.percent) == (10, 400, LOG, 25)
    assert told(Reading(LOG), Reading(CHECKPOINT, 9, 360)).source is CHECKPOINT
    assert told(Reading(LOG), Reading(CHECKPOINT), Reading(SUMMARY, 10)).source is SUMMARY
    assert told(Reading(LOG), Reading(SUMMARY)) == Progress(target_epochs=40)


def test_the_pace_is_over_all_the_time_in_jobs() -> None:
    progress = told(log())
    assert progress.epochs_per_hour == 1.0
    assert progress.done_at == NOW + timedelta(hours=30)
    older = told(log(at=before(hours=3)))
    assert older.epochs_per_hour == pytest.approx(10 / 7)
    assert older.done_at == pytest.approx(before(hours=3) + timedelta(hours=21), abs=timedelta(seconds=1))


@pytest.mark.parametrize(
    ("reading", "time"),
    [(log(epoch=None), TEN_HOURS), (log(epoch=0), TEN_HOURS), (log(at=None), TEN_HOURS), (log(), JobTime(seconds=30))],
)
def test_without_enough_to_go_by_there_is_no_pace(reading: Reading, time: JobTime) -> None:
    assert told(reading, time=time).epochs_per_hour is None
    assert told(reading, time=time).done_at is None


def test_without_a_target_nobody_knows_when_it_is_done() -> None:
    assert told(log(), target=None).done_at is None
    assert told(log(), target=None).percent is None


def test_a_bar_that_counts_to_a_total_has_a_percentage_and_an_end_of_its_own() -> None:
    progress = told(log(None, 250, total_steps=1000, steps_per_second=0.5), target=None)
    assert (progress.percent, progress.done_at) == (25, NOW + timedelta(seconds=1500))


def test_a_run_that_never_gets_there_has_a_time_all_the_same() -> None:
    slow = told(log(epoch=1e-9), target=1e12)
    assert slow.done_at is not None
    assert slow.done_at <= NOW + timedelta(days=366)


@pytest.mark.parametrize(
    ("others", "live", "said"),
    [
        ([Reading(SUMMARY, 40)], True, "The log says epoch 10, the summary says epoch 40."),
        ([Reading(CHECKPOINT, 30), Reading(SUMMARY, 40)], True,
         "The log says epoch 10, the checkpoint says epoch 30 and the summary says epoch 40."),
        ([Reading(SUMMARY, 3)], False, "The log says epoch 10, the summary says epoch 3."),
        ([Reading(SUMMARY, 3)], True, ""),
        ([Reading(CHECKPOINT, 5)], False, ""),
        ([Reading(SUMMARY, 11)], True, ""),
        ([Reading(SUMMARY, None, 9000)], True, ""),
        ([], True, ""),
    ],
)  # fmt: skip
def test_sources_that_contradict_the_trusted_one_are_named(others: list[Reading], live: bool, said: str) -> None:
    assert told(log(), *others, live=live).disagreement == said


@given(st.floats(0, 500), st.floats(0, 500), st.booleans(), st.one_of(st.none(), st.floats(1, 500)))
def test_sources_that_are_close_never_contradict(first: float, second: float, live: bool, target: float | None) -> None:
    said = told(log(epoch=first), Reading(SUMMARY, second), target=target, live=live).disagreement
    if abs(first - second) <= 1:
        assert said == ""


@given(st.floats(0, 1e6), st.one_of(st.none(), st.floats(0.1, 1e6)), st.floats(0, 1e7))
def test_whatever_is_told_percent_and_end_are_possible(epoch: float, target: float | None, seconds: float) -> None:
    progress = told(log(epoch=epoch), target=target, time=JobTime(seconds))
    assert progress.percent is None or 0 <= progress.percent <= 100
    assert progress.done_at is None or NOW <= progress.done_at <= NOW + timedelta(days=366)
