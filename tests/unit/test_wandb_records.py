"""From the client's objects to our records: one odd run must not break a page."""

import json
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sweeps.adapters.wandb_records import agent_record, job_from_metadata, moment, plain, run_record, sweep_record
from apps.sweeps.ports import RunJob

ODD = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.tuples(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=8,
)


def a_run(**attrs: Any) -> SimpleNamespace:
    return SimpleNamespace(id="8x2kq0", url="https://wandb.ai/team/glue/runs/8x2kq0", _attrs=attrs)


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
    record = sweep_record(SimpleNamespace(id="swp1", url="https://wandb.ai/s", _attrs=attrs))
    assert (record.state, record.method, record.expected_runs) == ("RUNNING", "grid", 12)
    assert record.config["metric"] == {"name": "loss", "goal": "minimize"}


@pytest.mark.parametrize("config", ["a: [unclosed", "- a list", None, 12])
def test_a_sweep_with_a_config_that_is_none_keeps_its_id_as_name(config: Any) -> None:
    record = sweep_record(SimpleNamespace(id="swp1", url="", _attrs={"config": config}))
    assert (record.name, record.config) == ("swp1", {})


def test_a_run_is_read_and_its_wrapped_config_unwrapped() -> None:
    record = run_record(
        a_run(
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
    )
    assert (record.state, record.sweep_id, record.user, record.tags) == ("running", "swp1", "mia", ("a", "1"))
    assert record.config == {"lr": 0.1, "data": {"path": "x"}}
    assert record.summary == {"loss": "NaN", "best": {"max": 1}}


@pytest.mark.parametrize("broken", ["{", "[1]", None, 12, b"\xff"])
def test_a_run_with_a_broken_config_or_summary_is_read_without_it(broken: Any) -> None:
    record = run_record(a_run(config=broken, summaryMetrics=broken))
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
