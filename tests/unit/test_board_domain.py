"""What a row of the board says."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.board.domain import SORT_KEYS, AgentHealth, Badge, BoardRow, agent_health, sorted_rows, sweep_percent
from tests.factories.moments import before


def badge(severity: str) -> Badge:
    return Badge("zombie", severity, 1, "evidence", "action")


def row(pk: int = 1, **values: Any) -> BoardRow:
    told: dict[str, Any] = {
        "sweep_id": f"swp{pk}",
        "name": f"search {pk}",
        "url": "",
        "workspace": "glue",
        "project": "team/glue",
        "method": "bayes",
        "state": "RUNNING",
        "owners": ("mia",),
        "agents": AgentHealth(1, 1),
        "runs_by_state": (),
        "runs": 0,
        "expected_runs": None,
        "epoch": None,
        "target_epochs": None,
        "step": None,
        "percent": None,
        "metric_name": "",
        "metric_value": None,
        "badges": (),
        "checkpoint_step": None,
        "checkpoint_at": None,
        "gpu_seconds": 0.0,
        "heartbeat_at": None,
        "source_ok": True,
    }
    return BoardRow(pk, **{**told, **values})


@pytest.mark.parametrize(
    ("states", "zombies", "stale", "status"),
    [
        (["RUNNING", "RUNNING"], 0, 0, "OK"),
        (["RUNNING", "PENDING"], 0, 0, "under capacity"),
        (["RUNNING", "FAILED"], 0, 0, "under capacity"),
        (["RUNNING", "COMPLETED", "CANCELLED"], 0, 0, "OK"),
        (["RUNNING"], 1, 1, "has zombies"),
        (["RUNNING", "PENDING"], 0, 2, "stale heartbeat"),
        ([], 0, 0, "OK"),
    ],
)
def test_the_health_of_a_sweeps_agents(states: list[str], zombies: int, stale: int, status: str) -> None:
    assert agent_health(states, zombies, stale).status == status


def test_agents_that_left_as_they_should_are_not_expected_back() -> None:
    health = agent_health(["RUNNING", "COMPLETED", "TIMEOUT", "PENDING"], 0, 0)
    assert (health.active, health.expected) == (1, 3)


@pytest.mark.parametrize(
    ("percents", "runs", "expected", "percent"),
    [
        ([50.0, 100.0], 2, None, 75.0),
        ([50.0, 100.0], 2, 4, 37.5),
        ([50.0], 3, 1, 50.0 / 3),
        ([], 3, 4, None),
        ([100.0, 100.0], 1, None, 100.0),
    ],
)
def test_a_sweeps_progress_is_over_all_runs_that_are_expected(
    percents: list[float], runs: int, expected: int | None, percent: float | None
) -> None:
    assert sweep_percent(percents, runs, expected) == percent


def test_the_worst_flag_comes_first() -> None:
    rows = [
        row(1),
        row(2, badges=(badge("note"),)),
        row(3, badges=(badge("critical"),)),
        row(4, badges=(badge("warning"),)),
    ]
    assert [one.pk for one in sorted_rows(rows, "flags")] == [3, 4, 2, 1]


ROWS = st.builds(
    row,
    st.integers(1, 9),
    name=st.text(max_size=3),
    percent=st.none() | st.floats(0, 100),
    metric_value=st.none() | st.floats(allow_nan=False),
    heartbeat_at=st.none() | st.just(before(hours=1)),
    checkpoint_at=st.none() | st.just(before(hours=2)),
    badges=st.sampled_from([(), (badge("critical"),), (badge("unheard of"),)]),
)


@given(
    st.lists(ROWS, max_size=6), st.sampled_from([*SORT_KEYS, *(f"-{key}" for key in SORT_KEYS)]) | st.text(max_size=20)
)
def test_every_sort_keeps_every_row_and_nonsense_sorts_too(rows: list[BoardRow], sort: str) -> None:
    assert sorted(one.pk for one in sorted_rows(rows, sort)) == sorted(one.pk for one in rows)


@pytest.mark.parametrize("column", sorted(SORT_KEYS))
def test_every_column_turns_round(column: str) -> None:
    rows = [
        row(
            pk,
            name=f"n{pk}",
            workspace=f"w{pk}",
            agents=AgentHealth(pk, 4),
            runs=pk,
            percent=float(pk),
            metric_value=float(pk),
            checkpoint_at=before(hours=pk),
            heartbeat_at=before(hours=pk),
            gpu_seconds=float(pk),
            badges=(badge("critical"),) * pk,
        )
        for pk in (2, 1, 3)
    ]
    once, round_again = sorted_rows(rows, column), sorted_rows(rows, f"-{column}")
    assert [one.pk for one in once] == [one.pk for one in reversed(round_again)]


def test_gpu_time_is_shown_in_hours() -> None:
    assert row(gpu_seconds=5400.0).gpu_hours == 1.5


def test_a_sweep_that_runs_without_any_agent_is_under_capacity() -> None:
    health = agent_health(["CANCELLED", "COMPLETED"], 0, 0, wanted=True)
    assert (health.active, health.expected, health.status) == (0, 1, "under capacity")
