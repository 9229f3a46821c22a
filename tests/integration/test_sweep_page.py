"""The page of one sweep over HTTP: its table, charts and comparisons, what they cost and what cannot break them."""

import csv
import io
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote, urlencode

import pytest
import time_machine
from django.test import Client

from apps.core.permissions import Role
from apps.handovers.models import Mention
from apps.pages.models import Importance, SavedView
from apps.pages.services.importances import ask_for_importance, drive_importance, unfinished_importances
from apps.sweeps.models import Run, Sweep
from tests.factories.approvals import handover
from tests.factories.moments import NOW
from tests.factories.pages import charted_sweep, queries, text_of
from tests.factories.rows import (
    FlagFactory,
    RunFactory,
    RunStatusFactory,
    SweepFactory,
    WorkspaceFactory,
    both_sources_answered,
)
from tests.integration.conftest import client_of

pytestmark = pytest.mark.django_db
CHARTS = ("curves", "best", "cost", "importance", "spread", "timeline", "parallel")


@pytest.fixture(autouse=True)
def _noon() -> object:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No broker: what would be sent to a worker is listed."""
    told: list[int] = []
    monkeypatch.setattr("apps.pages.views.catalogue.send_importance", lambda one: told.append(one.pk))
    return told


# one sweep


def test_a_sweep_page_tells_purpose_space_states_and_verdicts(operator: Client) -> None:
    both_sources_answered()
    sweep = charted_sweep(6)
    text = text_of(operator, f"/sweeps/{sweep.pk}")
    for said in (
        "Whether a warm-up helps.",
        "one of adam, sgd",
        "log_uniform_values",
        "done <strong>4</strong>",
        "6 runs",
        "of 11 expected",
        "agents' jobs",
        "minimize val/loss",
    ):
        assert said in text, said


def test_an_empty_sweep_says_why_and_what_next(operator: Client) -> None:
    text = text_of(operator, f"/sweeps/{SweepFactory(config={}).pk}")
    for said in (
        "No run yet",
        "There is nothing to draw",
        "Nobody wrote down why",
        "W&amp;B tells no parameters",
        "unknown: no job",
    ):
        assert said in text, said


def test_the_newest_five_handovers_stand_on_the_page_with_a_way_to_all(operator: Client) -> None:
    sweep = SweepFactory()
    assert "None does: a handover names a sweep" in text_of(operator, f"/sweeps/{sweep.pk}")
    run, workspace = RunFactory(sweep=sweep), WorkspaceFactory()
    made = []
    for day in range(1, 8):
        key, at = f"HO-202611{day:02}-0900-aaaa", datetime(2026, 11, day, 9, tzinfo=UTC)
        made.append(handover(key, workspace=workspace, date=at, focus=f"look {day}", state="superseded"))
        told = {"kind": "run", "run": run} if day % 2 else {"kind": "sweep", "sweep": sweep}
        Mention.objects.create(handover=made[-1], name="x", **told)
    text = text_of(operator, f"/sweeps/{sweep.pk}")
    shown = [day for day in range(1, 8) if f'id="handover-{made[day - 1].pk}"' in text]
    assert shown == [3, 4, 5, 6, 7]
    assert text.index("look 7") < text.index("look 3")
    for said in ("HO-20261107-0900-aaaa · superseded", "2026-11-07 09:00", f"/handovers/naming/sweep/{sweep.pk}"):
        assert said in text, said


def rows(text: str) -> list[str]:
    return [part.split('"')[0] for part in text.split('id="open-')[1:]]


def values(sweep: Sweep, *told: Any) -> list[Run]:
    return [
        RunFactory(sweep=sweep, name=f"r{place}", summary=one, config={"opt": {"lr": place}}, created_at=NOW)
        for place, one in enumerate(told)
    ]


def test_any_metric_sorts_numbers_then_texts_and_the_missing_last_both_ways(operator: Client) -> None:
    sweep = SweepFactory()
    two, text, missing, null, one, minus = values(
        sweep, {"a/b": 2}, {"a/b": "NaN"}, {}, {"a/b": None}, {"a/b": 1.5}, {"a/b": -3}
    )
    keys = [str(run.pk) for run in (minus, one, two, text)]
    up = rows(text_of(operator, f"/sweeps/{sweep.pk}?sort=summary.a/b"))
    down = rows(text_of(operator, f"/sweeps/{sweep.pk}?sort=-summary.a/b"))
    assert up[:4] == keys
    assert down[:4] == [*reversed(keys[:3]), keys[3]]
    assert set(up[4:]) == set(down[4:]) == {str(missing.pk), str(null.pk)}


def test_a_nested_key_is_a_column_and_a_range(operator: Client) -> None:
    sweep = SweepFactory()
    runs = values(sweep, {}, {}, {})
    text = text_of(operator, f"/sweeps/{sweep.pk}?c=config.opt.lr&sort=-config.opt.lr&range=config.opt.lr~1~")
    assert rows(text) == [str(runs[2].pk), str(runs[1].pk)]
    assert "lr ≥ 1" in text


def test_a_key_with_letters_beyond_ascii_is_sorted_and_narrowed_by(operator: Client) -> None:
    sweep = SweepFactory()
    small, large = (RunFactory(sweep=sweep, config={"größe": {"höhe m": size}}) for size in (2, 30))
    key = quote("config.größe.höhe m")
    assert rows(text_of(operator, f"/sweeps/{sweep.pk}?sort=-{key}")) == [str(large.pk), str(small.pk)]
    assert rows(text_of(operator, f"/sweeps/{sweep.pk}?sort={key}")) == [str(small.pk), str(large.pk)]
    assert rows(text_of(operator, f"/sweeps/{sweep.pk}?range={key}~1~9")) == [str(small.pk)]


def test_the_flags_of_a_run_have_the_colour_of_the_worst(operator: Client) -> None:
    run = RunFactory()
    for rule, severity in (("missing-seed", "note"), ("zombie", "warning"), ("diverged", "critical")):
        FlagFactory(run=run, rule=rule, severity=severity)
        cell = text_of(operator, f"/sweeps/{run.sweep_id}?c=flags").split('<span class="tally ')[1]
        assert cell.startswith(severity)
    assert cell.startswith('critical">diverged zombie missing-seed<')


def test_an_integer_that_no_float_holds_breaks_no_table(operator: Client) -> None:
    sweep = SweepFactory()
    small = RunFactory(sweep=sweep, config={"lr": 2})
    huge = RunFactory(sweep=sweep, config={"lr": 10**400})
    assert set(rows(text_of(operator, f"/sweeps/{sweep.pk}?sort=config.lr"))) == {str(small.pk), str(huge.pk)}
    assert rows(text_of(operator, f"/sweeps/{sweep.pk}?range=config.lr~1~3")) == [str(small.pk)]
    assert len(text_of(operator, f"/sweeps/{sweep.pk}/runs.csv?sort=-config.lr&c=config.lr").splitlines()) == 3


def test_texts_and_truths_are_chosen_by_their_words(operator: Client) -> None:
    sweep = SweepFactory()
    adam = RunFactory(sweep=sweep, config={"opt": "adam", "amp": True})
    RunFactory(sweep=sweep, config={"opt": "sgd", "amp": False})
    assert rows(text_of(operator, f"/sweeps/{sweep.pk}?word=config.opt~adam&word=config.opt~rms")) == [str(adam.pk)]
    assert rows(text_of(operator, f"/sweeps/{sweep.pk}?word=config.amp~true")) == [str(adam.pk)]


CHOICES = [[64, 64], [128], {"a": "ä", "deep": [1e-05]}, "none", "3", 3, 5.5, 1e-05, True, 2**70]


def test_brushing_a_text_axis_finds_every_kind_of_value(operator: Client) -> None:
    sweep = SweepFactory(metric_name="loss", config={"parameters": {"größe": {"values": CHOICES}}})
    for place, value in enumerate(CHOICES):
        RunFactory(sweep=sweep, state="finished", metric_value=place, config={"größe": value})
    figure = operator.get(f"/sweeps/{sweep.pk}/charts/parallel.json").json()
    axis, places = figure["layout"]["meta"]["axes"][0], figure["data"][0]["dimensions"][0]["values"]
    assert axis["kind"] == "text"
    for place, word in enumerate(axis["words"]):
        query = urlencode({"word": f"{axis['key']}~{word}"})
        found = rows(text_of(operator, f"/sweeps/{sweep.pk}?{query}"))
        assert len(found) == places.count(place), word
    query = urlencode([("word", f"{axis['key']}~{word}") for word in ("[128]", "none", "3")])
    assert len(rows(text_of(operator, f"/sweeps/{sweep.pk}?{query}"))) == 4


@pytest.mark.parametrize(
    "query",
    [
        "sort=config.'; DROP TABLE x",
        'c=config."x"&sort=config."x"',
        "sort=config.$[0]",
        "range=config.a~1e999~2",
        "page=99999999",
        "c=summary.%25s&sort=summary.%25s&range=summary.%25s~1~2",
        "q=%00&state=%00",
        "word=config.a~" + "[" * 250 + "&word=config.a~1e999&word=config.a~[NaN]&word=config.a~[%22%5Cu0000%22]",
        "range=config.%E2%80%A8~1~2",
        "c=config.{0}&sort=config.{0}",
    ],
)
def test_no_address_breaks_the_table(operator: Client, query: str) -> None:
    sweep = SweepFactory()
    values(sweep, {"a": 1}, {"a": 2})
    assert "runs-title" in text_of(operator, f"/sweeps/{sweep.pk}?{query}")


@pytest.mark.parametrize(("name", "most"), [("timeline", "MOST_ON_TIMELINE"), ("parallel", "MOST_TRIALS")])
def test_the_csv_of_a_chart_of_the_newest_runs_has_every_run(
    operator: Client, monkeypatch: pytest.MonkeyPatch, name: str, most: str
) -> None:
    sweep = charted_sweep(12)
    monkeypatch.setattr(f"apps.pages.selectors.charts.{most}", 5)
    monkeypatch.setattr("apps.pages.selectors.charts.lives_of.__defaults__", (5,))
    monkeypatch.setattr("apps.pages.selectors.charts.trials_of.__defaults__", (5,))
    shown = text_of(operator, f"/sweeps/{sweep.pk}/charts/{name}")
    file = text_of(operator, f"/sweeps/{sweep.pk}/charts/{name}.csv")
    names = set(sweep.runs.values_list("name", flat=True))
    assert len([one for one in names if one in shown]) == 5
    assert all(one in file for one in names)


@pytest.mark.parametrize(
    "url", ["", "/charts/curves", "/charts/timeline", "/charts/best", "/charts/parallel.json", "/charts/importance"]
)
def test_a_sweep_costs_the_same_for_two_runs_and_for_fifty(operator: Client, url: str, sent: list[int]) -> None:
    both_sources_answered()
    small, large = charted_sweep(2), charted_sweep(50)
    assert queries(operator, f"/sweeps/{small.pk}{url}") == queries(operator, f"/sweeps/{large.pk}{url}")


def test_the_csv_streams_every_row_of_the_view_without_a_formula(operator: Client) -> None:
    sweep = SweepFactory()
    for place in range(120):
        RunFactory(sweep=sweep, name="=HYPERLINK(1)" if place == 7 else f"r{place}", config={"lr": -place})
    response = operator.get(f"/sweeps/{sweep.pk}/runs.csv?c=config.lr&sort=config.lr")
    assert response.streaming
    told = list(csv.reader(io.StringIO(b"".join(response.streaming_content).decode())))  # type: ignore[attr-defined]
    assert told[0] == ["run_id", "name", "url", "config.lr"]
    assert len(told) == 121
    assert told[1][3] == "-119", "numbers are numbers"
    assert [row[1] for row in told if "HYPERLINK" in row[1]] == ["'=HYPERLINK(1)"]


def test_views_are_kept_shared_and_forgotten_by_their_owner_only(operator: Client) -> None:
    sweep = charted_sweep(2)
    other = client_of(Role.VIEWER)
    operator.post(f"/sweeps/{sweep.pk}/views", {"name": "mine", "c": ["config.lr"], "sort": "config.lr"})
    operator.post(f"/sweeps/{sweep.pk}/views", {"name": "ours", "shared": "1", "state": "running"})
    operator.post(f"/sweeps/{sweep.pk}/views", {"name": " "})
    assert SavedView.objects.count() == 2
    text = text_of(other, f"/sweeps/{sweep.pk}")
    assert ">ours</a>" in text
    assert ">mine</a>" not in text
    ours = SavedView.objects.get(name="ours")
    other.post(f"/sweeps/{sweep.pk}/views/{ours.pk}/forget")
    assert SavedView.objects.count() == 2
    operator.post(f"/sweeps/{sweep.pk}/views/{ours.pk}/forget")
    assert [one.query for one in SavedView.objects.all()] == ["c=config.lr&sort=config.lr"]


# charts


@pytest.mark.parametrize("name", CHARTS)
def test_each_chart_is_a_page_a_panel_a_figure_and_a_file(operator: Client, name: str, sent: list[int]) -> None:
    sweep = charted_sweep(30)
    held, _ = ask_for_importance(sweep=sweep, now=NOW)
    drive_importance(importance_pk=held.pk, clock=lambda: NOW)
    url = f"/sweeps/{sweep.pk}/charts/{name}"
    page = text_of(operator, url)
    assert "<table" in page, "the table stands in for the chart where no script runs"
    panel = text_of(operator, url, headers={"HX-Request": "true", "HX-Target": f"chart-{name}"})
    assert panel.strip().startswith(f'<section id="chart-{name}"')
    assert operator.get(f"{url}.json?scheme=dark").json()["data"]
    assert len(text_of(operator, f"{url}.csv").splitlines()) > 1


def test_a_chart_that_does_not_exist_is_not_found(operator: Client) -> None:
    sweep = SweepFactory()
    assert operator.get(f"/sweeps/{sweep.pk}/charts/pie").status_code == 404


def test_importance_is_found_once_by_a_worker_and_kept_until_the_runs_change(operator: Client, sent: list[int]) -> None:
    sweep = charted_sweep(30)
    url = f"/sweeps/{sweep.pk}/charts/importance"
    assert "A worker weighs the parameters" in text_of(operator, url)
    text_of(operator, url)
    assert len(sent) == 1, "asked once"
    assert unfinished_importances(NOW) == sent
    assert drive_importance(importance_pk=sent[0], clock=lambda: NOW)
    assert not drive_importance(importance_pk=sent[0], clock=lambda: NOW)
    text = text_of(operator, url)
    assert "PED-ANOVA (optuna), 24 runs of 30" in text
    text_of(operator, url)
    assert len(sent) == 1
    RunFactory(
        sweep=sweep, state="finished", metric_value=0.1, config={"lr": 0.1, "batch_size": 16, "optimizer": "sgd"}
    )
    again = text_of(operator, url)
    assert "The runs changed since" in again
    assert "24 runs of 30" in again, "the last one is shown with its age meanwhile"
    assert len(sent) == 2


def test_a_failure_is_kept_as_a_sentence_with_a_reference(
    operator: Client, monkeypatch: pytest.MonkeyPatch, sent: list[int]
) -> None:
    sweep = charted_sweep(3)
    monkeypatch.setattr("apps.pages.services.importances.samples_of", lambda sweep: 1 / 0)
    text_of(operator, f"/sweeps/{sweep.pk}/charts/importance")
    drive_importance(importance_pk=sent[0], clock=lambda: NOW)
    held = Importance.objects.get()
    assert held.state == "failed"
    assert held.error_id in text_of(operator, f"/sweeps/{sweep.pk}/charts/importance")


def test_too_few_runs_are_said_and_nothing_is_drawn(operator: Client, sent: list[int]) -> None:
    sweep = charted_sweep(5)
    text_of(operator, f"/sweeps/{sweep.pk}/charts/importance")
    drive_importance(importance_pk=sent[0], clock=lambda: NOW)
    text = text_of(operator, f"/sweeps/{sweep.pk}/charts/importance")
    assert "Too few runs: 4 ended" in text
    assert "data-figure" not in text


def test_importance_names_no_winner_among_runs_that_are_all_as_good(operator: Client, sent: list[int]) -> None:
    sweep = charted_sweep(30)
    Run.objects.filter(sweep=sweep).update(metric_value=0.5)
    text_of(operator, f"/sweeps/{sweep.pk}/charts/importance")
    drive_importance(importance_pk=sent[0], clock=lambda: NOW)
    text = text_of(operator, f"/sweeps/{sweep.pk}/charts/importance")
    assert "Nothing tells the best runs apart: by val/loss, 24 of 24" in text
    assert "bears most" not in text


# compare


def test_compared_runs_show_first_what_differs(operator: Client) -> None:
    sweep = SweepFactory()
    first = RunFactory(sweep=sweep, config={"lr": 0.1, "seed": 7}, summary={"loss": 0.5})
    second = RunFactory(sweep=sweep, config={"lr": 0.2, "seed": 7}, summary={"loss": 0.4})
    RunStatusFactory(run=first)
    text = text_of(operator, f"/sweeps/{sweep.pk}/compare?run={first.pk}&run={second.pk}")
    assert "Config: 1 key that differs" in text
    assert "1 key that is the same" in text
    assert f"charts/curves?run={first.pk}&amp;run={second.pk}" in text


@pytest.mark.parametrize("number", [0, 1, 9])
def test_too_few_or_too_many_are_not_compared_and_told_so(operator: Client, number: int) -> None:
    sweep = SweepFactory()
    asked = "&".join(f"run={RunFactory(sweep=sweep).pk}" for _ in range(number))
    answer = operator.get(f"/sweeps/{sweep.pk}/compare?{asked}", follow=True)
    assert "Tick two to eight runs to compare" in answer.content.decode()


def test_a_run_that_is_named_often_is_compared_once(operator: Client) -> None:
    sweep = SweepFactory()
    first, second = RunFactory(sweep=sweep), RunFactory(sweep=sweep)
    asked = "&".join([f"run={first.pk}"] * 9 + [f"run={second.pk}"])
    assert f"run={first.pk}&amp;run={second.pk}" in text_of(operator, f"/sweeps/{sweep.pk}/compare?{asked}")


def test_runs_of_another_sweep_are_not_compared(operator: Client) -> None:
    sweep = SweepFactory()
    mine, other = RunFactory(sweep=sweep), RunFactory()
    assert operator.get(f"/sweeps/{sweep.pk}/compare?run={mine.pk}&run={other.pk}").status_code == 302
