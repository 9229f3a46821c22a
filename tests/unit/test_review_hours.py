"""GPU hours of a week: every hour once, and what became of it."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.review.domain.facts import Known, WeekFacts
from apps.review.domain.hours import LOST, shares
from apps.review.domain.weeks import parse_week
from tests.factories.review import at, attempt, counted, flag, link, run, sweep, values, week_facts

KINDS = ("total", "useful", "lost", "untold", "crashed", "zombie", "repeated", "idle")


def told(**facts: object) -> dict[str, float]:
    found = values(week_facts(**facts))  # type: ignore[arg-type]  # any of the facts
    return {kind: value for kind in KINDS if (value := found[f"hours-{kind}"])}


def carried(*runs: object, **facts: object) -> dict[str, object]:
    links = [link(number, one.pk) for number, one in enumerate(runs, 1)]  # type: ignore[attr-defined]  # runs
    return {"sweeps": (sweep(),), "runs": runs, "links": tuple(links), **facts}


def test_the_hours_of_a_run_that_trains_are_useful() -> None:
    assert told(attempts=(attempt(1, 10, 20),), **carried(run(1, 10, 20))) == {"total": 20, "useful": 20}


def test_only_the_part_in_the_week_counts_and_a_live_job_until_now() -> None:
    facts = carried(run(1, -50), attempts=(attempt(1, -50),), until=24)
    assert told(**facts) == {"total": 48, "useful": 48}


def test_what_no_checkpoint_holds_of_a_run_that_crashed_is_lost() -> None:
    dead = {"state": "crashed", "verdict": "resume"}
    job = {"attempts": (attempt(1, 0, 10),)}
    assert told(**carried(run(1, 0, 10, **dead), **job)) == {"total": 20, "lost": 20, "crashed": 20}
    kept = run(1, 0, 10, checkpoint_at=at(7), **dead)
    assert told(**carried(kept, **job)) == {"total": 20, "useful": 14, "lost": 6, "crashed": 6}


def test_what_an_attempt_had_not_saved_is_lost_also_where_the_run_came_back_and_saved_later() -> None:
    jobs = (attempt(1, 0, 10, state="FAILED"), attempt(2, 12, 20))
    both = {"links": (link(1, 1, 1), link(2, 1, 2)), "attempts": jobs}
    kept = run(1, 0, 20, checkpoint_at=at(19), saved_at=(at(7), at(19)))
    assert told(**{**carried(kept), **both}) == {"total": 36, "useful": 30, "lost": 6, "crashed": 6}
    first = run(1, 0, 20, checkpoint_at=at(19), saved_at=(at(19),))
    assert told(**{**carried(first), **both}) == {"total": 36, "useful": 16, "untold": 20}
    idle = (flag(1, "idle-gpu", 8, 12),)
    assert told(**{**carried(first, flags=idle), **both})["idle"] == 4
    never = run(1, 0, 20)
    assert told(**{**carried(never), **both}) == {"total": 36, "useful": 16, "lost": 20, "crashed": 20}


def test_where_nobody_looks_for_checkpoints_a_crash_is_not_told_apart() -> None:
    dead = run(1, 0, 10, state="crashed", looked=False)
    assert told(**carried(dead, attempts=(attempt(1, 0, 10),))) == {"total": 20, "untold": 20}


def test_a_run_that_w_and_b_has_no_more_is_not_held_for_crashed() -> None:
    gone = run(1, 0, 10, state="deleted")
    assert "crashed" not in told(**carried(gone, attempts=(attempt(1, 0, 10),)))


def test_a_zombie_loses_what_no_checkpoint_holds() -> None:
    facts = carried(run(1, 0, checkpoint_at=at(4)), attempts=(attempt(1, 0, 10),), flags=(flag(1, "zombie", 11),))
    assert told(**facts) == {"total": 20, "useful": 8, "lost": 12, "zombie": 12}


def test_gpus_that_a_dead_run_still_holds_are_lost_as_a_zombie() -> None:
    dead = run(1, 0, 10, state="crashed", checkpoint_at=at(10))
    flags = (flag(1, "wandb-dead-job-alive", 11, 14),)
    found = told(**carried(dead, attempts=(attempt(1, 0, 20),), flags=flags))
    assert found == {"total": 40, "useful": 20, "lost": 8, "zombie": 8, "untold": 12}


def test_runs_that_a_node_burned_are_lost_by_repeated_failure_and_no_others() -> None:
    dead = {"state": "crashed"}
    runs = (run(1, 0, 2, **dead), run(2, 2, 4, **dead, checkpoint_at=at(4)))
    burned = flag(1, "repeated-failure", 5, run=None, evidence="3 runs died on node g07 within a day: node-failure ×3.")
    attempts = (attempt(1, 0, 2), attempt(2, 2, 4, node="g08"))
    links = (link(1, 1, 1), link(2, 2, 2))
    found = told(sweeps=(sweep(),), runs=runs, links=links, attempts=attempts, flags=(burned,))
    assert found == {"total": 8, "useful": 4, "lost": 4, "repeated": 4}


def test_idle_hours_are_those_of_the_flag() -> None:
    facts = carried(run(1, 0), attempts=(attempt(1, 0),), flags=(flag(1, "idle-gpu", 3, 5),), until=10)
    assert told(**facts) == {"total": 20, "useful": 16, "lost": 4, "idle": 4}


def test_an_hour_is_lost_once_for_the_first_reason() -> None:
    dead = run(1, 0, 10, state="crashed")
    flags = (flag(1, "idle-gpu", 2, 8), flag(2, "zombie", 5))
    assert told(**carried(dead, attempts=(attempt(1, 0, 10),), flags=flags)) == {"total": 20, "lost": 20, "zombie": 20}


def test_an_agents_job_between_two_runs_is_not_told_apart_and_a_left_run_ends_where_the_next_begins() -> None:
    left = run(1, 0, beat_at=at(3))  # W&B says running
    facts = carried(left, run(2, 5, 8), attempts=(attempt(1, 0, 10),))
    assert told(**facts) == {"total": 20, "useful": 16, "untold": 4}


def test_runs_side_by_side_in_one_job_share_its_hours() -> None:
    facts = carried(run(1, 0, 10), run(2, 0, 10, sweep=2), attempts=(attempt(1, 0, 10),))
    facts["sweeps"] = (sweep(1), sweep(2))
    assert told(**facts) == {"total": 20, "useful": 20}
    table = counted(week_facts(**facts)).tables["hours-by-sweep"]  # type: ignore[arg-type]  # any of the facts
    assert [(row.name, row.cells[0]) for row in table.rows] == [("search 1", "10.0"), ("search 2", "10.0")]


def test_only_the_hours_in_which_runs_live_side_by_side_are_shared() -> None:
    dead = {"state": "crashed", "beat_at": at(10)}
    runs = (run(1, 0, 10, **dead), run(2, 0.5, 10, **dead), run(3, 10, 20))
    facts = carried(*runs, attempts=(attempt(1, 0, 20, gpus=1),))
    facts["links"] = tuple(link(pk, pk) for pk in (1, 2, 3))
    assert told(**facts) == {"total": 20, "useful": 10, "lost": 10, "crashed": 10}


def test_a_run_that_came_back_was_in_its_agents_first_job_until_the_next_run_began() -> None:
    died = run(1, 0, 30, state="crashed")
    runs = (died, run(2, 3, 20))
    jobs = (attempt(1, 0, 20, gpus=1), attempt(2, 22, 30, gpus=1, state="FAILED"))
    found = told(sweeps=(sweep(),), runs=runs, attempts=jobs, links=(link(1, 1, 1), link(2, 2, 1), link(3, 1, 2)))
    assert found == {"total": 28, "useful": 17, "lost": 11, "crashed": 11}


def test_a_false_alarm_loses_nothing_and_what_a_person_cleared_is_over() -> None:
    facts = carried(run(1, 0, 100), attempts=(attempt(1, 0, 100),), flags=(flag(1, "zombie", 10, 10.1),))
    assert told(**facts) == {"total": 200, "useful": 200}
    idle = (flag(1, "idle-gpu", 10, dismissed_at=at(11)),)
    assert told(**{**facts, "flags": idle}) == {"total": 200, "useful": 198, "lost": 2, "idle": 2}


def test_of_a_job_that_worked_for_another_workspace_too_only_what_is_ours_counts() -> None:
    facts = carried(run(1, 0, 10), attempts=(attempt(1, 0, 25),), agents=((1, 1),), other_agents=((1, 2),))
    facts["others"] = (run(2, 10, 20, sweep=2),)
    facts["links"] = (link(1, 1), link(2, 2))
    assert told(**facts) == {"total": 25, "useful": 20, "untold": 5}


def test_hours_of_an_unknown_run_go_to_the_agents_sweep_or_to_none() -> None:
    facts = week_facts(
        sweeps=(sweep(), sweep(2)),
        attempts=(attempt(1, 0, 1), attempt(2, 0, 1, user="")),
        agents=((1, 1), (1, 2)),
    )
    tables = counted(facts).tables
    by_sweep = {row.name: row.cells for row in tables["hours-by-sweep"].rows}
    assert {name: cells[0] for name, cells in by_sweep.items()} == {
        "no sweep is known of": "2.0", "search 1": "1.0", "search 2": "1.0",
    }  # fmt: skip
    assert {row.name for row in tables["hours-by-person"].rows} == {"mia", "—"}


def test_hours_are_unknown_and_not_nought_where_slurm_was_never_read() -> None:
    figure = counted(week_facts(known=Known(slurm="Slurm was never read"))).figures["hours-total"]
    assert (figure.value, figure.why) == (None, "Slurm was never read")


@pytest.mark.parametrize(("name", "hours"), [("2026-W13", 167), ("2026-W43", 169), ("2026-W47", 168)])
def test_a_job_of_a_whole_week_has_the_weeks_hours_also_where_clocks_are_changed(name: str, hours: int) -> None:
    week = parse_week(name, "Europe/Berlin")
    held = attempt(1, 0, gpus=1, start_at=week.start - timedelta(days=3), over_at=None)
    facts = WeekFacts(since=week.start, until=week.end, attempts=(held,))
    assert sum(one.hours for one in shares(facts)) == pytest.approx(hours)


LIVES = st.tuples(st.floats(-50, 160), st.floats(0.1, 100), st.sampled_from(["finished", "crashed", "running"]))
JOBS = st.tuples(st.floats(-50, 160), st.floats(0.1, 100), st.integers(1, 8))


@given(st.lists(JOBS, max_size=4), st.lists(LIVES, max_size=5), st.data())
def test_fates_always_add_up_to_what_the_cluster_gave(jobs: list, lives: list, data: st.DataObject) -> None:
    attempts = [attempt(n, begin, begin + long, gpus=gpus) for n, (begin, long, gpus) in enumerate(jobs, 1)]
    runs = [
        run(n, begin, None if state == "running" else begin + long, state=state, looked=data.draw(st.booleans()))
        for n, (begin, long, state) in enumerate(lives, 1)
    ]
    pairs = [(one.pk, of.pk) for one in attempts for of in runs if data.draw(st.booleans())]
    flags = [
        flag(n, rule, data.draw(st.floats(-10, 160)), run=1 if rule != "repeated-failure" else None)
        for n, rule in enumerate(("zombie", "idle-gpu", "wandb-dead-job-alive", "repeated-failure"), 1)
    ]
    facts = week_facts(
        runs=tuple(runs), attempts=tuple(attempts), flags=tuple(flags),
        links=tuple(link(n, of, job) for n, (job, of) in enumerate(pairs, 1)),
    )  # fmt: skip
    given_hours = 0.0
    for one in attempts:
        end, begin = min(one.over_at or at(168), at(168)), max(one.start_at or at(0), at(0))
        given_hours += one.gpus * max(timedelta(0), end - begin).total_seconds() / 3600
    found = shares(facts)
    assert sum(one.hours for one in found) == pytest.approx(given_hours, abs=1e-6)
    assert all(one.hours >= 0 for one in found)
    assert {one.fate for one in found} <= {"useful", "untold", *LOST}
