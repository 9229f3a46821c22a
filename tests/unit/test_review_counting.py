"""Every other number of a week: sweeps, verdicts, flags, resumes, results, and what people did."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from apps.review.domain.catalogue import MEASURES, PART_IDS, VERDICTS, rules
from apps.review.domain.facts import (
    AlertFact,
    BestRun,
    HandoverFact,
    Known,
    PlanFact,
    QuestionFact,
    WeekFacts,
)
from apps.review.domain.hours import shares
from apps.review.domain.late import late_figures, rows_of
from apps.review.domain.numbers import Figure, from_json, to_json
from apps.review.domain.results import moved_by
from apps.review.domain.review import Shown, review
from apps.review.domain.wording import amount
from tests.factories.review import (
    WEEK,
    at,
    attempt,
    counted,
    flag,
    link,
    run,
    sweep,
    values,
    week_facts,
    with_configs,
)


def keys(facts: WeekFacts, name: str) -> tuple[int, ...]:
    return counted(facts).figures[name].keys


def test_every_figure_that_is_counted_is_in_the_catalogue_and_the_other_way_round() -> None:
    assert set(counted(week_facts()).figures) == set(MEASURES)
    assert {one.part for one in MEASURES.values()} <= set(PART_IDS)


def test_the_page_for_people_holds_every_rule_of_counting() -> None:
    page = (Path(__file__).parents[2] / "docs" / "howto" / "weekly-review.md").read_text()
    assert "\n".join(rules()) in page, (
        "python -c 'from apps.review.domain.catalogue import rules; print(*rules(), sep=chr(10))'"
    )


def test_a_week_without_data_has_noughts_where_it_is_known_and_reasons_where_it_is_not() -> None:
    figures = counted(week_facts()).figures
    assert figures["runs"].value == figures["flags-raised"].value == figures["hours-total"].value == 0
    assert figures["flags-median"].value is None
    assert figures["flags-median"].why == "no flag was over this week"
    gone = Known(wandb="never", slurm="no", watched="not yet", alerts="thinned out")
    unknown = counted(week_facts(known=gone)).figures.values()
    assert {one.value for one in unknown} == {None}
    assert all(one.why for one in unknown)


def test_sweeps_are_started_finished_and_active() -> None:
    over = {"lives": False}
    sweeps = (
        sweep(1),
        sweep(8, last_sign_at=at(-20), updated_at=at(9), **over),  # its last run ended in an earlier week
        sweep(2, created_at=at(5)),
        sweep(3, **over),
        sweep(4, updated_at=at(9), **over),
        sweep(5, **over, later_run=True),
        sweep(6, updated_at=at(-3), **over),
        sweep(7, created_at=at(200)),
    )
    facts = week_facts(sweeps=sweeps, runs=(run(1, 0, 3, sweep=3), run(2, 0, 3, sweep=5), run(3, 0, sweep=1)))
    assert keys(facts, "sweeps-started") == (2,)
    assert keys(facts, "sweeps-finished") == (3, 4)
    assert keys(facts, "sweeps-active") == (1, 2, 5)
    rows = counted(facts).tables["sweeps"].rows
    assert [(row.key, row.cells[0]) for row in rows][:3] == [(1, "active"), (5, "active"), (2, "started, active")]
    assert rows[0].url == "https://wandb.ai/team/glue/sweeps/swp1"


def test_runs_are_told_by_their_verdict_and_one_that_was_never_judged_is_unknown() -> None:
    runs = (run(1), run(2, 0, 3), run(3, 0, 3, verdict=""), run(4, 0, 3, verdict="something new"))
    facts = week_facts(runs=runs)
    assert keys(facts, "verdict-healthy") == (1,)
    assert keys(facts, "verdict-done") == (2,)
    assert keys(facts, "verdict-unknown") == (3, 4)
    every = [value for name, value in values(facts).items() if name.startswith("verdict-")]
    assert sum(value or 0 for value in every) == 4
    assert len(every) == len(VERDICTS)


def test_flags_are_raised_cleared_and_open_and_the_median_is_of_those_that_were_over() -> None:
    flags = (
        flag(1, "zombie", 1, 3),
        flag(2, "zombie", 2, 8),
        flag(3, "stale-heartbeat", -5, 4, severity="warning"),
        flag(4, "zombie", 100),
        flag(5, "zombie", 10, 170),
        flag(6, "missing-seed", -9, severity="note"),
        flag(7, "missing-seed", -9, severity="note", dismissed_at=at(-9 + 15)),
        flag(8, "missing-seed", -9, severity="note", dismissed_at=at(-1)),
    )
    facts = week_facts(flags=flags)
    assert keys(facts, "flags-raised") == (1, 2, 4, 5)
    assert keys(facts, "flags-cleared") == (1, 2, 3, 7)
    assert keys(facts, "flags-open") == (4, 5, 6)
    assert values(facts)["flags-median"] == 7.5 * 3600
    assert counted(facts).tables["causes"].rows[0].cells[:4] == ("4 in 1 sweep", "critical", "2", "It said so.")


def test_what_went_wrong_stands_worst_first() -> None:
    flags = (
        *(flag(n, "missing-seed", n, severity="note") for n in range(1, 6)),
        flag(7, "stale-heartbeat", 1, severity="warning"),
        flag(8, "diverged", 1),
    )
    rows = counted(week_facts(flags=flags)).tables["causes"].rows
    assert [row.name for row in rows] == ["diverged", "stale-heartbeat", "missing-seed"]


def test_a_fast_completion_names_its_cause() -> None:
    flags = (
        flag(1, "fast-completion", 1, run=1, evidence="Finished after 42 min, at epoch 2 of 100 (log)."),
        flag(2, "fast-completion", 1, run=2),
        flag(3, "fast-completion", 1, run=99),
    )
    runs = (run(1, 0, 1), run(2, 0, 1, crash_class="config-error"))
    table = counted(week_facts(flags=flags, runs=runs)).tables["fast"]
    assert [(row.name, row.cells[1]) for row in table.rows] == [
        ("calm-1", "no crash class: Finished after 42 min, at epoch 2 of 100 (log)."),
        ("calm-2", "config-error"),
        ("a run that is gone", "It said so."),
    ]


def preempted(**saved: object) -> WeekFacts:
    """A run that was preempted at hour 10, came back at 12, and was preempted again at 20 for good."""
    jobs = (
        attempt(1, 0, 10, state="PREEMPTED"),
        attempt(2, 12, 20, state="PREEMPTED"),
    )
    dead = run(1, 0, 20, state="crashed", verdict="resume", trained_seconds=18 * 3600, **saved)
    return week_facts(runs=(dead,), attempts=jobs, links=(link(1, 1, 1), link(2, 1, 2)))


def test_preemptions_and_resumes_are_counted_with_the_wait_and_what_was_saved() -> None:
    kept = preempted(checkpoint_at=at(19), saved_at=(at(4), at(9), at(19)))
    found = values(kept)
    assert (found["preemptions"], found["resumes"], found["resume-median"]) == (2, 1, 2 * 3600)
    assert (found["hours-saved"], found["hours-abandoned"]) == (9, 18)
    rows = counted(kept).tables["resumed"].rows
    assert rows[0].cells == ("preempted", "2 h 00 min", "job 102", "9.0")


def test_a_resume_saves_only_what_a_checkpoint_holds_and_nothing_without_one() -> None:
    assert values(preempted(checkpoint_at=at(7)))["hours-saved"] == 7
    without = values(preempted())
    assert (without["hours-saved"], without["hours-abandoned"]) == (0, 0)


def test_what_a_resume_saved_is_unknown_where_nobody_knows_the_checkpoints_of_that_time() -> None:
    assert counted(preempted(checkpoint_at=at(19))).figures["hours-saved"].value is None
    figure = counted(preempted(looked=False)).figures["hours-saved"]
    assert figure.value is None
    assert "of 1 resumes nobody knows" in figure.why


def test_resumes_follow_the_order_in_which_attempts_began_and_wait_from_the_last_end() -> None:
    jobs = (
        attempt(1, 0, 10, state="PREEMPTED"),
        attempt(2, 30, 60, submit_at=at(1)),
        attempt(3, 12, 20, state="PREEMPTED", submit_at=at(11)),
    )
    links = tuple(link(pk, 1, pk) for pk in (1, 2, 3))
    found = values(week_facts(runs=(run(1, 0, 60),), attempts=jobs, links=links))
    assert (found["resumes"], found["resume-median"]) == (2, 6 * 3600)
    overlapping = (attempt(1, 0, 10), attempt(2, 5, 8), attempt(3, 12, 60))
    found = values(week_facts(runs=(run(1, 0, 60),), attempts=overlapping, links=links))
    assert (found["resumes"], found["resume-median"]) == (1, 2 * 3600)


@pytest.mark.parametrize(("again", "waited"), [(5, 2), (22, 19)])
def test_a_run_that_its_agent_left_waits_from_then_on(again: float, waited: float) -> None:
    runs = (run(1, 0, 30, state="crashed"), run(2, 3, 20))
    facts = week_facts(
        runs=runs, attempts=(attempt(1, 0, 20), attempt(2, again, 30)),
        links=(link(1, 1, 1), link(2, 2, 1), link(3, 1, 2)),
    )  # fmt: skip
    found = values(facts)
    assert (found["resumes"], found["resume-median"]) == (1, waited * 3600)


def test_runs_side_by_side_that_come_back_together_were_in_their_first_job_until_its_end() -> None:
    runs = (run(1, 0, 30), run(2, 0.1, 30))
    jobs = (attempt(1, 0, 10, state="PREEMPTED"), attempt(2, 12, 30))
    links = (link(1, 1, 1), link(2, 2, 1), link(3, 1, 2), link(4, 2, 2))
    facts = week_facts(runs=runs, attempts=jobs, links=links)
    found = values(facts)
    assert (found["resumes"], found["resume-median"], found["preemptions"]) == (2, 2 * 3600, 2)
    assert {one.run: one.hours for one in shares(facts) if one.job == 2} == {1: 18, 2: 18}


def test_a_preemption_is_of_the_run_that_was_in_the_job_and_not_of_those_before_it() -> None:
    runs = (run(1, 0, 3), run(2, 3, 6), run(3, 6, 9), run(4, 9, 12, state="crashed"))
    jobs = (attempt(1, 0, 12, state="PREEMPTED"),)
    facts = week_facts(runs=runs, attempts=jobs, links=tuple(link(pk, pk, 1) for pk in (1, 2, 3, 4)))
    assert counted(facts).figures["preemptions"].keys == (4,)


def test_what_was_given_up_counts_where_the_run_ended_and_with_what_it_had_trained_by_then() -> None:
    dead = run(1, 10, 60, state="crashed", checkpoint_at=at(59))
    facts = week_facts(runs=(dead, run(2, 60)), attempts=(attempt(1, 10, 208),), links=(link(1, 1), link(2, 2)))
    assert values(facts)["hours-abandoned"] == 50
    back = run(1, 150, checkpoint_at=at(159), trained_seconds=58 * 3600)
    jobs = (attempt(1, 150, 160, state="FAILED"), attempt(2, 175))
    found = counted(week_facts(runs=(back,), attempts=jobs, links=(link(1, 1, 1), link(2, 1, 2))))
    assert found.figures["hours-abandoned"].value == 10
    assert found.tables["abandoned"].rows[0].cells[2] == "10 h 00 min"


def test_a_run_that_comes_back_after_the_week_was_given_up_in_it_and_one_that_waits_was_not() -> None:
    jobs = (attempt(1, 0, 10, state="PREEMPTED"), attempt(2, 170, None))
    back = run(1, 0, checkpoint_at=at(9), trained_seconds=36000)
    facts = week_facts(runs=(back,), attempts=jobs, links=(link(1, 1, 1), link(2, 1, 2)))
    assert keys(facts, "hours-abandoned") == (1,)
    pending = replace(jobs[1], submit_at=at(11), start_at=None, state="PENDING")
    assert keys(replace(facts, attempts=(jobs[0], pending)), "hours-abandoned") == ()


def test_the_best_metric_of_a_sweep_names_what_moved_it() -> None:
    runs = (run(1, 0, 5, metric=0.4), run(2, 0, 5, metric=0.3), run(3, 0, 5, metric=0.9, sweep=2))
    sweeps = (
        sweep(1, best_before=BestRun(77, 0.5)),
        sweep(2, minimize=False, metric="acc", best_before=BestRun(78, 0.95)),
        sweep(3),
    )
    configs = {77: {"lr": 0.1, "depth": 4, "seed": 1}, 2: {"lr": 0.01, "depth": 4, "seed": 2}}
    facts = with_configs(week_facts(runs=runs, sweeps=sweeps), configs)
    assert keys(facts, "results") == (1,)
    rows = {row.key: row.cells for row in counted(facts).tables["results"].rows}
    assert rows[1] == ("loss ↓", "0.5", "0.3", "calm-2", "lr 0.1 → 0.01")
    assert rows[2] == ("acc ↑", "0.95", "0.95", "—", "no better than before")


def test_the_first_result_of_a_sweep_is_one_and_a_missing_config_is_unknown() -> None:
    facts = week_facts(runs=(run(1, 0, 5, metric=0.4),), sweeps=(sweep(1),))
    assert counted(facts).tables["results"].rows[0].cells[-1] == "the first result"
    assert moved_by(sweep(1), None, {}) == "unknown: a config is missing"
    assert moved_by(sweep(1, parameters=()), {}, {}) == "unknown: the sweep names no parameters"
    assert moved_by(sweep(1), {"lr": 1}, {"lr": 1}) == "the same parameters"
    many = sweep(1, parameters=("a", "b", "c", "d", "long"))
    assert moved_by(many, {}, {"a": 1, "b": 2, "c": 3, "d": 4, "long": "x" * 60}) == (
        "a none → 1, b none → 2, c none → 3 and 2 more"
    )


def test_handovers_are_written_picked_up_never_picked_up_and_archived() -> None:
    handovers = (
        HandoverFact(1, "HO-1", "main", "warm-up", at(1), (at(2),)),
        HandoverFact(2, "HO-2", "", "", at(3)),
        HandoverFact(3, "HO-3", "main", "", at(-90), (at(5), at(6)), (at(7),)),
        HandoverFact(4, "HO-4", "main", "", at(4), (at(200),)),
    )
    facts = week_facts(handovers=handovers)
    assert keys(facts, "handovers-written") == (1, 2, 4)
    assert keys(facts, "handovers-picked") == (1, 3)
    assert keys(facts, "handovers-never") == (2, 4)
    assert keys(facts, "handovers-archived") == (3,)


def test_plans_questions_and_alerts_are_counted_as_they_stood_when_the_week_ended() -> None:
    plans = (
        PlanFact(1, "done", "coder", at(1), at(300), (("approved", at(4)),)),
        PlanFact(2, "no", "coder", at(1), at(300), (("change-requested", at(2)), ("rejected", at(4)))),
        PlanFact(3, "waits", "coder", at(1), at(300)),
        PlanFact(4, "expired", "coder", at(1), at(73)),
        PlanFact(5, "decided later", "coder", at(1), at(300), (("approved", at(169)),)),
        PlanFact(6, "revised", "coder", at(1), at(300), (("change-requested", at(2)),), (at(3),)),
        PlanFact(7, "a new text voids it", "coder", at(1), at(300), (("approved", at(2)),), (at(3), at(169))),
        PlanFact(8, "revised, approved", "coder", at(1), at(300), (("approved", at(9)),), (at(3),)),
    )
    questions = (
        QuestionFact(1, "a", "coder", at(1), at(3)),
        QuestionFact(2, "b", "coder", at(1)),
        QuestionFact(3, "c", "coder", at(1), withdrawn_at=at(9)),
        QuestionFact(4, "d", "coder", at(1), at(200)),
    )
    alerts = (AlertFact(1, "ops", "x", "sent", at(1)), AlertFact(2, "ops", "y", "unsure", at(1)))
    facts = week_facts(plans=plans, questions=questions, alerts=alerts)
    assert (keys(facts, "plans-approved"), keys(facts, "plans-rejected")) == ((1, 7, 8), (2,))
    assert (keys(facts, "plans-open"), keys(facts, "questions-open")) == ((3, 5, 6, 7), (2, 4))
    assert (keys(facts, "questions-answered"), values(facts)["questions-wait"]) == ((1,), 7200)
    assert (keys(facts, "alerts-sent"), keys(facts, "alerts-unsent")) == ((1,), (2,))


def test_numbers_are_kept_as_json_and_read_back_whole() -> None:
    facts = replace(preempted(checkpoint_at=at(19)), flags=(flag(1),), sweeps=(sweep(),))
    numbers = counted(facts)
    assert from_json(json.loads(json.dumps(to_json(numbers)))) == numbers
    with pytest.raises(ValueError, match="version 99"):
        from_json({**to_json(numbers), "schema": 99})


def test_a_run_that_lived_on_brings_next_weeks_news_and_nothing_late() -> None:
    lives = run(1, 3, metric=0.5)
    ended = run(2, 3, 9, metric=0.6, sweep=2)
    then = counted(week_facts(sweeps=(sweep(1), sweep(2)), runs=(lives, ended)))
    done = replace(lives, ended_at=at(200), verdict="done", metric=0.2, state="finished")
    now = counted(week_facts(sweeps=(sweep(1), sweep(2)), runs=(done, ended)))
    assert late_figures(then, now) == {}
    shown = review(then, now, week=WEEK, workspace="", frozen_at=at(170)).tables("results")[0][1]
    assert not any(row.later for row in shown)
    judged = counted(week_facts(sweeps=(sweep(1), sweep(2)), runs=(done, replace(ended, verdict="resume"))))
    assert set(late_figures(then, judged)) == {"verdict-done", "verdict-resume"}


def test_what_is_not_known_to_live_is_not_active_and_what_w_and_b_has_no_more_is_no_result() -> None:
    facts = week_facts(sweeps=(sweep(1, lives=False, updated_at=None, created_at=None),))
    assert (keys(facts, "sweeps-active"), keys(facts, "sweeps-finished")) == ((), ())
    gone = run(1, 0, 5, metric=0.0001, state="deleted")
    table = counted(week_facts(sweeps=(sweep(),), runs=(gone, run(2, -5, 4, metric=0.4)))).tables["results"]
    assert (table.rows[0].cells[2], table.rows[0].cells[-1]) == ("0.4", "no run had ended before")


def test_what_came_later_is_late_and_what_is_forgotten_is_not() -> None:
    then = counted(week_facts(flags=(flag(1, cleared=5),)))
    now = counted(week_facts(flags=(flag(1, cleared=6), flag(2, "diverged", 3))))
    late = late_figures(then, now)
    assert late["flags-raised"].came == (2,)
    assert late["flags-raised"].now.value == 2
    assert late["flags-median"].now.value == 5 * 3600
    assert "flags-cleared" not in late
    rows = rows_of(then.tables["causes"], now.tables["causes"])
    assert [(one.row.name, one.late) for one in rows] == [("zombie", False), ("diverged", True)]
    forgotten = counted(week_facts(known=Known(alerts="messages are kept for 90 days")))
    assert late_figures(counted(week_facts()), forgotten) == {}
    assert late_figures(forgotten, counted(week_facts()))["alerts-sent"].now.value == 0


def test_a_row_that_reads_otherwise_now_says_both() -> None:
    then = counted(week_facts(flags=(flag(1),)))
    now = counted(week_facts(flags=(flag(1, cleared=50),)))
    (one,) = rows_of(then.tables["causes"], now.tables["causes"])
    assert (one.row.cells[2], one.later[2]) == ("1", "0")


def test_a_trend_is_told_only_where_the_figures_read_otherwise() -> None:
    def shown(now: float | None, before: float | None, name: str = "hours-lost") -> Shown:
        return Shown(MEASURES[name], Figure(name, now), Figure(name, before), None)

    assert [shown(*pair).trend for pair in ((3, 2), (2, 3), (2.01, 2.02), (None, 2), (2, None))] == [
        "worse", "better", "same", "", "",
    ]  # fmt: skip
    assert [shown(*pair, "sweeps-active").trend for pair in ((3, 2), (2, 3))] == ["more", "less"]
    assert shown(3, 2, "hours-useful").trend == "better"
    assert [amount(Figure("x", hours), "hours") for hours in (0, 0.01, 2.04, 318.5, None)] == [
        "0.0 h", "< 0.1 h", "2.0 h", "318 h", "unknown",
    ]  # fmt: skip
