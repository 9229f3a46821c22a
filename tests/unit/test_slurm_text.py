"""Slurm's words, one by one: what each piece of its text means."""

from datetime import UTC, datetime

import pytest

from apps.core.errors import Permanent
from apps.slurm.adapters import slurm_text as text


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ("CANCELLED by 0", "CANCELLED"),
        ("OUT_OF_MEMORY", "OUT_OF_MEMORY"),
        ("OUT_OF_ME+", "OUT_OF_ME"),
        ("SOMETHING_NEW", "SOMETHING_NEW"),
        ("", "UNKNOWN"),
    ],
)
def test_a_state_is_its_first_word(said: str, state: str) -> None:
    assert text.state_name(said) == state


@pytest.mark.parametrize(("said", "pair"), [("9:0", (9, 0)), ("0:9", (0, 9)), ("0:125", (0, 125))])
def test_exit_code_and_signal_are_not_mixed_up(said: str, pair: tuple[int, int]) -> None:
    assert text.exit_pair(said) == pair
    assert text.exit_pair("") == (None, None)


@pytest.mark.parametrize(
    ("said", "seconds"),
    [
        ("1-02:03:04", 93784),
        ("02:03:04", 7384),
        ("3:04", 184),
        ("UNLIMITED", None),
        ("Partition_Limit", None),
    ],
)
def test_a_duration_is_read_in_seconds(said: str, seconds: int | None) -> None:
    assert text.seconds(said) == seconds


@pytest.mark.parametrize(("minutes", "seconds"), [("60", 3600), ("UNLIMITED", None), ("Partition_Limit", None)])
def test_accountings_limit_is_in_minutes(minutes: str, seconds: int | None) -> None:
    assert text.limit_seconds(minutes) == seconds


@pytest.mark.parametrize(
    ("tres", "gpus"),
    [
        ("billing=1,cpu=1,gres/gpu:a100=2,gres/gpu=2,mem=100M,node=1", 2),
        ("cpu=1,gres/gpu:a100=2,gres/gpu:h100=1", 3),
        ("cpu=8,mem=1G,gres/gpumem=4", 0),
        ("", 0),
    ],
)
def test_gpus_are_counted_once(tres: str, gpus: int) -> None:
    assert text.gpu_count(tres) == gpus


def test_a_time_is_aware_and_never_is_none() -> None:
    assert text.moment("1795473398") == datetime(2026, 11, 23, 22, 36, 38, tzinfo=UTC)
    assert [text.moment(word) for word in ("Unknown", "N/A", "None", "0")] == [None] * 4


def test_pending_tasks_of_an_array_are_taken_apart() -> None:
    assert text.each_task("118_[2-3,7%1]") == ["118_2", "118_3", "118_7"]
    assert text.each_task("118_[0-10:5]") == ["118_0", "118_5", "118_10"]
    assert text.each_task("118_4") == ["118_4"]
    with pytest.raises(Permanent):
        text.task_numbers("0-4000000000")
    with pytest.raises(Permanent):
        text.task_numbers("1,...")


@pytest.mark.parametrize("job_id", ["", "1-5", "12_", "12_[1-3]", "--all", "12;rm", "12 13", "٣"])
def test_only_one_job_can_be_named(job_id: str) -> None:
    with pytest.raises(Permanent):
        text.check_job_id(job_id)


def test_a_log_pattern_is_filled_in() -> None:
    letters = text.log_values("118_2", 121, "net", "ada", "g[03-05],h1")
    assert text.log_path("logs/%x_%A_%a.%N.%u.%5j%%", "/w", letters) == "/w/logs/net_118_2.g03.ada.00121%"
    assert text.log_path("/abs/%j.out", "/w", letters) == "/abs/121.out"


def test_a_log_that_needs_an_unknown_number_is_not_known() -> None:
    letters = text.log_values("118_2", None, "net", "ada", "")
    assert text.log_path("%j.out", "/w", letters) == ""
    assert text.log_path("%A_%a.out", "/w", letters) == "/w/118_2.out"


@pytest.mark.parametrize(
    ("said", "size"), [("71561216", 71561216), ("69884K", 69884 << 10), ("1.5M", 3 << 19), ("0", 0), ("", 0), ("?", 0)]
)
def test_a_size_is_read_in_bytes(said: str, size: int) -> None:
    assert text.size(said) == size


@pytest.mark.parametrize("said", ["9" * 30, "253402300800", "²"])
def test_a_number_that_is_no_time_is_none(said: str) -> None:
    assert text.moment(said) is None


@pytest.mark.parametrize(
    ("gres", "gpus"),
    [
        ("gpu:a100:2", {"a100": 2}), ("gpu:2", {"": 2}), ("gpu", {"": 1}), ("(null)", {}), ("nvme:4", {}),
        ("gpu:a100:2(S:0-1),nvme:1", {"a100": 2}), ("mps:100,gpu:4(S:0)", {"": 4}),
        ("gpu:a100-80gb:8(S:0),gpu:a100_1g.5gb:4", {"a100-80gb": 8, "a100_1g.5gb": 4}),
    ],
)  # fmt: skip
def test_the_gpus_of_a_node_are_told_by_type(gres: str, gpus: dict[str, int]) -> None:
    assert text.gpus_of_gres(gres) == gpus
