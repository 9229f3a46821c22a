"""Pages of sweeps and runs in a real browser: charts under the strict policy, tables by keys, read by everybody."""

import os
from contextlib import suppress
from pathlib import Path

import pytest
from playwright.sync_api import Page, TimeoutError, expect

from apps.core.clock import utcnow
from apps.joblogs.models import LogFile
from apps.pages.models import RunNote
from apps.pages.services.importances import ask_for_importance, drive_importance
from apps.sweeps.models import Run
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.browser.test_board_looks import violations
from tests.factories.pages import charted_sweep, whole_run
from tests.factories.rows import RunFactory, SweepFactory

pytestmark = [pytest.mark.starts_first, pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
PICTURES = os.environ.get("PICTURES", "")
CHARTS = ("curves", "best", "cost", "importance", "spread", "timeline", "parallel")


def picture(page: Page, name: str) -> None:
    """Keep a picture where PICTURES names a folder: for people who look."""
    if PICTURES:
        page.screenshot(path=str(Path(PICTURES) / f"{name}.png"), full_page=True, timeout=60_000)


@pytest.fixture(autouse=True)
def _software_gpu(complaints: Complaints) -> None:
    """Without a graphics card Chromium says that reading back a WebGL canvas is slow."""
    complaints.expect("GL Driver Message")


@pytest.fixture
def filled(tmp_path: Path, redis_server: str) -> Run:
    """A run with everything, of a sweep with 30 more."""
    sweep = charted_sweep(30)
    seed.finished_pass("wandb", "team/glue")
    seed.finished_pass("slurm", "memory")
    held, _ = ask_for_importance(sweep=sweep, now=utcnow())
    drive_importance(importance_pk=held.pk, clock=utcnow)
    run = whole_run(tmp_path, sweep)
    held, _ = ask_for_importance(sweep=sweep, now=utcnow())
    drive_importance(importance_pk=held.pk, clock=utcnow)
    return run


def draw(page: Page, *names: str) -> None:
    """Come to each chart until it is drawn: one above it that grows can push it out of sight again."""
    for name in names:
        drawn = page.locator(f"#chart-{name} .main-svg")
        for _ in range(20):
            page.evaluate("name => document.getElementById(`chart-${name}`).scrollIntoView({block: 'center'})", name)
            with suppress(TimeoutError):
                drawn.first.wait_for(state="attached", timeout=1000)
                break
        expect(drawn.first).to_be_attached()


@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_pages_are_read_by_everybody_in_both_schemes_at_both_widths(
    visit: Visit, filled: Run, width: int, scheme: str
) -> None:
    page = visit(f"/sweeps/{filled.sweep_id}", viewport={"width": width, "height": 900}, color_scheme=scheme)
    draw(page, *CHARTS)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"sweep-{width}-{scheme}")
    page.goto(f"/runs/{filled.pk}")
    draw(page, "states")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"run-{width}-{scheme}")
    page.goto(f"/runs/{filled.pk}/logs/{LogFile.objects.get().pk}?q=out+of+memory")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"log-{width}-{scheme}")
    runs = list(Run.objects.filter(sweep=filled.sweep_id).values_list("pk", flat=True)[:3])
    page.goto(f"/sweeps/{filled.sweep_id}/compare?{'&'.join(f'run={pk}' for pk in [*runs, filled.pk])}")
    draw(page, "curves")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"compare-{width}-{scheme}")


@pytest.mark.parametrize("width", [1440, 390])
def test_empty_pages_say_why_and_what_next(visit: Visit, width: int) -> None:
    sweep = SweepFactory(config={})
    run = RunFactory(sweep=sweep, config={}, summary={})
    page = visit(f"/runs/{run.pk}", viewport={"width": width, "height": 900})
    expect(page.locator("#run-now")).to_contain_text("Not judged yet")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"empty-run-{width}")
    run.delete()
    page.goto(f"/sweeps/{sweep.pk}")
    expect(page.locator("#runs")).to_contain_text("No run yet")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    picture(page, f"empty-sweep-{width}")


def test_the_text_is_there_before_any_chart_is_asked_for(visit: Visit, filled: Run) -> None:
    asked: list[str] = []
    page = visit("/login/", viewport={"width": 1440, "height": 600})
    page.on("request", lambda request: asked.append(request.url.partition("/sweeps/")[2] or request.url))
    page.goto(f"/sweeps/{filled.sweep_id}")
    expect(page.locator("#runs-title")).to_have_text("31 runs")
    assert not [one for one in asked if "parallel" in one or "timeline" in one], "what is out of sight is not asked for"
    assert not [one for one in asked if one.endswith(".json")]
    draw(page, "best")
    scripts = [one for one in asked if "plotly-strict" in one]
    draw(page, "cost")
    assert len(scripts) == 1
    assert len([one for one in asked if "plotly-strict" in one]) == 1, "plotly.js comes once"


def test_pages_without_charts_never_load_plotly(visit: Visit, filled: Run) -> None:
    asked: list[str] = []
    page = visit("/login/")
    page.on("request", lambda request: asked.append(request.url))
    for path in ("/", "/flags", f"/runs/{filled.pk}/logs/{LogFile.objects.get().pk}"):
        page.goto(path)
    assert [one for one in asked if "plotly" in one or "charts.js" in one] == []


def test_a_chart_is_taken_away_as_a_picture_and_as_rows(visit: Visit, filled: Run) -> None:
    page = visit(f"/sweeps/{filled.sweep_id}/charts/best", color_scheme="dark")
    draw(page, "best")
    for kind, begins in (("png", b"\x89PNG"), ("svg", b"<svg")):
        with page.expect_download(timeout=20_000) as told:
            page.locator(f"[data-download={kind}]").click()
        assert told.value.suggested_filename == f"best.{kind}"
        assert Path(told.value.path()).read_bytes().startswith(begins)
    with page.expect_download() as told:
        page.get_by_role("link", name="CSV of Best so far").click()
    assert Path(told.value.path()).read_text().startswith("Run,")


def test_a_figure_changes_its_colours_with_the_scheme(visit: Visit, filled: Run) -> None:
    page = visit(f"/sweeps/{filled.sweep_id}/charts/best", color_scheme="light")
    draw(page, "best")
    tick = page.locator(".plot .xtick text").first
    expect(tick).to_have_css("fill", "rgb(24, 33, 45)")
    page.emulate_media(color_scheme="dark")
    expect(tick).to_have_css("fill", "rgb(231, 236, 243)")


def test_what_is_brushed_narrows_the_table(visit: Visit, filled: Run) -> None:
    page = visit(f"/sweeps/{filled.sweep_id}")
    draw(page, "parallel")
    page.evaluate(
        "Plotly.restyle(document.querySelector('#chart-parallel .plot'), 'dimensions[0].constraintrange', [[[-4, -2]]])"
    )
    expect(page.locator("#runs .ranges")).to_contain_text("lr 0.0001 … 0.01", timeout=10_000)
    wanted = [run for run in Run.objects.filter(sweep=filled.sweep_id) if 1e-4 <= run.config["lr"] <= 1e-2]
    expect(page.locator("#runs-title")).to_contain_text(f"{len(wanted)} runs of this view")
    assert "range=config.lr" in page.url


def test_a_column_sorts_by_the_keyboard_and_a_view_is_an_address(visit: Visit, filled: Run) -> None:
    page = visit(f"/sweeps/{filled.sweep_id}")
    page.context.set_default_timeout(30_000)  # charts come into sight meanwhile, and are drawn without a graphics card
    page.get_by_role("link", name="lr", exact=True).press("Enter")
    expect(page.locator("#runs th[aria-sort=ascending]")).to_contain_text("lr")
    assert "sort=config.lr" in page.url
    page.locator("#filter-q").fill("ash")
    page.locator("#filter-q").press("Enter")
    expect(page.locator("#runs-title")).to_have_text("1 run of this view")
    page.reload()
    expect(page.locator("#runs-title")).to_have_text("1 run of this view")


def test_everything_on_the_pages_works_without_javascript(visit: Visit, filled: Run) -> None:
    page = visit(f"/sweeps/{filled.sweep_id}", java_script_enabled=False)
    page.locator("#chart-best-link").click()
    expect(page.locator("table.list tbody tr").first).to_be_visible()
    page.goto(f"/sweeps/{filled.sweep_id}")
    for box in page.locator("#compare input[name=run]").all()[:2]:
        box.check()
    page.get_by_role("button", name="Compare the ticked runs").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("2 runs compared")
    page.goto(f"/runs/{filled.pk}")
    page.get_by_label("Write a note").fill("It stalls at epoch 5.")
    page.get_by_role("button", name="Keep").click()
    expect(page.locator("#notes")).to_contain_text("It stalls at epoch 5.")
    page.get_by_role("link", name="Edit the note of operator").click()
    page.get_by_label("The note").fill("It stalls at epoch 6.")
    page.get_by_role("button", name="Change").click()
    expect(page.locator("#notes")).to_contain_text("changed by operator")
    assert RunNote.objects.get().text == "It stalls at epoch 6."


def test_an_evidence_line_is_one_press_from_the_run(visit: Visit, filled: Run) -> None:
    page = visit(f"/runs/{filled.pk}")
    page.get_by_role("link", name="cuda-oom, line 3001").click()
    expect(page.locator("#line")).to_be_in_viewport()
    expect(page.locator("#line")).to_contain_text("CUDA out of memory")


def test_the_board_and_the_flags_lead_to_the_pages(visit: Visit, filled: Run) -> None:
    page = visit(f"/?open={filled.sweep_id}")
    page.locator(f"#run-page-{filled.pk}").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ash-and-embers")
    page.locator("#sweep-of-run").click()
    expect(page.locator("#runs-title")).to_have_text("31 runs")
    page.goto("/flags")
    page.locator("a[id^=run-of-]").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("ash-and-embers")


def test_a_chart_that_cannot_be_fetched_says_so_and_keeps_its_table(
    visit: Visit, filled: Run, complaints: Complaints
) -> None:
    complaints.expect("503")
    page = visit("/login/")
    page.route("**/best.json*", lambda route: route.fulfill(status=503))
    page.goto(f"/sweeps/{filled.sweep_id}/charts/best")
    expect(page.locator(".plot")).to_contain_text(
        "The chart could not be drawn (503). Its rows stand below as a table."
    )
    expect(page.locator("table.list tbody tr").first).to_be_visible()
