"""The OOM ladder and the estimate of memory: the practice's formulas, and every odd config."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from apps.memory.estimate import GIB, GPUS, OPTIMIZERS, PRECISIONS, estimate, fits, sizes_of
from apps.memory.keys import BATCH, find
from apps.memory.ladder import Rung, Step, ladder


def step(rung: Rung, config: dict[str, Any], **options: Any) -> Step:
    return next(one for one in ladder(config, **options).steps if one.rung is rung)


def changes(one: Step) -> dict[str, tuple[Any, Any]]:
    return {change.key: (change.old, change.new) for change in one.changes}


# The first step


def test_without_accumulation_the_learning_rate_follows_the_batch() -> None:
    one = step(Rung.BATCH, {"batch_size": 64, "lr": 1e-4}, gpus=2)
    assert changes(one) == {"batch_size": (64, 32), "lr": (1e-4, 5e-5)}
    assert one.effective == (128, 64)
    assert "the learning rate follows the batch" in one.why


def test_with_accumulation_the_effective_batch_and_the_learning_rate_stay() -> None:
    config = {"per_device_train_batch_size": 16, "gradient_accumulation_steps": 4, "learning_rate": 2e-5}
    one = step(Rung.BATCH, config, gpus=8)
    assert changes(one) == {"per_device_train_batch_size": (16, 8), "gradient_accumulation_steps": (4, 8)}
    assert one.effective == (512, 512)
    assert "the learning rate stays" in one.why


def test_an_odd_batch_says_what_becomes_of_the_effective_batch() -> None:
    one = step(Rung.BATCH, {"batch_size": 5, "grad_accum": 1})
    assert changes(one) == {"batch_size": (5, 2), "grad_accum": (1, 2)}
    assert one.effective == (5, 4)
    assert "from 5 to 4" in one.why


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ({"batch_size": 1}, "is 1 already"),
        ({"lr": 0.1}, "names no batch size"),
        ({"batch_size": "auto"}, "no number of samples"),
        ({"batch_size": 0}, "no number of samples"),
        ({"batch_size": None}, "no number of samples"),
        ({"eval_batch_size": 64}, "names no batch size"),
        ({}, "names no batch size"),
    ],
)
def test_where_the_batch_cannot_be_halved_the_ladder_says_why_and_goes_on(config: dict[str, Any], reason: str) -> None:
    told = ladder(config)
    assert reason in told.steps[0].closed
    assert told.proposed is not None
    assert told.proposed.rung is Rung.CHECKPOINTING


@given(batch=st.integers(2, 10**6), accumulation=st.integers(1, 64), gpus=st.integers(1, 512), rate=st.floats(1e-8, 10))
def test_the_formulas_hold_whatever_the_sizes(batch: int, accumulation: int, gpus: int, rate: float) -> None:
    plain = changes(step(Rung.BATCH, {"batch_size": batch, "lr": rate}, gpus=gpus))
    assert plain["batch_size"] == (batch, batch // 2)
    assert plain["lr"][1] == pytest.approx(rate * (batch // 2) / batch)
    one = step(Rung.BATCH, {"batch_size": batch, "grad_accum": accumulation}, gpus=gpus)
    assert changes(one)["grad_accum"] == (accumulation, accumulation * (batch // (batch // 2)))
    assert one.effective is not None
    assert one.effective[0] == batch * accumulation * gpus
    assert one.effective[1] <= one.effective[0]


# The others


def test_what_is_on_already_is_no_step() -> None:
    config = {"model": {"gradient_checkpointing": True}, "bf16": "true", "batch_size": 1}
    told = ladder(config)
    assert [one.closed != "" for one in told.steps] == [True, True, True, True, True]
    assert told.proposed is None


@pytest.mark.parametrize(
    ("config", "key", "new"),
    [
        ({"precision": 32}, "precision", "bf16-mixed"),
        ({"trainer.precision": "32-true"}, "trainer.precision", "bf16-mixed"),
        ({"fp16": False}, "fp16", True),
        ({"mixed_precision": "no"}, "mixed_precision", "bf16"),
        ({}, "bf16", True),
    ],
)
def test_mixed_precision_is_said_in_the_words_of_the_config(config: dict[str, Any], key: str, new: Any) -> None:
    assert changes(step(Rung.PRECISION, config))[key][1] == new


@pytest.mark.parametrize("config", [{"precision": "16-mixed"}, {"torch_dtype": "bfloat16"}, {"amp": True}])
def test_half_precision_is_known_by_its_many_names(config: dict[str, Any]) -> None:
    assert "already" in step(Rung.PRECISION, config).closed


def test_the_length_of_the_input_comes_last() -> None:
    config = {"data": {"max_seq_length": 2048}, "batch_size": 1, "gradient_checkpointing": True, "bf16": True}
    proposed = ladder(config).proposed
    assert proposed is not None
    assert (proposed.rung, changes(proposed)) == (Rung.LENGTH, {"data.max_seq_length": (2048, 1024)})


def test_a_step_that_was_tried_is_not_proposed_again_but_a_batch_can_be_halved_again() -> None:
    config = {"batch_size": 8, "lr": 1.0}
    assert ladder(config, tried=["halve-batch"]).proposed is not None
    first = ladder({"batch_size": 1}, tried=["gradient-checkpointing"])
    assert first.proposed is not None
    assert first.proposed.rung is Rung.PRECISION
    assert first.steps[1].tried


def test_several_batches_in_one_config_are_told_apart() -> None:
    config = {"train_batch_size": 256, "per_device_train_batch_size": 8, "val": {"batch_size": 512}}
    told = ladder(config)
    assert changes(told.steps[0])["per_device_train_batch_size"] == (8, 4)
    assert told.notes == (
        "per_device_train_batch_size is taken for the batch of one GPU; the config also says train_batch_size = 256",
    )


config_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*BATCH, "lr", "x"]), inner, max_size=4)
    ),
    max_leaves=8,
)


@example(config={"batch_size": float("inf"), "lr": float("nan"), "seq_len": -(10**40)})
@given(config=st.dictionaries(st.sampled_from([*BATCH, "lr", "grad_accum", "precision", "seq_len"]), config_values))
def test_no_config_whatever_it_holds_breaks_the_ladder(config: dict[str, Any]) -> None:
    told = ladder(config)
    assert len(told.steps) == len(Rung)
    assert all(str(change) for one in told.steps for change in one.changes)


def test_names_with_slashes_and_hyphens_are_found() -> None:
    assert [one.key for one in find({"optim/batch-size": 3, "batch_size_eval": 4}, BATCH)] == ["optim/batch-size"]


# The estimate


def test_the_practices_rule_is_params_times_four_times_three_and_a_fifth() -> None:
    assert estimate(10**9).practice == pytest.approx(10**9 * 12 * 1.2)


@pytest.mark.parametrize(
    ("optimizer", "precision", "each"),
    [("adamw", "fp32", 16), ("adamw", "mixed", 18), ("sgd", "fp32", 8), ("adamw-8bit", "bf16", 6)],
)
def test_the_second_line_counts_what_each_parameter_keeps(optimizer: str, precision: str, each: int) -> None:
    assert estimate(10**6, optimizer=optimizer, precision=precision).exact == pytest.approx(10**6 * each * 1.2)


def test_frozen_parameters_have_no_gradients() -> None:
    assert estimate(10**9, precision="bf16", trained=10**7).exact == pytest.approx((2 * 10**9 + 10**7 * 10) * 1.2)


@pytest.mark.parametrize("options", [{"optimizer": "magic"}, {"precision": "fp7"}, {"trained": 11}, {"trained": -1}])
def test_what_makes_no_sense_is_said(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"\."):
        estimate(10, **options)


@given(st.integers(0, 10**13), st.sampled_from(sorted(OPTIMIZERS)), st.sampled_from(sorted(PRECISIONS)))
def test_more_parameters_never_take_less_and_never_fit_better(count: int, optimizer: str, precision: str) -> None:
    small = estimate(count, optimizer=optimizer, precision=precision)
    large = estimate(count + 1000, optimizer=optimizer, precision=precision)
    assert large.larger >= small.larger
    assert sum(fit.fits for fit in fits(large)) <= sum(fit.fits for fit in fits(small))


def test_a_fit_says_what_is_left() -> None:
    (small, large) = fits(estimate(3 * 10**9), {"a100": (40, 80)})
    assert (small.fits, large.fits) == (False, True)
    assert large.left == pytest.approx(80 * GIB - 3 * 10**9 * 16 * 1.2)
    assert {fit.gpu for fit in fits(estimate(1))} == set(GPUS)


@pytest.mark.parametrize(
    ("name", "sizes"),
    [
        ("nvidia_a100-sxm4-80gb", (80,)), ("a100", (40, 80)), ("A10", (24,)), ("l40s", (48,)), ("rtx_4090", (24,)),
        ("a100_1g.5gb", (5,)), ("h100_pcie", (80,)), ("H100-80G", (80,)), ("abacus", ()), ("", ()),
    ],
)  # fmt: skip
def test_the_memory_of_a_gpu_is_read_from_the_name_that_a_cluster_gives_it(name: str, sizes: tuple[int, ...]) -> None:
    assert sizes_of(name) == sizes
