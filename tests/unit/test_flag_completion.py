"""Runs that say they are done: what their logs and W&B itself tell otherwise."""

from typing import Any

import pytest

from apps.flags.domain import Curves, Evidence, Progress, ProgressSource, Severity
from apps.flags.rules.completion import exit_zero_but_failed, zero_epochs
from tests.factories.facts import run_facts

DONE: dict[str, Any] = {"wandb_state": "finished", "slurm_state": "COMPLETED"}
CAUGHT = Evidence("cuda-oom", "train.out", 3, "torch.OutOfMemoryError: CUDA out of memory.", went_on=True)
FINAL = Evidence("python-error", "train.out", 90, "ValueError: bad shape", went_on=False)
STDERR = Evidence("python-error", "train.err", 7, "ValueError: bad shape")
BELOW = Progress(2, 90, 10, ProgressSource.LOG)
NO_TARGET = Progress(2, 90, None, ProgressSource.LOG)


def failed_at(progress: Progress, *evidence: Evidence, **values: Any) -> str:
    finding = exit_zero_but_failed(run_facts(**DONE, progress=progress, evidence=evidence, **values))
    return finding.evidence if finding else ""


def test_the_error_that_ended_training_is_told_and_not_one_that_was_caught() -> None:
    said = failed_at(BELOW, CAUGHT, FINAL)
    assert said.endswith("its log says: ValueError: bad shape (train.out:90), at epoch 2 of 10.")


@pytest.mark.parametrize("final", [FINAL, STDERR])
def test_an_error_that_ends_a_log_is_told_where_no_target_is_known(final: Evidence) -> None:
    said = failed_at(NO_TARGET, final)
    assert "ValueError: bad shape" in said
    assert said.endswith("at epoch 2; no config names a target.")


def test_an_error_that_was_caught_raises_nothing() -> None:
    assert failed_at(BELOW, CAUGHT) == ""
    assert failed_at(NO_TARGET, CAUGHT) == ""
    assert failed_at(BELOW, Evidence("caught", "train.out", 3, "retrying after the error")) == ""


def test_a_sign_or_an_error_that_a_program_went_on_after_proves_nothing_without_a_target() -> None:
    assert failed_at(NO_TARGET, Evidence("effect", "train.err", 3, "SignalException: 15")) == ""
    assert failed_at(NO_TARGET, STDERR, Evidence("caught", "train.out", 3, "retrying after the error")) == ""


def test_a_run_that_reached_its_target_did_not_fail_by_a_line_of_its_log() -> None:
    assert failed_at(Progress(10, 900, 10, ProgressSource.LOG), STDERR) == ""


def nothing_logged(**values: Any) -> dict[str, Any]:
    return {**DONE, "progress": Progress(target_epochs=10), "logged_anything": False, "checkpoint_at": None, **values}


def test_a_run_that_finished_after_hours_and_logged_nothing_at_all_is_told() -> None:
    finding = zero_epochs(run_facts(**nothing_logged()))
    assert finding is not None
    assert finding.evidence == "Finished after 5 h 00 min, and nothing was logged: no step, no history, no epoch."
    assert finding.severity is None


def test_where_a_checkpoint_shows_that_something_was_trained_it_is_a_warning() -> None:
    values = nothing_logged(checkpoint_at=run_facts().checkpoint_at)
    finding = zero_epochs(run_facts(**values))
    assert finding is not None
    assert finding.evidence.endswith("no epoch; only a checkpoint shows that it trained.")
    assert finding.severity is Severity.WARNING


@pytest.mark.parametrize(
    "values",
    [
        {"logged_anything": True},
        {"progress": Progress(None, 5, 10)},
        {"curves": Curves(loss=(0.5, 0.4))},
        {"curves": Curves(metric=(0.5,))},
        {"wandb_state": "running"},
        {"wandb_state": "crashed"},
    ],
)
def test_steps_and_metrics_without_an_epoch_are_progress(values: dict[str, Any]) -> None:
    assert zero_epochs(run_facts(**nothing_logged(**values))) is None
