"""The board as a person uses it: log in, read, filter, sort, open, keys, copy; without JavaScript too."""

import re
from unittest.mock import Mock

import pytest
from playwright.sync_api import Locator, Page, expect

from apps.sweeps.models import Run, Sweep
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.factories.people import PASSWORD

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]

COLUMNS = ("sweep", "agents", "runs", "progress", "metric", "flags", "checkpoint", "gpu", "heartbeat")


@pytest.fixture
def odd() -> None:
    seed.odd_board()


@pytest.fixture
def tidy() -> None:
    seed.tidy_board()


def row(page: Page, name: str) -> Locator:
    return page.locator(".sweep", has=page.locator(".toggle", has_text=name))


def names(page: Page) -> list[str]:
    return [text.strip("▸▾ \n") for text in page.locator(".sweep .toggle").all_inner_texts()]


def url_with(text: str) -> re.Pattern[str]:
    return re.compile(re.escape(text))


def log_in(page: Page, name: str, password: str) -> None:
    page.get_by_label("User name").fill(name)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Log in").click()


def test_a_person_logs_in_to_where_she_wanted_to_go_and_out_again(tidy: None, visit: Visit) -> None:
    page = visit("/?workspace=vision", who="")
    expect(page).to_have_title("Log in · Sweepboard")
    log_in(page, "viewer", PASSWORD)
    expect(page).to_have_url(url_with("/?workspace=vision"))
    expect(page.locator(".who")).to_contain_text("viewer")
    page.get_by_role("button", name="Log out").click()
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()
    page.goto("/")
    expect(page.get_by_role("heading", name="Log in")).to_be_visible()


def test_a_wrong_password_is_named_and_the_name_is_kept(visit: Visit) -> None:
    page = visit("/login/", who="")
    log_in(page, "viewer", "wrong")
    expect(page.get_by_role("alert")).to_contain_text("do not fit together")
    expect(page.get_by_label("User name")).to_have_value("viewer")


def test_every_active_sweep_has_a_row_with_its_link_to_wandb(odd: None, visit: Visit) -> None:
    page = visit()
    expect(page.locator(".sweep")).to_have_count(10)
    for sweep in Sweep.objects.exclude(url=""):
        link = page.get_by_role("link", name=f"[{sweep.sweep_id}]")
        expect(link).to_have_attribute("href", f"{seed.HOST}/{sweep.project_path}/sweeps/{sweep.sweep_id}")
        expect(link).to_have_attribute("target", "_blank")
        expect(link).to_have_attribute("rel", "noopener")
    expect(row(page, "ablation-of")).to_contain_text("[longname] no W&B link")


def test_names_with_markup_are_shown_as_they_are(odd: None, visit: Visit) -> None:
    page = visit()
    expect(page.locator(".toggle", has_text=seed.MARKUP)).to_be_visible()
    expect(page.locator(".board b, .board i, .board img")).to_have_count(0)


def test_a_badge_tells_evidence_and_next_action_while_the_mouse_is_on_it_or_its_tip(tidy: None, visit: Visit) -> None:
    page = visit()
    badge, tip = row(page, "mixup").locator(".badge.critical"), page.locator(".tip:popover-open")
    badge.hover()
    expect(tip).to_contain_text("Slurm knows no job of it since 47 min")
    expect(tip).to_contain_text("Next: mark the run crashed in W&B")
    tip.hover()
    page.wait_for_timeout(400)
    expect(tip).to_be_visible()
    page.get_by_role("heading", name="Active sweeps").hover()
    expect(tip).to_have_count(0)


def test_a_click_pins_the_tip_that_hovering_opened(tidy: None, visit: Visit) -> None:
    page = visit()
    row(page, "mixup").locator(".badge.critical").click()
    page.get_by_role("heading", name="Active sweeps").hover()
    page.wait_for_timeout(400)
    expect(page.locator(".tip:popover-open")).to_contain_text("Slurm knows no job")
    page.keyboard.press("Escape")
    expect(page.locator(".tip:popover-open")).to_have_count(0)


def test_the_keyboard_opens_a_tip_and_escape_closes_it(odd: None, visit: Visit) -> None:
    page = visit()
    badge, tip = row(page, "<script>").locator(".badge"), page.locator(".tip:popover-open")
    badge.focus()
    page.keyboard.press("Enter")
    expect(tip).to_contain_text("Unknown now: a source that this needs does not answer.")
    page.keyboard.press("Escape")
    expect(tip).to_have_count(0)
    expect(badge).to_be_focused()


@pytest.mark.parametrize("how", ["mouse", "keyboard"])
def test_a_row_opens_and_closes_and_the_url_carries_it(tidy: None, visit: Visit, how: str) -> None:
    page = visit()
    toggle = row(page, "mixup").locator(".toggle")

    def press() -> None:
        if how == "mouse":
            toggle.click()
        else:
            toggle.focus()
            page.keyboard.press("Enter")

    press()
    expect(row(page, "mixup").locator("table.runs tbody tr")).to_have_count(4)
    expect(toggle).to_have_attribute("aria-expanded", "true")
    expect(toggle).to_be_focused()
    expect(page).to_have_url(re.compile(r"/\?open=\d+$"))
    press()
    expect(page.locator("table.runs")).to_have_count(0)
    expect(page).to_have_url(re.compile(r"/$"))


def test_reload_and_back_and_forward_keep_the_view(tidy: None, visit: Visit) -> None:
    page = visit()
    row(page, "mixup").locator(".toggle").click()
    expect(page.locator("table.runs")).to_have_count(1)
    page.locator("#sort-gpu").click()
    expect(page.locator("th.col-gpu")).not_to_have_attribute("aria-sort", "none")
    page.get_by_label("Workspace").select_option("vision")
    expect(page.locator(".sweep")).to_have_count(4)
    page.reload()
    expect(page.locator(".sweep")).to_have_count(4)
    expect(page.get_by_label("Workspace")).to_have_value("vision")
    expect(page.locator("table.runs")).to_have_count(1)
    page.go_back()
    expect(page.locator(".sweep")).to_have_count(7)
    expect(page.get_by_label("Workspace")).to_have_value("")
    page.go_back()
    expect(page.locator("th.col-flags")).not_to_have_attribute("aria-sort", "none")
    page.go_forward()
    expect(page.locator("th.col-gpu")).not_to_have_attribute("aria-sort", "none")


@pytest.mark.parametrize(
    ("label", "value", "query", "count"),
    [
        ("Workspace", "speech", "workspace=speech", 4),
        ("State", "PAUSED", "state=PAUSED", 1),
        ("Flag", "zombie", "flag=zombie", 1),
        ("Owner", "jonas", "owner=jonas", 7),
    ],
)
def test_a_filter_narrows_the_rows_and_stands_in_the_url(
    odd: None, visit: Visit, label: str, value: str, query: str, count: int
) -> None:
    page = visit()
    page.get_by_label(label).select_option(value)
    expect(page.locator(".sweep")).to_have_count(count)
    expect(page).to_have_url(re.compile(rf"/\?{query}$"))
    expect(page.locator(".totals")).to_contain_text(f"{count} of 10 sweeps")
    page.get_by_role("link", name="Reset").click()
    expect(page.locator(".sweep")).to_have_count(10)


def test_typing_finds_sweeps_by_words_without_losing_the_cursor(odd: None, visit: Visit) -> None:
    page = visit()
    page.keyboard.press("/")
    find = page.get_by_label("Find")
    expect(find).to_be_focused()
    find.press_sequentially("speech conf")
    expect(page.locator(".sweep")).to_have_count(2)
    expect(page).to_have_url(re.compile(r"/\?q=speech\+conf$"))
    expect(find).to_be_focused()


def test_a_filter_keeps_the_sorting_and_what_is_open(tidy: None, visit: Visit) -> None:
    page = visit()
    page.locator("#sort-gpu").click()
    expect(page.locator("th.col-gpu")).to_have_attribute("aria-sort", "descending")
    row(page, "mixup").locator(".toggle").click()
    expect(page.locator("table.runs")).to_have_count(1)
    page.get_by_label("Workspace").select_option("vision")
    expect(page.locator(".sweep")).to_have_count(4)
    expect(page.locator("table.runs")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"workspace=vision&sort=gpu&open=\d+$"))


@pytest.mark.parametrize("column", COLUMNS)
def test_a_column_sorts_and_sorts_back(odd: None, visit: Visit, column: str) -> None:
    page = visit("/?sort=workspace")
    heading, link = page.locator(f"th.col-{column}[aria-sort]"), page.locator(f"#sort-{column}")
    link.click()
    first = "descending" if column in ("flags", "runs", "gpu") else "ascending"
    expect(heading).to_have_attribute("aria-sort", first)
    once = names(page)
    link.click()
    expect(heading).to_have_attribute("aria-sort", "ascending" if first == "descending" else "descending")
    expect(page.locator("[aria-sort]:not([aria-sort=none])")).to_have_count(1)
    twice = names(page)
    assert sorted(once) == sorted(twice)
    assert once != twice
    if column == "gpu":
        figures = [float(text.replace("\u202f", "")) for text in page.locator("td.col-gpu").all_inner_texts()]
        assert figures == sorted(figures)
    if column in ("metric", "checkpoint", "heartbeat", "progress"):
        assert twice[-1] == seed.LONG, "what is not known stands last, whichever way"


def test_the_runs_of_a_large_sweep_come_in_pages(odd: None, visit: Visit) -> None:
    page = visit(f"/?open={Sweep.objects.get(sweep_id='sixtyrun').pk}")
    runs = page.locator("table.runs tbody tr")
    expect(runs).to_have_count(25)
    expect(page.locator(".pages")).to_contain_text("page 1 of 3 (60 runs)")
    page.get_by_role("link", name="next").click()
    expect(page.locator(".pages")).to_contain_text("page 2 of 3")
    page.get_by_role("link", name="next").click()
    expect(runs).to_have_count(10)
    expect(page).to_have_url(re.compile(r"open=\d+(:|%3A)3$"))
    page.get_by_role("link", name="previous").click()
    expect(page.locator(".pages")).to_contain_text("page 2 of 3")


def test_keys_walk_the_rows_and_open_wandb(tidy: None, visit: Visit) -> None:
    page = visit()
    page.context.route(f"{seed.HOST}/**", lambda route: route.fulfill(body="W&B"))
    toggles = page.locator(".sweep .toggle")
    for key, position in (("j", 0), ("j", 1), ("j", 2), ("k", 1), ("k", 0), ("k", 0)):
        page.keyboard.press(key)
        expect(toggles.nth(position)).to_be_focused()
    with page.context.expect_page() as opened:
        page.keyboard.press("w")
    assert opened.value.url == page.locator(".sweep .wandb").first.get_attribute("href")
    page.get_by_label("Find").focus()
    page.keyboard.press("j")
    expect(page.get_by_label("Find")).to_have_value("j")


def test_copy_as_markdown_puts_the_board_on_the_clipboard(tidy: None, visit: Visit) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("link", name="Copy as Markdown").click()
    expect(page.locator("#toast")).to_contain_text("Copied as Markdown")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("## Sweep Status")
    assert f"[c8p4vv7e]({seed.HOST}/lab/vision/sweeps/c8p4vv7e)" in copied


def test_the_file_is_copied_for_the_workspace_that_is_shown(tidy: None, visit: Visit) -> None:
    page = visit(permissions=["clipboard-read", "clipboard-write"])
    page.get_by_label("Workspace").select_option("speech")
    expect(page.locator(".sweep")).to_have_count(3)
    page.get_by_role("link", name="Copy ACTIVE_SWEEPS.md").click()
    expect(page.locator("#toast")).to_contain_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert "# Active Sweeps: speech" in copied
    assert "c8p4vv7e" not in copied


def test_an_operator_asks_for_a_pass_and_stays_in_her_view(
    tidy: None, visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in ("sync_wandb", "sync_slurm"):
        monkeypatch.setattr(f"apps.ops.tasks.{task}.apply_async", Mock())
    page = visit()
    page.get_by_label("Workspace").select_option("speech")
    expect(page.locator(".sweep")).to_have_count(3)
    page.get_by_role("button", name="Sync now").click()
    expect(page.locator(".notice")).to_contain_text("A pass over W&B and Slurm was asked for")
    expect(page.locator(".sweep")).to_have_count(3)


def test_a_viewer_has_no_button_to_sync_and_is_refused_with_a_sentence(
    tidy: None, visit: Visit, complaints: Complaints
) -> None:
    page = visit(who="viewer")
    expect(page.get_by_role("button", name="Sync now")).to_have_count(0)
    complaints.expect("403 (Forbidden)")
    page.evaluate(
        """() => { const form = document.querySelector(".who form"); form.action = "/ops/sync"; form.submit(); }"""
    )
    expect(page.get_by_role("heading", name="You may not do that.")).to_be_visible()
    expect(page.locator("main")).to_contain_text("This needs the role 'operator'.")
    page.get_by_role("link", name="Back to the board").click()
    expect(page.locator(".sweep")).to_have_count(7)


def test_a_page_that_is_not_there_says_so(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("404 (Not Found)")
    page = visit("/sweeps/gone/")
    expect(page.get_by_role("heading", name="There is nothing here.")).to_be_visible()
    expect(page.get_by_role("link", name="Back to the board")).to_be_visible()


def test_without_javascript_a_person_logs_in_filters_sorts_opens_and_copies(
    odd: None, visit: Visit, complaints: Complaints
) -> None:
    complaints.expect("/favicon.ico")  # a page of plain text cannot name an icon
    page = visit(who="", java_script_enabled=False)
    log_in(page, "viewer", PASSWORD)
    page.get_by_label("Workspace").select_option("vision")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".sweep")).to_have_count(6)
    page.locator("#sort-gpu").click()
    expect(page.locator("th.col-gpu")).to_have_attribute("aria-sort", "descending")
    row(page, "mixup").locator(".toggle").click()
    expect(page.locator("table.runs tbody tr")).to_have_count(4)
    expect(page.locator(".sweep")).to_have_count(6)
    row(page, "mixup").locator(".head-row .badge.critical").click()
    expect(page.locator(".tip:popover-open")).to_contain_text("Slurm knows no job")
    page.keyboard.press("Escape")
    page.get_by_role("link", name="Copy as Markdown").click()
    expect(page.locator("body")).to_contain_text("## Sweep Status")


def test_the_board_asks_the_database_as_often_for_ten_sweeps_as_for_two(
    odd: None, admin_client: object, django_assert_num_queries: object
) -> None:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext

    def queries(path: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert admin_client.get(path).status_code == 200  # type: ignore[attr-defined]
        return len(captured)

    crowd = Sweep.objects.get(sweep_id="sixtyrun").pk
    many = queries(f"/?open={crowd}")
    Run.objects.filter(sweep=crowd).exclude(run_id="crowd00").delete()
    Sweep.objects.exclude(sweep_id__in=("sixtyrun", "c8p4vv7e")).delete()
    assert queries(f"/?open={crowd}") == many
