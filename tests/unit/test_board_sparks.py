"""Curves as small as a word."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.board.sparks import HEIGHT, WIDTH, path_of, words_of


def test_a_curve_that_falls_is_drawn_from_the_top_left_to_the_bottom_right() -> None:
    assert path_of([(0, 2.0), (5, 1.5), (10, 1.0)]) == "0.0,1.0 50.0,10.0 100.0,19.0"


def test_a_flat_curve_lies_in_the_middle() -> None:
    assert path_of([(0, 1.0), (1, 1.0)]) == "0.0,10.0 100.0,10.0"


@pytest.mark.parametrize("points", [[], [(0, 1.0)], [(0, math.nan), (1, 2.0)], [(math.inf, 1.0), (0, 1.0)]])
def test_below_two_points_nothing_is_drawn(points: list[tuple[float, float]]) -> None:
    assert path_of(points) == ""


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=30))
def test_whatever_was_logged_every_point_lies_on_the_paper(points: list[tuple[float, float]]) -> None:
    for pair in path_of(points).split():
        x, y = (float(part) for part in pair.split(","))
        assert 0 <= x <= WIDTH
        assert 0 <= y <= HEIGHT


def test_a_sentence_says_what_the_curve_shows() -> None:
    assert words_of([(0, 2.0), (1, 0.5)], "loss") == "loss: from 2 to 0.5 over 2 points"
