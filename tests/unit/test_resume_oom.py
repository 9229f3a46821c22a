"""The OOM ladder as changes of a resume: offered in its order, told to the script as the recipe says."""

import json

import pytest

from apps.memory.ladder import ladder
from apps.resume.changes import Applied, BadChoice, JobShape, applied, offers
from apps.resume.domain import Refused
from apps.resume.plan import submission_for
from apps.workspaces.recipes import RecipeConfig
from tests.unit.test_resume_plan import TARGET

CONFIG = {"batch_size": 64, "lr": 1e-4, "optim": {"weight_decay": 0.1}}
HALVED = json.dumps({"batch_size": 32, "lr": 5e-05})


def test_the_steps_are_offered_in_the_ladders_order_with_their_numbers_and_their_price() -> None:
    found = offers("cuda-oom", JobShape(), ladder(CONFIG).steps)
    assert [one.id for one in found] == [
        "oom-halve-batch", "oom-gradient-checkpointing", "oom-mixed-precision", "oom-accumulate-more", "by-hand",
    ]  # fmt: skip
    assert found[0].title == "Halve the batch: batch_size: 64 → 32; lr: 0.0001 → 5e-05"
    assert "The learning rate" in found[0].hint or "the learning rate follows" in found[0].hint
    assert json.loads(found[0].recorded) == {"batch_size": 32, "lr": 5e-05}


def test_another_crash_offers_no_ladder() -> None:
    assert [one.id for one in offers("data-error", JobShape(), ladder(CONFIG).steps)] == ["by-hand"]
    with pytest.raises(BadChoice, match="no change that is offered"):
        applied({"oom-halve-batch": HALVED}, "data-error")


def test_a_step_counts_as_the_change_and_is_told_to_the_script_as_the_recipe_says() -> None:
    changes = applied({"oom-halve-batch": HALVED, "oom-mixed-precision": '{"bf16": true}'}, "cuda-oom")
    assert changes.counts == ("batch_size = 32, lr = 5e-05", "bf16 = true")
    assert changes.alters_the_job
    hydra = RecipeConfig(script="r.sh", args=["--ckpt={checkpoint}"], change=["{key}={value}"])
    assert submission_for(hydra, "/w", TARGET, changes).args[1:] == ["batch_size=32", "lr=5e-05", "bf16=true"]
    plain = RecipeConfig(script="r.sh", change=["--{key}", "{value}"])
    assert submission_for(plain, "/w", TARGET, changes).args[:2] == ["--batch_size", "32"]


def test_a_recipe_that_cannot_tell_a_change_refuses_rather_than_run_out_of_memory_again() -> None:
    changes = applied({"oom-halve-batch": HALVED}, "cuda-oom")
    with pytest.raises(Refused, match="set `change` in it"):
        submission_for(RecipeConfig(script="r.sh"), "/w", TARGET, changes)
    assert submission_for(RecipeConfig(script="r.sh"), "/w", TARGET, Applied()).args == []


def test_two_steps_that_change_one_key_are_one_too_many() -> None:
    with pytest.raises(BadChoice, match="Two of the chosen steps change batch_size"):
        applied({"oom-halve-batch": HALVED, "oom-accumulate-more": '{"batch_size": 32}'}, "cuda-oom")


@pytest.mark.parametrize("value", ["", "x", "[]", "{}", '{"--rm": 1}', '{"a b": 1}', '{"": 1}', "3"])
def test_what_is_no_change_of_a_config_is_none(value: str) -> None:
    with pytest.raises(BadChoice):
        applied({"oom-halve-batch": value}, "cuda-oom")


@pytest.mark.parametrize("change", [["{key}"], ["{value}"], ["--x"], ["{key}={worth}"]])
def test_a_recipe_must_say_key_and_value(change: list[str]) -> None:
    with pytest.raises(ValueError, match="key"):
        RecipeConfig(script="r.sh", change=change)
