"""Whether a config names the versions of the software that trained."""

from typing import Any

import pytest

from apps.flags.reading import config_facts


@pytest.mark.parametrize(
    "config",
    [
        {"versions": {"torch": "2.9.1"}},
        {"package_versions": {"numpy": "2.1"}},
        {"meta": {"versions": {"torch": "2.9.1"}}},
        {"torch_version": "2.9.1"},
        {"env/python_version": "3.11.4"},
        {"system": {"cuda.version": "12.4"}},
        {"version_transformers": "4.44"},
        {"transformers_version": "4.44.0"},
        {"pytorch-lightning-version": "2.4"},
        {"datasets_version": "3.0.1"},
        {"requirements": ["torch==2.9.1"]},
        {"pip_freeze": "torch==2.9.1"},
        {"conda": {"name": "train"}},
        {"conda_env": "name: train"},
        {"environment": {"torch": "2.9.1", "os": "linux"}},
        {"torch": "2.9.1+cu124"},
        {"python": "3.11"},
    ],
    ids=str,
)
def test_versions_of_the_software_stack_count(config: dict[str, Any]) -> None:
    assert config_facts({"lr": 0.1, **config}).has_versions


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"dataset_version": 3},
        {"model_version": "v2"},
        {"version": 7},
        {"dataset": {"version": "2024-01", "versions": [1, 2]}},
        {"prompt_versions": {"system": 3}},
        {"environment": "CartPole-v1"},
        {"environment": {"name": "CartPole-v1"}},
        {"env": {"cuda_visible_devices": "0,1"}},
        {"torch": {"compile": True}},
        {"cuda": True},
        {"python": "/usr/bin/python3"},
        {"conversion_python": "fast"},
        {"torch_version_check": False},
        {"_wandb": {"python_version": "3.11.4"}},
    ],
    ids=str,
)
def test_versions_of_anything_else_do_not(config: dict[str, Any]) -> None:
    assert not config_facts({"lr": 0.1, **config}).has_versions
