"""From the client's objects to our records: one odd run must not break a page."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sweeps.adapters.wandb_records import (
    agent_record,
    job_from_metadata,
    moment,
    page_of,
    plain,
    points,
    run_record,
    sweep_record,
)
from apps.sweeps.ports import RunJob, RunRecord

ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


LINK = "https://wandb.ai/team/glue"


def a_run(**node: Any) -> RunRecord:
    return run_record({"name": "8x2kq0", **node}, LINK)


@pytest.mark.parametrize(
    ("value", "read"),
    [
        ("2026-11-23T23:06:54Z", datetime(2026, 11, 23, 23, 6, 54, tzinfo=UTC)),
        ("2026-11-23T23:06:54", datetime(2026, 11, 23, 23, 6, 54, tzinfo=UTC)),
        ("2026-11-24T00:06:54+01:00", datetime(2026, 11, 23, 23, 6, 54, tzinfo=UTC)),
        (datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=UTC)),  # noqa: DTZ001 - the client gives such ones
        ("yesterday", None),
        ("0001-01-01T00:00:00+14:00", None),
        ("", None),
        (None, None),
        (12, None),
    ],
)
def test_a_time_is_aware_utc_or_none(value: Any, read: datetime | None) -> None:
    assert moment(value) == read


def test_numbers_that_are_none_arrive_as_words() -> None:
    values = {"a": float("nan"), "b": [float("inf"), -float("inf")], "c": "x\x00y"}
    assert plain(values) == {"a": "NaN", "b": ["Infinity", "-Infinity"], "c": "xy"}


HUGE = 10**400


def test_an_integer_that_no_float_holds_arrives_as_text_because_no_database_compares_it() -> None:
    assert plain({"lr": HUGE, "deep": [-HUGE]}) == {"lr": str(HUGE), "deep": [str(-HUGE)]}
    assert plain([2**64, 10**308, True]) == [2**64, 10**308, True]
    assert plain(1 << 20_000) == hex(1 << 20_000), "Python writes no more than 4300 digits"


def test_a_run_or_a_sweep_with_an_integer_beyond_every_float_breaks_no_page() -> None:
    odd = {"_timestamp": HUGE, "_runtime": HUGE, "loss": HUGE}
    run = a_run(summaryMetrics=json.dumps(odd), systemMetrics=json.dumps({"gpu.0.gpu": HUGE}))
    assert (run.summary["loss"], run.gpu_percent) == (str(HUGE), None)
    assert points([[{"_step": 1, "loss": HUGE}, {"_step": 2, "loss": 0.5}]], "loss") == [(2.0, 0.5)]
    assert sweep_record({"name": "s", "config": f"seed: 1{'0' * 5000}"}, LINK).config == {}


def test_half_an_emoji_is_replaced_because_no_database_takes_it() -> None:
    assert plain({"note\ud83d": "cut \ud83d"}) == {"note?": "cut ?"}


@given(ODD)
def test_every_value_becomes_json_that_a_database_takes(value: Any) -> None:
    text = json.dumps(plain(value), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in text
    assert text.encode()


def test_a_sweep_is_read_with_its_yaml() -> None:
    attrs = {
        "displayName": "search",
        "method": "grid",
        "state": "running",
        "config": "method: grid\nmetric: {name: loss, goal: minimize}\n",
        "runCountExpected": 12,
        "createdAt": "2026-11-23T00:00:00Z",
    }
    record = sweep_record({"name": "swp1", **attrs}, LINK)
    assert (record.state, record.method, record.expected_runs) == ("RUNNING", "grid", 12)
    assert record.url == "https://wandb.ai/team/glue/sweeps/swp1"
    assert record.config["metric"] == {"name": "loss", "goal": "minimize"}


@pytest.mark.parametrize("config", ["a: [unclosed", "- a list", None, 12])
def test_a_sweep_with_a_config_that_is_none_keeps_its_id_as_name(config: Any) -> None:
    record = sweep_record({"name": "swp1", "config": config}, LINK)
    assert (record.name, record.config) == ("swp1", {})


def test_a_run_is_read_and_its_wrapped_config_unwrapped() -> None:
    record = a_run(
        name="8x2kq0",
        displayName="calm-sea",
        state="Running",
        sweepName="swp1",
        user={"username": "mia"},
        tags=["a", 1],
        config=json.dumps({"lr": {"value": 0.1, "desc": None}, "_wandb": {"value": {}}, "data": {"path": "x"}}),
        summaryMetrics='{"loss": NaN, "best": {"max": 1}}',
        heartbeatAt="2026-11-23T23:06:54",
    )
    assert (record.state, record.sweep_id, record.user, record.tags) == ("running", "swp1", "mia", ("a", "1"))
    assert record.config == {"lr": 0.1, "data": {"path": "x"}}
    assert record.summary == {"loss": "NaN", "best": {"max": 1}}


@pytest.mark.parametrize("broken", ["{", "[1]", None, 12, b"\xff"])
def test_a_run_with_a_broken_config_or_summary_is_read_without_it(broken: Any) -> None:
    record = a_run(config=broken, summaryMetrics=broken)
    assert (record.run_id, record.config, record.summary) == ("8x2kq0", {}, {})


def test_an_agent_is_read() -> None:
    record = agent_record({"id": "a1", "host": "g01", "state": "running", "totalRuns": 3, "heartbeatAt": None})
    assert (record.agent_id, record.state, record.total_runs, record.heartbeat_at) == ("a1", "RUNNING", 3, None)


@pytest.mark.parametrize(
    ("metadata", "job"),
    [
        ({"host": "g01", "slurm": {"job_id": "4711"}}, RunJob(4711, host="g01")),
        (
            {"slurm": {"job_id": "4713", "array_job_id": "4711", "array_task_id": "2"}},
            RunJob(4713, array_job_id=4711, array_task_id=2),
        ),
        ({"slurm": {"jobid": 5}}, RunJob(5)),
        ({"slurm": {"job_id": "x"}}, None),
        ({"slurm": {"job_id": float("inf")}}, None),
        ({"slurm": {"job_id": "9" * 30}}, None),
        ({"slurm": {}}, None),
        ({"slurm": "no"}, None),
        ({}, None),
    ],
)
def test_the_slurm_job_in_a_runs_metadata_is_read(metadata: dict[str, Any], job: RunJob | None) -> None:
    assert job_from_metadata(metadata) == job


def written_by(version: str, *processes: dict[str, Any]) -> str:
    notes: dict[str, Any] = {"cli_version": version}
    if processes:
        notes["e"] = {f"writer{number}": process for number, process in enumerate(processes)}
    return json.dumps({"lr": {"value": 0.1}, "_wandb": {"value": notes}})


def test_every_process_of_a_resumed_run_tells_its_job_oldest_first() -> None:
    later = {"startedAt": "2026-11-23T12:00:00Z", "host": "g02", "slurm": {"job_id": "4755"}}
    first = {"startedAt": "2026-11-22T12:00:00Z", "host": "g01", "slurm": {"job_id": "4711"}}
    record = a_run(config=written_by("0.31.0", later, first, {"host": "laptop"}, {"slurm": "odd"}))
    assert [(job.raw_id, job.host) for job in record.jobs] == [(4711, "g01"), (4755, "g02")]
    assert record.config == {"lr": 0.1}
    assert not record.ask_metadata


@pytest.mark.parametrize(("version", "asked"), [("0.16.2", True), ("0.20.1", True), ("0.21.0", False), ("odd", False)])
def test_only_runs_of_old_clients_have_their_job_in_a_file(version: str, asked: bool) -> None:
    assert a_run(config=written_by(version)).ask_metadata is asked


def test_a_run_that_nobodys_client_wrote_is_not_asked_for_a_file() -> None:
    assert not a_run(config="{}").ask_metadata


def test_the_gpus_latest_figures_are_averaged() -> None:
    metrics = {"system.gpu.0.gpu": 90, "system.gpu.1.gpu": 100, "system.gpu.0.memoryAllocated": 40, "system.cpu": 3}
    record = a_run(systemMetrics=json.dumps(metrics))
    assert (record.gpu_percent, record.gpu_memory_percent) == (95, 40)
    assert a_run(systemMetrics="{}").gpu_percent is None


def test_a_run_that_trained_before_wandb_heard_of_it_tells_its_own_times() -> None:
    last = datetime(2026, 11, 20, 12, tzinfo=UTC)
    told = {
        "createdAt": "2026-11-23T00:00:00Z",
        "summaryMetrics": json.dumps({"_timestamp": last.timestamp(), "_runtime": 3600}),
    }
    record = a_run(config=written_by("0.31.0", {"startedAt": "2026-11-20T10:30:00Z"}), **told)
    assert record.trained_from == datetime(2026, 11, 20, 10, 30, tzinfo=UTC)
    assert record.trained_until == last
    assert a_run(config="{}", **told).trained_from == datetime(2026, 11, 20, 11, tzinfo=UTC)


def test_a_run_that_trained_online_keeps_wandbs_times() -> None:
    later = json.dumps({"_timestamp": datetime(2026, 11, 23, 5, tzinfo=UTC).timestamp()})
    record = a_run(createdAt="2026-11-23T00:00:00Z", summaryMetrics=later)
    assert (record.trained_from, record.trained_until) == (None, None)


@pytest.mark.parametrize("odd", [None, 3, "x", {"edges": None}, {"edges": [None, {"node": None}, 4]}])
def test_a_page_that_is_none_has_nothing_in_it_and_ends_the_walk(odd: Any) -> None:
    assert page_of(odd) == ([], None, False)


def test_points_that_are_no_numbers_are_left_out() -> None:
    rows = [{"_step": 0, "loss": 1}, {"_step": 1, "loss": "NaN"}, {"_step": 2, "loss": None}, {"_step": 3, "loss": 0.5}]
    assert points([[*rows, 7]], "loss") == [(0.0, 1.0), (3.0, 0.5)]
    assert points(None, "loss") == points([], "loss") == points([None], "loss") == []
