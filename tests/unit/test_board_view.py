"""The view of the board that a URL carries."""

from urllib.parse import parse_qs, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.board.view import FILTERS, MAX_OPEN, BoardView
from tests.unit.test_board_domain import row

WORDS = st.text(st.characters(codec="utf-8"), max_size=30).map(str.strip)
VIEWS = st.builds(
    BoardView,
    **dict.fromkeys(FILTERS, WORDS),
    sort=st.sampled_from(["flags", "-flags", "runs", "-gpu"]),
    open=st.dictionaries(st.integers(0, 10**9), st.integers(1, 999), max_size=MAX_OPEN),
)


def read(query: str) -> BoardView:
    return BoardView.from_query({key: values[-1] for key, values in parse_qs(query, keep_blank_values=True).items()})


@given(VIEWS)
def test_a_view_survives_its_url(view: BoardView) -> None:
    assert read(view.query()) == view


@given(st.dictionaries(st.sampled_from([*FILTERS, "sort", "open", "page", "x"]), st.text(max_size=80)))
def test_nonsense_in_a_url_is_left_out_and_never_raises(query: dict[str, str]) -> None:
    view = BoardView.from_query(query)
    assert read(view.query()) == view
    view.wants(row())


@given(st.from_regex(r"[0-9:.٣²]{0,60}", fullmatch=True))
def test_nonsense_in_open_never_raises(text: str) -> None:
    view = BoardView.from_query({"open": text})
    assert len(view.open) <= MAX_OPEN
    assert all(page >= 1 for page in view.open.values())


def test_a_view_at_its_defaults_has_the_plain_url() -> None:
    assert BoardView().url() == "/"
    assert not BoardView(sort="runs").filtered


@pytest.mark.parametrize(
    ("query", "passes"),
    [
        ({}, True),
        ({"workspace": "glue", "state": "RUNNING", "flag": "zombie", "owner": "mia"}, True),
        ({"workspace": "vision"}, False),
        ({"state": "FINISHED"}, False),
        ({"flag": "stale-heartbeat"}, False),
        ({"owner": "tom"}, False),
        ({"q": "SEARCH glue"}, True),
        ({"q": "search tom"}, False),
        ({"q": "   "}, True),
    ],
)
def test_a_row_passes_when_every_filter_lets_it(query: dict[str, str], passes: bool) -> None:
    assert BoardView.from_query(query).wants(row(flag_rules=frozenset({"zombie"}))) is passes


def test_sorting_by_the_same_column_turns_it_round() -> None:
    view = BoardView().sorted_by("runs")
    assert view.sort == "runs"
    assert view.sorted_by("runs").sort == "-runs"
    assert view.sorted_by("runs").sorted_by("runs").sort == "runs"


def test_a_sweep_is_opened_paged_and_closed() -> None:
    view = BoardView(q="x").toggled(7).toggled(9).at_page(7, 3)
    assert view.url() == f"/?{urlencode({'q': 'x', 'open': '7:3.9'})}"
    assert view.toggled(7).open == {9: 1}
