"""Reading values out of what W&B holds."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.sweeps.domain import Metric, finite, lookup, metric_of, summary_epoch, summary_step, target_epochs

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("config", "metric"),
    [
        ({"metric": {"name": "loss", "goal": "minimize"}}, Metric("loss", "minimize")),
        ({"metric": {"name": "acc", "goal": "maximize"}}, Metric("acc", "maximize")),
        ({"metric": {"name": "loss"}}, Metric("loss", "minimize")),
        ({"metric": "loss"}, Metric("", "minimize")),
        ({}, Metric("", "minimize")),
    ],
)
def test_a_sweeps_metric_is_read(config: dict[str, Any], metric: Metric) -> None:
    assert metric_of(config) == metric


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (1, 1.0),
        ("0.5", 0.5),
        ("NaN", None),
        (float("inf"), None),
        (True, None),
        (None, None),
        ([], None),
        (10**400, None),
    ],
)
def test_only_a_finite_number_is_a_number(value: Any, number: float | None) -> None:
    assert finite(value) == number


def test_a_dotted_name_is_looked_up_flat_first_and_then_nested() -> None:
    assert lookup({"a.b": 1, "a": {"b": 2}}, "a.b") == 1
    assert lookup({"a": {"b": 2}}, "a.b") == 2
    assert lookup({"a": 3}, "a.b") is None


@pytest.mark.parametrize(
    ("config", "sweep", "target"),
    [
        ({"epochs": 10}, None, 10),
        ({"training": {"num_epochs": "12"}}, None, 12),
        ({"trainer.max_epochs": 7}, None, 7),
        ({"epochs": 0}, {"parameters": {"epochs": {"value": 5}}}, None),
        ({"epochs": -1}, None, None),
        ({}, {"parameters": {"epochs": {"value": 5}}}, 5),
        ({}, {"parameters": {"epochs": {"values": [5, 10]}}}, None),
        ({}, {"parameters": None}, None),
        ({}, None, None),
    ],
)
def test_a_target_is_read_and_never_assumed(
    config: dict[str, Any], sweep: dict[str, Any] | None, target: float | None
) -> None:
    assert target_epochs(config, sweep) == target


def test_the_summarys_epoch_and_step_are_those_that_training_logged() -> None:
    summary = {"train/epoch": 2.5, "train/global_step": 400, "_step": 99}
    assert summary_epoch(summary) == 2.5
    assert summary_step(summary) == 400
    assert summary_step({"_step": 99}) is None


@given(st.dictionaries(st.sampled_from(["epoch", "global_step", "step", "epochs"]), JSON))
def test_no_summary_is_too_odd_to_be_read_and_every_step_fits_its_column(summary: dict[str, Any]) -> None:
    step = summary_step(summary)
    assert step is None or -(2**63) <= step < 2**63
    summary_epoch(summary)
    target_epochs(summary, {"parameters": summary})


def test_a_step_too_large_for_any_column_is_none() -> None:
    assert summary_step({"global_step": 1e300}) is None
