"""What a checkpoint's name says, and what the config beside it."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.checkpoints.configs import parsed
from apps.checkpoints.domain import epoch_in_name, newest, newest_first, step_in_name
from apps.checkpoints.ports import FoundCheckpoint
from tests.factories.moments import before


def found(name: str, minutes: float = 10) -> FoundCheckpoint:
    return FoundCheckpoint(Path(name), "pt", step_in_name(name), epoch_in_name(name), 1, before(minutes=minutes))


@pytest.mark.parametrize(
    ("name", "step", "epoch"),
    [
        ("checkpoint-5400", 5400, None),
        ("epoch=3-step=200.ckpt", 200, 3.0),
        ("step_500.pt", 500, None),
        ("global_step1200.pt", 1200, None),
        ("epoch_12.pt", None, 12.0),
        ("ep2.5.pt", None, 2.5),
        ("best.pt", None, None),
        ("timestep_4.pt", None, None),
        ("sleep3.pt", None, None),
        (f"checkpoint-{'9' * 30}", None, None),
    ],
)
def test_step_and_epoch_are_read_in_a_name(name: str, step: int | None, epoch: float | None) -> None:
    assert (step_in_name(name), epoch_in_name(name)) == (step, epoch)


@given(st.text(max_size=255))
def test_every_name_can_be_read_and_a_step_fits_its_column(name: str) -> None:
    step = step_in_name(name)
    assert step is None or 0 <= step < 2**63
    epoch_in_name(name)


def test_the_newest_has_the_highest_step_whatever_its_time() -> None:
    older, later = found("step_900.pt", minutes=60), found("step_100.pt", minutes=1)
    assert newest([later, older, found("best.pt", minutes=0)]) is older


def test_a_newer_file_that_tells_no_step_is_newer_than_an_older_one_that_does() -> None:
    """Lightning's `last.ckpt` beside the files of earlier saves: resumed from those, hours of training are lost."""
    first, second = found("epoch=1-step=200.ckpt", minutes=300), found("epoch=0-step=100.ckpt", minutes=600)
    last = found("last.ckpt", minutes=62)
    assert newest_first([second, last, first]) == [last, first, second]


def test_of_two_files_of_one_save_that_which_tells_its_step_is_named() -> None:
    saved, last = found("step=200.ckpt", minutes=30), found("last.ckpt", minutes=29.5)
    older = found("step=100.ckpt", minutes=60)
    assert newest_first([last, older, saved]) == [saved, last, older]


def test_without_steps_the_time_decides() -> None:
    assert newest([found("a.pt", 5), found("b.pt", 1)]) == found("b.pt", 1)


def test_of_no_checkpoints_none_is_the_newest() -> None:
    assert newest([]) is None


def test_an_integer_that_no_float_holds_is_text_in_a_config() -> None:
    values, problem = parsed(f"seed: 7\namp: true\nodd: 1{'0' * 400}\nwide: 0x{'f' * 5000}\n", 5500)
    assert (values["seed"], values["amp"], problem) == (7, True, "")
    assert values["odd"] == f"1{'0' * 400}"
    assert json.dumps(values)
