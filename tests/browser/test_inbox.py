"""The inbox of red flags in a real browser: readable, live, by keyboard, and without JavaScript."""

import re

import pytest
from playwright.sync_api import expect

from apps.flags.models import Flag, RunStatus
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.browser.test_board_looks import violations

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


def bad_node() -> None:
    """The odd board, and five runs of two sweeps that one node killed."""
    seed.odd_board()
    for name in ("vit-warmup", "swin-decay"):
        one = seed.sweep(f"bad-{name}"[:8], name)
        for number in range(3):
            how = seed.Training(wandb="crashed", slurm="NODE_FAIL", pair="node failure", crash="node-failure")
            run = seed.run(one, f"{name[:3]}{number}", how, job_id=f"77{len(name)}{number}")
            seed.flag("preempted-not-resumed", "critical", run, "Job ended NODE_FAIL 3 h ago.", "resume it elsewhere")
    Job.objects.filter(pk__in=RunStatus.objects.filter(crash_class="node-failure").values("job")).update(nodes="g07")
    seed.fresh_passes()


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_inbox_breaks_no_wcag_rule(visit: Visit, scheme: str) -> None:
    bad_node()
    page = visit("/flags", color_scheme=scheme, viewport={"width": 1440, "height": 900})
    expect(page.get_by_role("link", name="6 runs on node g07")).to_be_visible()
    assert violations(page) == []


def test_a_cause_opens_to_each_of_its_flags_and_a_filter_is_in_the_address(visit: Visit) -> None:
    bad_node()
    page = visit("/flags")
    page.get_by_role("link", name="6 runs on node g07").click()
    expect(page.locator("table.inbox li")).to_have_count(6)
    page.get_by_role("link", name="Reset").click()
    expect(page.locator("table.inbox li")).not_to_have_count(6)
    expect(page.get_by_role("link", name="6 runs on node g07")).to_be_visible()
    page.wait_for_load_state()
    page.get_by_label("Severity").select_option("critical")
    expect(page).to_have_url(re.compile("severity=critical"))
    expect(page.locator("table.inbox tr.warning")).to_have_count(0)
    page.keyboard.press("Escape")
    page.locator("h1").click()
    page.keyboard.press("/")
    expect(page.locator("#filter-q")).to_be_focused()


def test_what_is_cleared_leaves_the_open_screen_by_itself(visit: Visit) -> None:
    bad_node()
    page = visit("/flags?node=g07")
    expect(page.locator("table.inbox li").first).to_be_visible()
    Flag.objects.all().delete()
    expect(page.locator("#inbox")).to_contain_text("No open flag matches", timeout=15_000)


def test_filters_and_links_work_without_javascript(visit: Visit) -> None:
    bad_node()
    page = visit("/flags", java_script_enabled=False)
    page.get_by_label("Find").fill("g07")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator("table.inbox tbody tr")).to_have_count(1)
    page.get_by_role("link", name="and 3 more").click()
    expect(page.locator("table.inbox li")).to_have_count(6)


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_nothing_runs_out_of_the_inbox(visit: Visit, width: int) -> None:
    bad_node()
    page = visit("/flags", viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


# Living with flags


def test_a_cause_is_acknowledged_with_the_keyboard_alone_and_stays_in_sight(visit: Visit) -> None:
    bad_node()
    page = visit("/flags?severity=critical")
    box = page.get_by_role("checkbox", name="preempted-not-resumed, node g07")
    box.focus()
    page.keyboard.press("Space")
    page.get_by_role("button", name="Acknowledge").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#triage-said")).to_have_text("6 flags acknowledged.")
    expect(page.locator("table.inbox")).to_contain_text("acknowledged by operator")
    expect(page).to_have_url(re.compile(r"/flags\?severity=critical$"))
    expect(box).not_to_be_checked()
    assert Flag.objects.filter(acknowledged_by="operator").count() == 6


def test_a_poll_sweeps_no_tick_and_no_written_word_away(visit: Visit) -> None:
    bad_node()
    page = visit("/flags")
    page.get_by_role("checkbox", name="preempted-not-resumed, node g07").check()
    page.get_by_role("textbox", name="Note").fill("drained the node")
    page.evaluate("htmx.ajax('GET', '/flags', { source: '#inbox', target: '#inbox', swap: 'outerHTML' })")
    page.wait_for_timeout(500)
    expect(page.get_by_role("checkbox", name="preempted-not-resumed, node g07")).to_be_checked()
    expect(page.get_by_role("textbox", name="Note")).to_have_value("drained the node")
    page.get_by_role("button", name="Clear with this reason").click()
    expect(page.locator("#triage-said")).to_have_text("6 flags cleared by hand.")
    expect(page.get_by_role("checkbox", name="preempted-not-resumed, node g07")).to_have_count(0)
    expect(page.locator("#triage [name=text]")).to_have_value("")


def test_a_form_that_is_not_filled_in_says_so_and_keeps_what_was_ticked(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("422")
    bad_node()
    page = visit("/flags")
    page.get_by_role("checkbox", name="preempted-not-resumed, node g07").check()
    page.get_by_role("button", name="Clear with this reason").click()
    expect(page.locator("#triage-said")).to_contain_text("needs a reason")


def test_the_enter_key_in_a_note_comments_and_decides_nothing(visit: Visit) -> None:
    bad_node()
    page = visit("/flags")
    page.get_by_role("checkbox", name="preempted-not-resumed, node g07").check()
    page.get_by_role("textbox", name="Note").fill("asked the cluster team")
    page.get_by_role("textbox", name="Note").press("Enter")
    expect(page.locator("#triage-said")).to_have_text("6 flags commented on.")
    assert not Flag.objects.exclude(acknowledged_by="mira").exclude(acknowledged_by="").exists()


@pytest.mark.parametrize("width", [390, 2560])
def test_endless_words_and_turned_writing_break_no_page_of_a_flag(visit: Visit, width: int) -> None:
    bad_node()
    flag = Flag.objects.filter(rule="preempted-not-resumed").earliest("pk")
    Flag.objects.filter(pk=flag.pk).update(evidence="a" * 900 + " \u202eturned", assignee="z" * 150)
    Run.objects.filter(pk=flag.run_id).update(name="\u202eturned " + "x" * 300)
    page = visit(f"/flags/{flag.pk}", viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page = visit("/flags?node=g07", viewport={"width": width, "height": 900})
    bidi = "node => getComputedStyle(node).unicodeBidi"
    for part in (page.locator(f"#run-of-{flag.pk}"), page.locator("li .told").first):
        assert part.evaluate(bidi) == "isolate"


def test_the_page_of_a_flag_breaks_no_wcag_rule_and_takes_a_comment(visit: Visit) -> None:
    bad_node()
    page = visit("/flags?node=g07", color_scheme="dark")
    page.get_by_role("link", name="details of preempted-not-resumed").first.click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("preempted-not-resumed")
    page.get_by_role("textbox", name="Note").fill("asked the cluster team")
    page.get_by_role("button", name="Comment").click()
    expect(page.locator(".history")).to_contain_text("commented by operator: asked the cluster team")
    assert violations(page) == []


def test_flags_are_put_off_without_javascript(visit: Visit) -> None:
    bad_node()
    page = visit("/flags?node=g07", java_script_enabled=False)
    page.get_by_role("checkbox", name="preempted-not-resumed, node g07").check()
    page.get_by_role("button", name="Snooze").click()
    expect(page.get_by_role("status").first).to_have_text("6 flags put off.")
    page.goto("/flags")
    page.get_by_role("link", name="6 put off").click()
    expect(page.locator("table.inbox")).to_contain_text("put off until")
