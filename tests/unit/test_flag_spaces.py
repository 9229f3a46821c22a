"""Whether a run's values lie in its sweep's space."""

from collections.abc import Collection
from typing import Any

import pytest

from apps.flags import spaces


def outside(config: dict[str, Any], parameters: dict[str, Any], changed: Collection[str] = ()) -> tuple[str, ...]:
    return spaces.outside(config, spaces.space_of(parameters), changed)


@pytest.mark.parametrize(
    ("spec", "value", "said"),
    [
        ({"values": [0.1, 0.2]}, 99, "lr: 99 on W&B, the sweep's space has 0.1, 0.2"),
        ({"value": 0.1}, 0.2, "lr: 0.2 on W&B, the sweep's space has 0.1"),
        ({"distribution": "constant", "value": "adam"}, "sgd", "lr: sgd on W&B, the sweep's space has adam"),
        ({"min": 0.001, "max": 0.1}, 99, "lr: 99 on W&B, the sweep's space is 0.001 to 0.1"),
        ({"min": 1, "max": 8}, 0, "lr: 0 on W&B, the sweep's space is 1 to 8"),
        ({"distribution": "uniform", "max": 8}, 9.5, "lr: 9.5 on W&B, the sweep's space is at most 8"),
        ({"distribution": "log_uniform_values", "min": 1e-5, "max": 1e-3}, 0.1, "0.1 on W&B"),
        (
            {"distribution": "log_uniform", "min": -7, "max": -2},
            0.9,
            "0.9 on W&B, the sweep's space is 0.0009119 to 0.1",
        ),
        ({"distribution": "inv_log_uniform_values", "min": 0.1, "max": 0.5}, 0.9, "0.9 on W&B"),
        ({"min": 1, "max": 8}, "many", "lr: many on W&B"),
    ],
    ids=str,
)
def test_a_value_outside_of_the_space_is_named_with_the_space(spec: dict[str, Any], value: Any, said: str) -> None:
    assert said in "".join(outside({"lr": value}, {"lr": spec}))


@pytest.mark.parametrize(
    ("spec", "value"),
    [
        ({"values": [0.1, 0.2]}, 0.1),
        ({"values": [1, 2]}, 2.0),
        ({"values": ["1e-4", 1]}, 0.0001),
        ({"values": [1e-4]}, "1e-4"),
        ({"values": [[1, 2], [3]]}, [1, 2]),
        ({"values": [True, False]}, False),
        ({"values": [None, 0.5]}, None),
        ({"values": []}, 3),
        ({"min": 0.001, "max": 0.1}, 0.1),
        ({"min": 0.001, "max": 0.1}, 0.1 + 1e-12),
        ({"distribution": "log_uniform", "min": -7, "max": -2}, 0.05),
        ({"distribution": "log_uniform", "min": -1e9, "max": 1e9}, 0.05),
        ({"distribution": "inv_log_uniform", "min": 2, "max": 7}, 0.05),
        ({"distribution": "q_uniform", "min": 0, "max": 10, "q": 4}, 12),
        ({"distribution": "q_log_uniform_values", "min": 1, "max": 10, "q": 4}, 12),
        ({"distribution": "normal", "mu": 0, "sigma": 1}, 99),
        ({"distribution": "log_normal", "mu": 0, "sigma": 1, "min": 0, "max": 1}, 99),
        ({"distribution": "beta", "min": 0, "max": 1}, 99),
        ({"min": 0, "max": 1}, True),
        ({"min": 0, "max": 1}, {"start": 5}),
        ({"min": "low", "max": None}, 5),
        ("0.1", 5),
        ({}, 5),
    ],
    ids=str,
)
def test_what_lies_in_the_space_or_has_no_bounds_is_quiet(spec: Any, value: Any) -> None:
    assert outside({"lr": value}, {"lr": spec}) == ()


def test_nested_parameters_are_compared_below_their_key() -> None:
    space = {"optimizer": {"parameters": {"lr": {"values": [0.1, 0.2]}, "name": {"value": "adam"}}}}
    found = outside({"optimizer": {"lr": 99, "name": "adam"}}, space)
    assert found == ("optimizer.lr: 99 on W&B, the sweep's space has 0.1, 0.2",)
    assert outside({"optimizer.lr": 0.1, "optimizer": {"name": "adam"}}, space) == ()


def test_a_value_that_the_config_lacks_is_not_told_here() -> None:
    assert outside({}, {"lr": {"values": [0.1]}}) == ()


def test_keys_that_a_resume_changed_are_left_out() -> None:
    assert outside({"lr": 99, "wd": 9}, {"lr": {"value": 1}, "wd": {"value": 1}}, {"lr"}) == (
        "wd: 9 on W&B, the sweep's space has 1",
    )


def test_a_long_list_of_values_is_cut() -> None:
    (said,) = outside({"lr": 99}, {"lr": {"values": list(range(20))}})
    assert said.endswith("has 0, 1, 2, 3, 4, …")
