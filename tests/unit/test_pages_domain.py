"""What the pages of runs and sweeps decide without a database: arithmetic, diffs, windows, views, cells, spans."""

from dataclasses import replace
from datetime import datetime, timedelta
from urllib.parse import parse_qs

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.pages.domain.batch import arithmetic
from apps.pages.domain.cells import safe_cell
from apps.pages.domain.configs import compared, drift
from apps.pages.domain.importances import LEAST_RUNS, Sample, importances, rank_correlation
from apps.pages.domain.logwindow import (
    BEFORE,
    LEAD,
    LONGEST_LINE,
    WINDOW,
    hits,
    is_beyond,
    longest,
    read_from,
    start_of,
    window,
)
from apps.pages.domain.runlife import HEARD, NO_JOB, PENDING, SLURM, WANDB, AttemptLife, RunLife, spans_of
from apps.pages.domain.tables import NEWEST, TableView, parameter_space, paths_of
from tests.factories.moments import NOW, before

# batch


def test_a_step_sees_batch_times_accumulation_times_gpus() -> None:
    found = arithmetic({"per_device_train_batch_size": 8, "gradient_accumulation_steps": 4}, 2, "job 7")
    assert found.product == 64
    assert [one.source for one in found.factors][2] == "job 7"
    assert found.note == ""


@pytest.mark.parametrize(
    ("config", "gpus"),
    [
        ({"batch_size": 8}, 2),
        ({"gradient_accumulation_steps": 4}, 2),
        ({"batch_size": 8, "grad_accum": 1}, None),
        ({"batch_size": "many", "grad_accum": 1}, 2),
        ({"batch_size": 8, "grad_accum": 1}, 0),
    ],
)
def test_a_factor_that_nobody_tells_makes_the_product_unknown(config: dict[str, object], gpus: int | None) -> None:
    found = arithmetic(config, gpus, "job 7")
    assert found.product is None
    assert [one for one in found.factors if one.value is None]


# configs


def test_drift_names_the_keys_that_both_have_with_other_values_first() -> None:
    rows = drift({"a": {"lr": 0.1}, "seed": 7, "only": 1}, {"lr": 0.2, "seed": "7", "extra": True})
    assert [(row.key, row.values, row.mark) for row in rows if row.mark == "changed"] == [
        ("a.lr", ("0.1", "0.2"), "changed")
    ]
    assert {row.key: row.mark for row in rows} == {
        "a.lr": "changed",
        "seed": "same",
        "extra": "only-wandb",
        "only": "only-disk",
    }


def test_what_may_differ_is_no_drift() -> None:
    assert [row.mark for row in drift({"output_dir": "a", "mine": 1}, {"output_dir": "b", "mine": 2}, ["mine"])] == [
        "usual",
        "usual",
    ]


def test_compared_configs_show_first_what_differs_or_is_lacking() -> None:
    rows = compared([{"lr": 0.1, "same": 1, "flag": True}, {"lr": 0.1, "same": 1.0, "flag": 1, "more": None}])
    assert [(row.key, row.mark) for row in rows] == [
        ("flag", "changed"),
        ("more", "partial"),
        ("lr", "same"),
        ("same", "same"),
    ]
    assert rows[1].values == (None, "null"), "a key that is not there is not null"


# logs


def test_a_window_holds_whole_lines_with_the_byte_at_which_each_begins() -> None:
    content = b"one\ntwo\nthree\nfour"
    found = window(content[2:15], 2, len(content), [4])
    assert [(line.byte, line.text, line.marked) for line in found.lines] == [(4, "two", True), (8, "three", False)]
    assert (found.begin, found.end, found.older, found.newer) == (4, 14, 0, 14)


def test_a_line_longer_than_the_window_is_shown_cut_and_never_lost() -> None:
    found = window(b"x" * WINDOW, 100, 10 * WINDOW)
    assert [len(line.text) for line in found.lines] == [LONGEST_LINE]
    assert found.lines[0].cut
    assert found.newer == 100 + WINDOW, "reading goes on"


@given(st.text("a\n", max_size=400).map(str.encode), st.integers(0, 400))
def test_windows_one_after_the_other_show_every_line_of_any_log_once(content: bytes, step: int) -> None:
    size, at, told = len(content), 0, []
    for _ in range(size + 2):
        first = read_from(at)
        part = window(content[first : at + 64 + step], first, size)
        told += [line.byte for line in part.lines]
        if part.newer is None:
            break
        assert part.newer > at
        at = part.newer
    starts = [0, *(place + 1 for place, one in enumerate(content) if one == 10)]
    long_lines = any(len(line) > 60 for line in content.split(b"\n"))
    assert long_lines or told == [place for place in starts if place < size]


def test_the_tail_is_read_where_nothing_is_asked_for_and_nothing_beyond_the_log() -> None:
    assert start_of(10 * WINDOW, None) == 9 * WINDOW
    assert (start_of(10, None), start_of(10, 9), start_of(10, -3)) == (0, 9, 0)
    assert start_of(10 * WINDOW, 99 * WINDOW) == start_of(10 * WINDOW, 10 * WINDOW) == 9 * WINDOW
    assert start_of(10 * WINDOW, None, 5 * WINDOW) == 5 * WINDOW - BEFORE
    assert [is_beyond(size, 7) for size in (0, 7, 8)] == [True, True, False]
    assert not is_beyond(0, 0), "a log that is empty has nothing to be beyond"


def test_colours_control_characters_and_redrawn_bars_do_not_reach_the_page() -> None:
    found = window(b"\x1b[31mred\x1b[0m\x07\n 1%|\r 50%|\r 100%|\r\n", 0, 40)
    assert [line.text for line in found.lines] == ["red", " 100%|"]


def test_a_search_takes_words_as_they_are_and_tells_bytes() -> None:
    found = hits(b"fine\nError (a+b)\nerror (A+B) again\n", 100, "error (a+b)")
    assert [(one.byte, one.text) for one in found] == [(105, "Error (a+b)"), (117, "error (A+B) again")]
    assert hits(b"a\n" * 90, 0, "a", most=50)[-1].end == 100


def test_a_search_takes_letters_beyond_ascii_whatever_their_case() -> None:
    content = "die ÄNDERUNG der größe\nandere\nDIE änderung DER GRÖSSE\n".encode()
    for sought in ("änderung", "Änderung", "GRÖßE"):
        assert len(hits(content, 0, sought)) == 2, sought
    assert hits(content, 0, "anderung") == []
    assert longest("äß") == 4


def test_a_line_that_is_jumped_into_is_shown_from_shortly_before_that_byte() -> None:
    content = b"up\n" + b"x" * 9000 + b"NEEDLE" + b"y" * 9000 + b"\ndown\n"
    place = content.index(b"NEEDLE")
    for first in (0, 1, place - 3000):
        found = window(content[first : first + 12_000], first, len(content), [place], place)
        line = next(one for one in found.lines if one.here)
        assert line.text.startswith("x" * LEAD + "NEEDLE")
        assert (line.led, line.cut, line.marked, len(line.text)) == (True, True, True, LONGEST_LINE)
    whole = window(content[place - 3000 :], place - 3000, len(content), [place], place)
    assert [one.here for one in whole.lines] == [True, False], "though where the line begins was not read"


def test_of_a_redrawn_line_the_frame_that_is_jumped_into_is_shown() -> None:
    content = b" 1%|\r 50%|\r 100%|\r\n"
    assert [one.text for one in window(content, 0, len(content), [6], 6).lines] == [" 50%|"]
    assert [one.text for one in window(content, 0, len(content), [0], 0).lines] == [" 100%|"]


def test_half_a_letter_does_not_begin_a_line_that_is_jumped_into() -> None:
    content = ("é" * 5000).encode()
    line = window(content, 0, len(content), [], 5001).lines[0]
    assert set(line.text) == {"é"}


# tables


def test_a_view_keeps_what_an_address_says_and_leaves_nonsense_out() -> None:
    view = TableView.from_query(
        {
            "c": ["config.lr", "nonsense", "state"],
            "sort": ["-summary.loss"],
            "q": [" mia "],
            "page": ["x"],
            "range": ["config.lr~0.1~", "config.lr~a~b", "state~1~2", "summary.loss~2~1"],
            "word": ["config.opt~adam", "state~x"],
        }
    )
    assert view.columns == ("config.lr", "state")
    assert (view.sort, view.q, view.page) == ("-summary.loss", "mia", 1)
    assert [one.words for one in view.ranges] == ["lr ≥ 0.1", "loss 1 … 2"]
    assert view.words == (("config.opt", "adam"),)


@given(
    st.lists(st.sampled_from(["config.lr", "state", "summary.a/b", "gpu_hours"])),
    st.sampled_from(["runtime", "-config.lr", "x"]),
)
def test_a_view_reads_its_own_address_back(columns: list[str], sort: str) -> None:
    view = TableView.from_query({"c": columns, "sort": [sort], "range": ["metric~0.1~0.25"], "page": ["3"]})
    assert TableView.from_query(parse_qs(view.query())) == view


def test_a_key_that_databases_cannot_name_is_shown_and_not_sorted_by() -> None:
    view = TableView.from_query({"c": ['config."odd"'], "sort": ['config."odd"']})
    assert (view.columns, view.sort) == (('config."odd"',), NEWEST)


def test_a_dotted_key_is_sought_whole_and_nested() -> None:
    assert paths_of("config.a.b") == [["a.b"], ["a", "b"]]
    assert paths_of("summary.train/loss") == [["train/loss"]]


def test_the_parameter_space_is_told_in_words_those_that_vary_first() -> None:
    space = parameter_space(
        {
            "parameters": {
                "epochs": {"value": 3},
                "lr": {"min": 1e-5, "max": 0.1, "distribution": "log_uniform_values"},
                "opt": {"parameters": {"name": {"values": ["adam", "sgd"]}}},
                "odd": 7,
            }
        }
    )
    assert [(one.name, one.says, one.log, one.fixed) for one in space] == [
        ("lr", "1e-05 … 0.1, log_uniform_values", True, False),
        ("opt.name", "one of adam, sgd", False, False),
        ("epochs", "always 3", False, True),
        ("odd", "7", False, True),
    ]


# cells


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1"])
def test_a_text_that_a_spreadsheet_would_calculate_is_marked_as_text(text: str) -> None:
    assert safe_cell(text) == f"'{text}"


def test_numbers_stay_numbers_and_unknown_is_empty() -> None:
    assert [safe_cell(one) for one in (-1.5, 3, None, True, "a-b", [1, "=x"])] == [
        -1.5,
        3,
        "",
        "true",
        "a-b",
        '[1, "=x"]',
    ]


# spans


def test_a_life_is_drawn_from_what_is_stored_and_gaps_between_attempts_are_no_job() -> None:
    life = RunLife(
        "calm",
        "crashed",
        False,
        before(hours=5),
        before(hours=1),
        (
            AttemptLife("7", "PREEMPTED", before(hours=6), before(hours=5), before(hours=4)),
            AttemptLife("8", "FAILED", before(hours=3), before(hours=2), before(hours=1)),
        ),
    )
    told = [(one.lane, one.state, (one.end - one.begin) / timedelta(hours=1)) for one in spans_of(life, NOW)]
    assert told == [
        (WANDB, HEARD, 4),
        (WANDB, "crashed", 1),
        (SLURM, PENDING, 1),
        (SLURM, "RUNNING", 1),
        (SLURM, NO_JOB, 1),
        (SLURM, PENDING, 1),
        (SLURM, "RUNNING", 1),
    ]


def lived(state: str, heard: datetime, *seen: tuple[datetime, str]) -> list[tuple[str, float]]:
    life = RunLife("calm", state, state == "running", before(hours=8), heard, seen=seen)
    return [(one.state, (one.end - one.begin) / timedelta(hours=1)) for one in spans_of(life, NOW)]


def test_the_states_that_passes_saw_are_drawn_one_after_the_other() -> None:
    seen = ((before(hours=7), "running"), (before(hours=4), "crashed"), (before(hours=2), "running"))
    assert lived("running", NOW, *seen) == [(HEARD, 1), ("running", 3), ("crashed", 2), ("running", 2)]
    silent = lived("running", before(hours=1), *seen)
    assert silent == [(HEARD, 1), ("running", 3), ("crashed", 2), ("running", 1), ("running", 1)]
    over = (*seen, (before(hours=1), "finished"))
    assert lived("finished", before(hours=1), *over)[-2:] == [("running", 1), ("finished", 1)]


def test_a_state_that_no_pass_noted_begins_with_the_last_sign_of_life() -> None:
    seen = ((before(hours=7), "running"),)
    assert lived("finished", before(hours=3), *seen) == [(HEARD, 1), ("running", 4), ("finished", 3)]


def test_what_was_seen_before_the_run_began_is_not_drawn() -> None:
    assert lived("crashed", before(hours=3), (before(hours=9), "running")) == [(HEARD, 5), ("crashed", 3)]


def test_a_run_without_any_time_or_job_has_no_span() -> None:
    assert spans_of(RunLife("x", "pending", True, None, None), NOW) == []


# what bears on a metric


def samples(number: int) -> list[Sample]:
    """Runs whose metric hangs on ``lr`` alone."""
    return [
        Sample({"lr": 10.0 ** -(place % 5), "width": place % 3, "seed": 1}, float(place % 5)) for place in range(number)
    ]


def test_the_parameter_that_decides_the_metric_bears_most_and_the_same_runs_tell_the_same() -> None:
    found = importances(samples(60), "loss", "minimize", frozenset({"lr"}), 70)
    names = [one["name"] for one in found["parameters"]]
    assert names[0] == "lr"
    assert (found["runs"], found["of"], found["constant"]) == (60, 70, ["seed"])
    assert found["parameters"][0]["spearman"] == pytest.approx(-1)
    assert found == importances(samples(60), "loss", "minimize", frozenset({"lr"}), 70)


def test_too_few_runs_say_so_and_show_nothing() -> None:
    found = importances(samples(LEAST_RUNS - 1), "loss", "minimize", frozenset(), 19)
    assert set(found) == {"said"}
    assert f"Too few runs: {LEAST_RUNS - 1}" in found["said"]


@pytest.mark.parametrize("goal", ["minimize", "maximize"])
@pytest.mark.parametrize("worse", [0, 3])
def test_where_nothing_tells_the_best_runs_apart_no_winner_is_named(goal: str, worse: int) -> None:
    off = 1.0 if goal == "minimize" else -1.0
    runs = [replace(one, metric=off if place < worse else 0.0) for place, one in enumerate(samples(30))]
    found = importances(runs, "loss", goal, frozenset(), 30)
    assert found == {
        "said": f"Nothing tells the best runs apart: by loss, {30 - worse} of 30 are among the best tenth or as good. "
        "No parameter is weighed."
    }


def test_one_parameter_alone_is_compared_with_nothing() -> None:
    alone = [Sample({"lr": float(place)}, float(place)) for place in range(30)]
    assert importances(alone, "loss", "minimize", frozenset(), 30) == {
        "said": "1 parameter of the sweep varies; importance compares two or more."
    }


def test_ties_share_their_rank_and_a_flat_side_has_no_correlation() -> None:
    assert rank_correlation([(float(place // 2), float(place)) for place in range(40)]) == pytest.approx(
        0.999, abs=0.01
    )
    assert rank_correlation([(1.0, float(place)) for place in range(40)]) is None
    assert rank_correlation([(1.0, 2.0)]) is None
