"""Figures as data: what each chart of a sweep and of a run draws, says and lists."""

import json
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apps.pages.domain.runlife import AttemptLife, RunLife
from apps.pages.figures.chart import CLEAR, DARK, LIGHT, Chart, cell, plain
from apps.pages.figures.curves import Curve, band_of, curves, quantile
from apps.pages.figures.importance import importance
from apps.pages.figures.parallel import Trial, parallel
from apps.pages.figures.results import Result, best_so_far, cost, edges_of, histogram, improvements, spread
from apps.pages.figures.spans import states, timeline
from tests.factories.moments import NOW, before


def drawn(chart: Chart, scheme: Any = LIGHT) -> dict[str, Any]:
    assert chart.draw is not None
    made: dict[str, Any] = json.loads(chart.draw(scheme).to_json())
    return made


def trace(chart: Chart, name: str) -> dict[str, Any]:
    return next(one for one in drawn(chart)["data"] if one.get("name") == name)


CHOSEN = [Curve("best", ((0.0, 2.0), (10.0, 1.0)))]
REST = [Curve(f"r{place}", ((0.0, float(place)), (10.0, float(place)))) for place in range(5)]
RESULTS = [
    Result("a", before(hours=9), 0.5, 1.0, 2.0),
    Result("b", before(hours=7), 0.6, 1.0, 3.0),
    Result("c", before(hours=5), 0.3, 2.0, None),
    Result("d", None, 0.1, None, 4.0),
    Result("e", before(hours=1), None, 3.0, 1.0),
]
LIFE = RunLife(
    "calm",
    "crashed",
    False,
    before(hours=5),
    before(hours=1),
    (
        AttemptLife("7", "PREEMPTED", before(hours=6), before(hours=5), before(hours=4)),
        AttemptLife("7", "RUNNING", before(hours=3), before(hours=2), None),
    ),
)
RESULT = {
    "method": "PED-ANOVA (optuna)",
    "metric": "loss",
    "goal": "minimize",
    "runs": 40,
    "of": 50,
    "seed": 7,
    "resamples": 20,
    "parameters": [
        {"name": "lr", "importance": 0.8, "low": 0.7, "high": 0.9, "spearman": -0.4, "n": 40},
        {"name": "opt", "importance": 0.2, "low": 0.1, "high": 0.3, "spearman": None, "n": 40},
    ],
    "constant": ["epochs"],
}
TRIALS = [
    Trial("a", {"lr": 0.1, "opt": "adam", "same": 1}, 0.5),
    Trial("b", {"lr": 0.001, "opt": "sgd", "same": 1}, 0.4),
    Trial("c", {"lr": 0.01, "opt": None, "same": 1}, 0.3),
    Trial("d", {"lr": 0.01, "opt": "sgd", "same": 1}, None),
]
EVERY = [
    curves(CHOSEN, REST, "loss"),
    best_so_far(RESULTS, "loss", "minimize"),
    cost(RESULTS, "loss", "minimize"),
    spread(RESULTS),
    importance(RESULT, ""),
    parallel(TRIALS, ["lr", "opt", "same"], "loss", frozenset({"lr"}), 4),
    states(LIFE, NOW, [before(hours=3)]),
    timeline([LIFE], NOW, [("calm", before(hours=3))], total=1),
]
EMPTY = [
    curves([], [], ""),
    best_so_far([], "loss", "minimize"),
    cost([], "loss", "minimize"),
    spread([]),
    importance({}, "Too few runs."),
    parallel([], [], "loss", frozenset(), 0),
    timeline([], NOW, [], total=0),
    states(RunLife("x", "pending", True, None, None), NOW),
]


@pytest.mark.parametrize("chart", EVERY, ids=lambda chart: chart.name)
def test_every_chart_has_a_sentence_a_table_and_a_figure_on_clear_ground(chart: Chart) -> None:
    for scheme in (LIGHT, DARK):
        layout = drawn(chart, scheme)["layout"]
        assert (layout["paper_bgcolor"], layout["plot_bgcolor"]) == (CLEAR, CLEAR)
        assert layout["font"]["color"] == scheme.text
    assert len(chart.sentence) > 20
    assert chart.table.rows
    assert {len(row) for row in chart.table.rows} == {len(chart.table.columns)}


@pytest.mark.parametrize("chart", EMPTY, ids=lambda chart: chart.name)
def test_without_rows_a_chart_draws_nothing_and_says_why(chart: Chart) -> None:
    assert not chart.drawn
    assert chart.sentence
    assert chart.table.rows == ()


def test_the_band_holds_the_middle_of_the_runs_that_came_so_far() -> None:
    band = band_of(REST)
    assert (band.runs[0], band.low[0], band.middle[0], band.high[0]) == (5, pytest.approx(0.4), 2.0, pytest.approx(3.6))
    assert band_of(REST[:2]).steps == (), "a quantile of two says nothing"
    assert quantile([1.0, 2.0], 0.5) == 1.5


def test_chosen_runs_are_told_apart_by_colour_and_dash() -> None:
    made = drawn(curves([Curve(f"r{place}", ((0.0, 1.0), (1.0, 2.0))) for place in range(8)], [], "loss"))
    looks = {(one["line"]["color"], one["line"]["dash"]) for one in made["data"]}
    assert len(looks) == 8


def test_an_improvement_is_a_run_better_than_all_before_it_and_has_its_price() -> None:
    found = improvements(RESULTS, "minimize")
    assert [(one.run, one.gain, one.cost) for one in found] == [("a", None, 2.0), ("c", pytest.approx(0.2), 3.0)]
    assert [one.run for one in improvements(RESULTS, "maximize")] == ["a", "b"]
    assert "GPU hours of 1 run are unknown" in cost(RESULTS, "loss", "minimize").note


def test_the_best_so_far_never_gets_worse() -> None:
    values = trace(best_so_far(RESULTS, "loss", "minimize"), "best so far")["y"]
    assert values == sorted(values, reverse=True)


def test_every_value_falls_into_one_bin() -> None:
    values = [0.1, 0.1, 5.0, 100.0]
    assert sum(histogram(values, edges_of(values))) == 4
    assert sum(histogram([3.0], edges_of([3.0]))) == 1
    assert edges_of([]) == []


def test_parallel_axes_tell_the_table_how_their_places_are_read() -> None:
    made = drawn(EVERY[5])
    axes = made["layout"]["meta"]["axes"]
    assert axes == [
        {"key": "config.lr", "kind": "log", "words": []},
        {"key": "config.opt", "kind": "text", "words": ["adam", "sgd"]},
        {"key": "metric", "kind": "number", "words": []},
    ]
    assert made["data"][0]["dimensions"][0]["values"] == [pytest.approx(-1), pytest.approx(-3)]
    assert "Left out for want of the metric or of one of the values: 2 runs." in EVERY[5].note


def test_an_axis_of_lists_and_numbers_among_texts_has_their_words() -> None:
    values = [[64, 64], "none", 3, "0.5", True, 0.5]
    trials = [Trial(str(place), {"x": value}, float(place)) for place, value in enumerate(values)]
    axes = drawn(parallel(trials, ["x"], "loss", frozenset(), 6))["layout"]["meta"]["axes"]
    assert axes[0] == {"key": "config.x", "kind": "text", "words": ["0.5", "3", "[64, 64]", "none", "true"]}


def test_texts_of_numbers_among_numbers_are_no_place_on_a_scale() -> None:
    trials = [Trial(str(place), {"x": value}, float(place)) for place, value in enumerate(["0.2", 0.1])]
    axes = drawn(parallel(trials, ["x"], "loss", frozenset(), 2))["layout"]["meta"]["axes"]
    assert (axes[0]["kind"], axes[0]["words"]) == ("text", ["0.1", "0.2"])


def test_states_stand_on_one_axis_of_time_with_resumes_marked() -> None:
    made = drawn(EVERY[6])
    assert {lane for one in made["data"] for lane in one["y"]} == {"W&B", "Slurm"}
    assert made["layout"]["xaxis"]["type"] == "date"
    running = trace(EVERY[6], "RUNNING")
    assert running["x"] == [
        timedelta(hours=1) / timedelta(milliseconds=1),
        timedelta(hours=2) / timedelta(milliseconds=1),
    ]
    assert trace(EVERY[6], "resumed by Sweepboard")["x"] == ["2026-11-23 09:00:00"]


def test_states_that_passes_saw_stand_in_the_sentence_and_in_the_table() -> None:
    seen = ((before(hours=4), "running"), (before(hours=2), "crashed"), (before(hours=1), "running"))
    chart = states(replace(LIFE, state="running", live=True, heard=NOW, seen=seen), NOW)
    assert chart.sentence.startswith("W&B says running, after running, crashed; Slurm knew")
    assert [row[1] for row in chart.table.rows if row[0] == "W&B"] == ["heard", "running", "crashed", "running"]


def test_the_timeline_marks_preemptions_and_counts_what_followed() -> None:
    assert trace(EVERY[7], "preempted")["x"] == ["2026-11-23 08:00:00"]
    assert "2 attempts, 1 preemption, 1 that followed an earlier one, 1 resume by Sweepboard" in EVERY[7].sentence


def test_importance_states_method_sample_and_how_sure_it_is() -> None:
    assert "PED-ANOVA (optuna), 40 runs of 50" in EVERY[4].sentence
    bars = trace(EVERY[4], "importance")
    assert bars["error_x"]["array"] == [pytest.approx(0.1), pytest.approx(0.1)]
    assert "Not varied: epochs." in EVERY[4].note


def test_names_that_look_like_tags_are_drawn_as_they_are() -> None:
    assert plain("<b>&</b>") == "&lt;b&gt;&amp;&lt;/b&gt;"
    hostile = RunLife("<b>x</b>", "running", True, before(hours=2), before(hours=1), ())
    made = json.dumps(drawn(timeline([hostile], NOW, [], total=1)))
    assert "<b>" not in made
    assert "<b>" not in json.dumps(drawn(curves([Curve("<b>x", ((0.0, 1.0), (1.0, 2.0)))], [], "<b>")))


def test_a_cell_says_unknown_as_a_dash() -> None:
    assert [cell(one) for one in (None, "", 0.123456, True, NOW)] == ["—", "—", "0.1235", "yes", "2026-11-23 12:00:00"]
