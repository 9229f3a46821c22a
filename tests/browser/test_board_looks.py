"""What every state of the board says, and that everybody can read it: WCAG 2 A and AA, light and dark, every width."""

import os
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Page, expect

from apps.audit.models import SyncPass
from apps.sweeps.models import Sweep
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.browser.test_board import row

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]

PICTURE = Path(__file__).parents[2] / "docs" / "images" / "board.png"
# What passed would be told element by element; leaving that out halves the time and loses no violation.
WCAG = {
    "runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]},
    "resultTypes": ["violations"],
}


def violations(page: Page) -> list[str]:
    """Return what axe finds, one sentence for each rule and element."""
    found = Axe().run(page, options=WCAG).response["violations"]
    return [f"{one['id']}: {node['html'][:160]} {node['failureSummary']}" for one in found for node in one["nodes"]]


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_the_board_breaks_wcag(visit: Visit, scheme: str, complaints: Complaints) -> None:
    complaints.expect("404 (Not Found)")
    seed.odd_board()
    seed.finished_pass("wandb", seed.SPEECH, error="W&B does not answer.")
    SyncPass.objects.filter(source="slurm").update(started_at="2026-01-01T00:00Z")
    page = visit(color_scheme=scheme)
    assert violations(page) == []
    row(page, "swin").locator(".toggle").click()
    expect(page.locator("table.runs")).to_have_count(1)
    row(page, "<script>").locator(".badge").click()
    expect(page.locator(".tip:popover-open")).to_have_count(1)
    assert violations(page) == []
    seed.sweep("newcomer", "aaa-newcomer")
    seed.finished_pass(seconds_ago=0)
    expect(page.locator("#board-poll .notice")).to_be_visible()
    page.route("**/board/updates*", lambda route: route.fulfill(status=204))
    assert violations(page) == []
    for path in ("/?q=nothing", "/not-there/"):
        page.goto(path)
        assert violations(page) == [], path


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_on_the_way_in_breaks_wcag(visit: Visit, scheme: str) -> None:
    page = visit("/login/", who="", color_scheme=scheme)
    page.get_by_label("User name").fill("somebody")
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    assert violations(page) == []
    page = visit(color_scheme=scheme)
    expect(page.get_by_role("heading", name="The first pass is under way")).to_be_visible()
    assert violations(page) == []


def test_before_the_first_pass_over_wandb_ends_the_board_says_so(visit: Visit) -> None:
    seed.finished_pass("slurm", "cluster")
    expect(visit().locator("#board")).to_contain_text("The first pass is under way")


def test_a_first_pass_that_failed_is_a_sentence_with_its_reference(visit: Visit) -> None:
    seed.finished_pass(error="W&B refuses the key.")
    board = visit().locator("#board")
    expect(board).to_contain_text("W&B could not be read yet")
    expect(board.locator(".panel")).to_contain_text("W&B refuses the key. (3f9c21ab77d0)")
    expect(board).not_to_contain_text("No sweep is active")


def test_no_active_sweep_is_explained_with_what_to_do(visit: Visit) -> None:
    seed.fresh_passes()
    board = visit().locator("#board")
    expect(board).to_contain_text("No sweep is active")
    expect(board).to_contain_text("wandb sweep")


def test_filters_that_hide_everything_say_how_much_and_lead_back(visit: Visit) -> None:
    seed.tidy_board()
    page = visit("/?q=nothing")
    expect(page.locator("#board")).to_contain_text("7 active sweeps are hidden.")
    page.get_by_role("link", name="Show all").click()
    expect(page.locator(".sweep")).to_have_count(7)


def test_a_stale_source_names_its_age(visit: Visit) -> None:
    seed.tidy_board()
    SyncPass.objects.all().delete()
    seed.finished_pass("slurm", "cluster", seconds_ago=600)
    expect(visit().locator(".sources .stale")).to_contain_text("Slurm cluster: stale, 10 min ago")


def test_a_failed_source_keeps_the_last_good_rows_and_marks_them(visit: Visit) -> None:
    seed.tidy_board()
    seed.finished_pass("wandb", seed.SPEECH, error="W&B does not answer.")
    page = visit()
    expect(page.locator(".sources .failed")).to_contain_text("W&B lab/speech: failed, last good data")
    expect(page.locator(".sources .failed")).to_contain_text("W&B does not answer. (3f9c21ab77d0)")
    expect(page.locator(".sweep")).to_have_count(7)
    expect(page.locator(".sweep.old")).to_have_count(3)
    expect(row(page, "conformer-specaug")).to_contain_text("W&B not fresh")


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_a_page_never_scrolls_sideways(visit: Visit, width: int) -> None:
    seed.odd_board()
    seed.finished_pass("slurm", "cluster", error="Slurm does not answer: squeue gave up after 20 s.")
    opened = ".".join(str(pk) for pk in Sweep.objects.values_list("pk", flat=True))
    page = visit(f"/?open={opened}", viewport={"width": width, "height": 844})
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width > 390:
        assert page.evaluate("(box => box.scrollWidth <= box.clientWidth)(document.querySelector('.scroll'))")
    row(page, "swin").locator(".head-row .badge").click()
    tip = page.locator(".tip:popover-open").bounding_box()
    assert tip["x"] >= 0
    assert tip["x"] + tip["width"] <= width
    page.goto("/login/")
    assert page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.skipif(not os.environ.get("SWEEPBOARD_SCREENSHOT"), reason="makes the README's picture only when asked")
def test_the_picture_in_the_readme_is_made(visit: Visit) -> None:
    seed.tidy_board()
    seed.judge_runs()
    page = visit(viewport={"width": 1500, "height": 900}, color_scheme="light")
    row(page, "mixup").locator(".toggle").click()
    expect(page.locator("table.runs")).to_have_count(1)
    row(page, "mixup").locator(".head-row .badge").click()
    PICTURE.parent.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURE)
    assert PICTURE.stat().st_size < 300_000
