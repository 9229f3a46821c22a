"""The board while the world changes under it: what changed is shown, and nothing that is read moves."""

from collections.abc import Callable
from datetime import timedelta

import pytest
from django.test import Client
from playwright.sync_api import Page, Request, Route, expect

from apps.audit.models import SyncPass
from apps.core.clock import utcnow
from apps.flags.models import Flag, RunStatus
from apps.sweeps.models import Run, Sweep
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.browser.test_board import names, row

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]

SOON = 5000  # ms: what the board may take at the most
OTHER_ROW, CHANGING = "mixup", "vit-base"


@pytest.fixture(autouse=True)
def tidy() -> None:
    seed.tidy_board()


def train_on(epoch: float = 77) -> None:
    """A pass ends in which the first run of one sweep got further."""
    RunStatus.objects.filter(run__run_id="k3v9r0").update(epoch=epoch, percent=epoch)
    seed.finished_pass(seconds_ago=0)


def expect_epoch(page: Page, epoch: int) -> None:
    expect(row(page, CHANGING).locator(".col-progress")).to_contain_text(f"epoch {epoch}/100", timeout=SOON)


def look_again(page: Page) -> None:
    """Come back to the tab: the board asks at once and not at its next turn."""
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")


def is_poll(request: Request) -> bool:
    return "/board/updates" in request.url


def answer_polls(page: Page, answer: Callable[[Route], None]) -> None:
    page.route("**/board/updates*", answer)


def test_a_change_shows_within_five_seconds_and_no_row_moves(visit: Visit) -> None:
    page = visit(viewport={"width": 1200, "height": 420})
    before = names(page)
    page.evaluate("window.scrollTo(0, 150)")
    page.locator(".sweep").last.locator(".toggle").focus()
    top = row(page, CHANGING).bounding_box()
    scrolled = page.evaluate("window.scrollY")
    zombie = Run.objects.get(run_id="k3v9r1")
    seed.flag("zombie", "critical", zombie, "Slurm knows no job of it since 3 min.", "mark it crashed")
    train_on()
    expect_epoch(page, 77)
    expect(row(page, CHANGING).locator(".badge.critical")).to_contain_text("zombie")
    assert names(page) == before, "a worse flag must not move its row while somebody reads"
    assert page.evaluate("window.scrollY") == scrolled
    assert row(page, CHANGING).bounding_box()["y"] == pytest.approx(top["y"], abs=1)
    expect(page.locator(".sweep").last.locator(".toggle")).to_be_focused()


@pytest.mark.parametrize("inside", [".toggle", ".wandb", ".runs tr[id] th a"])
def test_the_focus_stays_in_a_row_that_changes(visit: Visit, inside: str) -> None:
    page = visit(f"/?open={Sweep.objects.get(sweep_id='k3v9x2ab').pk}")
    focused = row(page, CHANGING).locator(inside).first
    focused.focus()
    train_on()
    look_again(page)
    expect_epoch(page, 77)
    expect(row(page, CHANGING).locator(inside).first).to_be_focused()


def test_an_open_tip_and_selected_text_outlive_an_update(visit: Visit) -> None:
    page = visit()
    badge = row(page, OTHER_ROW).locator(".badge.critical")
    badge.focus()
    page.keyboard.press("Enter")
    page.evaluate("""() => {
        const rows = [...document.querySelectorAll(".sweep")];
        const [first, last] = [".col-runs", ".col-gpu"].map((cell) => rows.at(-1).querySelector(`${cell} .figure`));
        getSelection().setBaseAndExtent(first.firstChild, 0, last.firstChild, 1);
    }""")
    chosen = page.evaluate("getSelection().toString()")
    Flag.objects.filter(rule="zombie").update(evidence="Something newer.")
    Run.objects.all().update(heartbeat_at=utcnow() - timedelta(minutes=3))
    train_on()
    look_again(page)
    expect_epoch(page, 77)
    expect(page.locator(".tip:popover-open")).to_contain_text("Slurm knows no job")
    assert chosen
    assert page.evaluate("getSelection().toString()") == chosen


def test_a_new_sweep_waits_behind_a_notice_that_moves_nothing(visit: Visit) -> None:
    page = visit()
    top = page.locator(".sweep").first.bounding_box()
    seed.sweep("newcomer", "aaa-newcomer")
    seed.finished_pass(seconds_ago=0)
    look_again(page)
    notice = page.get_by_role("link", name="1 new sweep: show it")
    expect(notice).to_be_visible(timeout=SOON)
    expect(page.locator("#said")).to_contain_text("1 new sweep")
    expect(page.locator(".sweep")).to_have_count(7)
    assert page.locator(".sweep").first.bounding_box() == top
    notice.click()
    expect(page.locator(".sweep")).to_have_count(8)
    expect(page.locator("#board-poll .notice")).to_have_count(0)


def test_a_sweep_that_left_is_announced_and_stays_until_the_list_is_asked_for(visit: Visit) -> None:
    page = visit()
    Run.objects.filter(sweep__sweep_id="w5t8rr4c").update(state="finished")
    Sweep.objects.filter(sweep_id="w5t8rr4c").update(state="FINISHED")
    seed.finished_pass(seconds_ago=0)
    look_again(page)
    expect(page.locator(".notice")).to_contain_text("1 sweep on this screen is no longer active", timeout=SOON)
    expect(page.locator(".sweep")).to_have_count(7)
    page.get_by_role("link", name="Refresh the list").click()
    expect(page.locator(".sweep")).to_have_count(6)


def test_when_nothing_is_newer_the_page_is_not_touched(visit: Visit) -> None:
    page = visit()
    page.evaluate("for (const one of document.querySelectorAll('#board, #board *')) one.marked = true")
    with page.expect_response(lambda answer: is_poll(answer.request)) as answer:
        pass
    assert answer.value.status == 204
    page.wait_for_timeout(200)
    assert page.evaluate("[...document.querySelectorAll('#board *')].every((one) => one.marked)")


def test_rows_without_a_change_are_left_alone(visit: Visit) -> None:
    Run.objects.all().update(heartbeat_at=None)
    page = visit()
    page.evaluate("for (const one of document.querySelectorAll('.sweep')) one.marked = true")
    train_on()
    look_again(page)
    expect_epoch(page, 77)
    assert page.evaluate("[...document.querySelectorAll('.sweep')].filter((one) => !one.marked).length") == 1


def test_a_failing_server_is_named_and_the_board_stays_until_it_is_back(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("Failed to load resource")
    complaints.expect("Response Status Error Code 500")
    complaints.expect("htmx:")  # it tells the console of every request that came to nothing
    page = visit()
    answer_polls(page, lambda route: route.fulfill(status=500, body="<h1>broken</h1>"))
    toast = page.locator("#toast.on")
    expect(toast).to_contain_text("Sweepboard failed (500); the board shows what it last knew.", timeout=SOON)
    page.wait_for_timeout(2700)
    expect(toast).to_be_visible()
    expect(page.locator(".sweep")).to_have_count(7)
    page.unroute_all()
    answer_polls(page, lambda route: route.abort())
    expect(toast).to_contain_text("does not answer", timeout=SOON)
    page.unroute_all()
    train_on()
    expect_epoch(page, 77)
    expect(page.locator("#toast.on")).to_have_count(0)


def test_an_ended_session_is_named_and_the_board_stays(visit: Visit) -> None:
    page = visit()
    page.context.clear_cookies()
    look_again(page)
    expect(page.locator("#toast.on")).to_contain_text("You were logged out.", timeout=SOON)
    expect(page.locator(".sweep")).to_have_count(7)
    expect(page.locator(".login")).to_have_count(0)


def test_a_source_that_fails_is_shown_live_and_moves_nothing_that_is_read(visit: Visit) -> None:
    page = visit(viewport={"width": 700, "height": 420})
    page.evaluate("window.scrollTo(0, 200)")
    toggle = row(page, CHANGING).locator(".toggle")
    toggle.focus()
    top = toggle.bounding_box()["y"]
    seed.finished_pass(
        "slurm", "cluster", seconds_ago=0, error="Slurm does not answer: squeue gave up after 20 s. " * 2
    )
    expect(page.locator(".sources .failed")).to_contain_text("squeue gave up after 20 s.", timeout=SOON)
    page.wait_for_timeout(100)
    assert toggle.bounding_box()["y"] == pytest.approx(top, abs=1)


def test_the_first_sweeps_come_to_a_page_that_had_none(visit: Visit) -> None:
    Sweep.objects.all().delete()
    SyncPass.objects.all().delete()
    page = visit()
    expect(page.get_by_role("heading", name="The first pass is under way")).to_be_visible()
    seed.sweep("newcomer", "aaa-newcomer")
    seed.finished_pass(seconds_ago=0)
    look_again(page)
    expect(page.locator(".sweep")).to_have_count(1, timeout=SOON)
    row(page, "aaa-newcomer").locator(".toggle").click()
    expect(page.locator("table.runs")).to_contain_text("No agent has pulled a run from this sweep yet.")


def test_a_source_whose_passes_stopped_becomes_stale_without_any_newer_pass(admin_client: Client) -> None:
    newest = SyncPass.objects.latest("pk").pk
    SyncPass.objects.all().update(started_at=utcnow() - timedelta(minutes=9))
    now = int(utcnow().timestamp())
    assert admin_client.get(f"/board/updates?since={newest}&at={now}&shown=1").status_code == 204
    answer = admin_client.get(f"/board/updates?since={newest}&at={now - 61}&shown=1")
    assert answer.status_code == 200
    assert "<strong>stale</strong>" in answer.content.decode()
