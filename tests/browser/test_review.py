"""The weekly review in a real browser: stepped through by keys, timed, printed, written to, and read by everybody."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.approvals.services.questions import answer_question
from apps.core.clock import utcnow
from apps.flags.models import Flag
from apps.handovers.models import Pickup
from apps.review.domain.weeks import Week, week_at
from apps.review.models import ActionItem, Note
from apps.review.services import meeting
from apps.review.services.freezing import freeze
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.browser.test_approvals import operator
from tests.browser.test_board_looks import violations
from tests.factories.approvals import handover, plan, question

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


def full_week() -> Week:
    """A week in which everything happened: sweeps in every state, flags, handovers, plans, questions and items."""
    now = utcnow()
    week = week_at(now)
    seed.odd_board()
    Run.objects.update(created_at=week.start + timedelta(minutes=5))
    Job.objects.update(submit_at=week.start, start_at=week.start + timedelta(minutes=5))
    Job.objects.filter(state__in=("FAILED", "COMPLETED", "PREEMPTED", "GONE")).update(end_at=now - timedelta(minutes=9))
    Flag.objects.update(opened_at=week.start + timedelta(minutes=30))
    place = seed.workspace("vision")
    for number, focus in enumerate(("Warm-up counts steps", "Why the cosine schedule was dropped " * 4)):
        made = handover(
            f"HO-20261123-0{number}00-ab1{number}",
            workspace=place,
            focus=focus,
            date=now,
            first_seen_at=now,
            changed_at=now,
        )
    Pickup.objects.create(handover=made, who="mira", at=now)
    plan(made, now=now - timedelta(hours=5))
    asked = question(now=now - timedelta(hours=6), handover=made)
    answer_question(question=asked, chosen=["linear"], by=operator(), now=now - timedelta(hours=1))
    question(title="Which runs may be stopped?", now=now - timedelta(hours=3), handover=made)
    told = {"week": week, "workspace": "", "by": "operator", "now": now}
    meeting.add_note(part="wrong", text="Node gpu05 again.\nAsk its admins.", key="note-number-1", **told)
    meeting.add_action(
        what="Exclude gpu05 until it is mended",
        who="mira",
        due=str(week.monday - timedelta(days=1)),
        key="item-number-1",
        **{**told, "week": week.previous},
    )
    meeting.add_action(what="Write down why cosine stalls", who="jonas", due="", key="item-number-2", **told)
    meeting.attend(names="mira, jonas", **told)
    return week


def frozen_week() -> Week:
    """Last week, frozen, with a flag of it that came later."""
    week = full_week().previous
    Flag.objects.all().update(opened_at=week.start + timedelta(hours=3))
    late = Flag.objects.order_by("-pk").first()
    assert late is not None
    Flag.objects.filter(pk=late.pk).update(opened_at=utcnow() - timedelta(minutes=1))
    freeze(week=week, workspace="", now=utcnow())
    Flag.objects.filter(pk=late.pk).update(opened_at=week.start + timedelta(hours=5))
    return week


def current(page: Page) -> str:
    return page.evaluate("document.querySelector('.part.current').id")


def test_arrow_keys_step_through_the_agenda_and_the_address_follows(visit: Visit) -> None:
    week = full_week()
    page = visit(f"/review/{week}")
    expect(page.locator(".part:visible")).to_have_count(1)
    seen = [current(page)]
    for _ in range(7):
        page.keyboard.press("ArrowRight")
        seen.append(current(page))
    assert seen == ["numbers", "wrong", "resumed", "results", "decisions", "open", "actions", "actions"]
    assert page.url.endswith("#actions")
    expect(page.locator("#actions-title")).to_be_focused()
    page.keyboard.press("ArrowLeft")
    assert page.url.endswith("#open")
    page.keyboard.press("a")
    expect(page.locator(".part:visible")).to_have_count(7)
    page.goto(f"/review/{week}#results")
    page.reload()
    assert current(page) == "results"
    page.get_by_role("link", name="What went wrong").click()
    assert current(page) == "wrong"


def test_an_address_of_a_note_leads_to_its_part(visit: Visit) -> None:
    week = full_week()
    note = Note.objects.get()
    page = visit(f"/review/{week}#note-{note.pk}")
    assert current(page) == "wrong"
    expect(page.locator(f"#note-{note.pk}")).to_be_in_viewport()


def test_the_timer_runs_for_each_part_and_is_calm_when_it_is_over(visit: Visit) -> None:
    week = full_week()
    page = visit(f"/review/{week}")
    page.clock.install()
    page.reload()
    expect(page.locator("#clock")).to_be_hidden()
    page.keyboard.press("t")
    page.clock.fast_forward(65_000)
    expect(page.locator("#clock")).to_have_text("1:05 of 4 min")
    page.keyboard.press("ArrowRight")
    page.clock.fast_forward(8 * 60_000)
    expect(page.locator("#clock")).to_have_text("1:00 over 7 min")
    page.keyboard.press("t")
    expect(page.locator("#clock")).to_contain_text("paused")
    page.keyboard.press("ArrowLeft")
    expect(page.locator("#clock")).to_have_text("1:05 of 4 min, paused")


def test_f_shows_it_on_the_whole_screen_and_keys_do_nothing_while_one_writes(visit: Visit) -> None:
    week = full_week()
    page = visit(f"/review/{week}")
    page.keyboard.press("f")
    page.wait_for_function("document.fullscreenElement !== null")
    expect(page.locator("header.top")).to_be_hidden()
    page.locator("#numbers summary").click()
    page.locator("#note-numbers").press_sequentially("fat runs")
    assert page.evaluate("document.fullscreenElement !== null")
    page.get_by_role("button", name="Add note").click()
    expect(page.locator("#numbers .remarks li")).to_contain_text("fat runs")
    assert page.evaluate("document.fullscreenElement !== null")
    assert current(page) == "numbers"


def test_action_items_and_notes_are_written_without_leaving_the_part(visit: Visit) -> None:
    week = full_week()
    page = visit(f"/review/{week}#actions")
    page.get_by_label("Who", exact=True).fill("zoe")
    page.get_by_label("What", exact=True).fill("Tell the admins")
    page.get_by_label("By", exact=True).fill("2026-12-24")
    page.get_by_role("button", name="Add action item").click()
    expect(page.locator(".todo li")).to_have_count(3)
    expect(page.locator(".todo")).to_contain_text("overdue")
    page.get_by_role("button", name="Done: Tell the admins").click()
    expect(page.locator(".todo li.done")).to_contain_text("done by operator")
    page.get_by_label("Names").fill("zoe")
    page.get_by_role("button", name="Note as present").click()
    expect(page.locator(".present li")).to_have_count(3)
    assert ActionItem.objects.filter(done_by="operator").count() == 1


def test_everything_works_without_javascript_as_one_long_page(visit: Visit) -> None:
    week = full_week()
    page = visit(f"/review/{week}", java_script_enabled=False)
    expect(page.locator(".part:visible")).to_have_count(7)
    expect(page.locator(".controls")).to_be_hidden()
    page.locator("#results summary").click()
    page.get_by_label("Note on results").fill("lr did it")
    page.locator("#results").get_by_role("button", name="Add note").click()
    expect(page.locator("#results .remarks")).to_contain_text("lr did it")
    page.get_by_label("Who", exact=True).fill("zoe")
    page.get_by_label("What", exact=True).fill("Tell the admins")
    page.get_by_role("button", name="Add action item").click()
    expect(page.locator(".todo li")).to_have_count(3)


def test_a_refused_note_keeps_what_was_typed(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("422")
    week = full_week()
    page = visit(f"/review/{week}#wrong")
    page.locator("#wrong summary").click()
    page.locator("#note-wrong").evaluate(
        "node => { node.removeAttribute('maxlength'); node.value = 'y'.repeat(4100); }"
    )
    page.locator("#wrong").get_by_role("button", name="Add note").click()
    expect(page.get_by_role("alert")).to_contain_text("4100 characters; 4000 is the most")
    assert page.locator("#note-wrong").input_value() == "y" * 4100
    assert current(page) == "wrong"


def test_a_viewer_reads_and_has_nothing_to_write_with(visit: Visit) -> None:
    week = full_week()
    page = visit(f"/review/{week}", "viewer")
    page.keyboard.press("a")
    expect(page.locator(".review form[method=post]")).to_have_count(0)
    expect(page.locator("#wrong")).to_contain_text("Node gpu05 again.")


def test_a_number_leads_to_its_rows_and_what_came_late_is_marked(visit: Visit) -> None:
    week = frozen_week()
    page = visit(f"/review/{week}#wrong")
    expect(page.locator(".standing")).to_contain_text("As it was known on")
    tile = page.locator("#wrong .tile", has_text="red flags raised")
    expect(tile.locator(".late")).to_contain_text("late: now")
    tile.locator("a").click()
    expect(page.get_by_role("heading", name=re.compile("red flags raised"))).to_be_visible()
    expect(page.locator("tr.came-late")).to_have_count(1)
    assert violations(page) == []
    page.get_by_role("link", name="Back to the review").click()
    assert current(page) == "wrong"


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_nothing_in_the_review_breaks_wcag(visit: Visit, scheme: str) -> None:
    week = full_week()
    page = visit(f"/review/{week}", color_scheme=scheme)
    page.keyboard.press("t")
    page.keyboard.press("a")
    assert violations(page) == []
    page.goto(f"/review/{frozen_week_of(week)}")
    page.keyboard.press("a")
    assert violations(page) == []
    for screen in ("board", "flags", "week"):
        page.goto(f"/review/wall?show={screen}")
        assert violations(page) == [], screen


def frozen_week_of(week: Week) -> Week:
    freeze(week=week.previous, workspace="", now=utcnow())
    return week.previous


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_scrolls_sideways(visit: Visit, width: int) -> None:
    week = full_week()
    page = visit(f"/review/{week}", viewport={"width": width, "height": 800})
    page.keyboard.press("a")
    for path in (f"/review/{week}", f"/review/{week}/rows/runs", "/review/wall?show=board", "/review/wall?show=week"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path


def pages_of(pdf: bytes) -> int:
    return len(re.findall(rb"/Type\s*/Page[^s]", pdf))


def test_it_prints_to_clean_a4_pages(visit: Visit, tmp_path: Path) -> None:
    week = full_week()
    page = visit(f"/review/{week}", viewport={"width": 794, "height": 1123})
    pdf = page.pdf(prefer_css_page_size=True, path=str(tmp_path / "review.pdf"))
    assert 2 <= pages_of(pdf) <= 6
    assert b"/MediaBox [0 0 594" in pdf or b"/MediaBox [0 0 595" in pdf
    page.emulate_media(media="print")
    expect(page.locator(".part:visible")).to_have_count(7)
    for hidden in (".agenda", ".weeks", "header.top", ".new-item"):
        expect(page.locator(hidden)).to_be_hidden()
    # No row may be cut between two pages, and no table be wider than the paper.
    kept = page.evaluate(
        "[...document.querySelectorAll('.review-table tr, .tile, .todo li')].map(n => getComputedStyle(n).breakInside)"
    )
    assert set(kept) == {"avoid"}
    widest = page.evaluate(
        "Math.max(...[...document.querySelectorAll('.sheet')].map((one) => one.scrollWidth - one.clientWidth))"
    )
    assert widest <= 0


# The wall


def test_the_wall_goes_round_and_survives_a_server_that_is_away(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("ERR_FAILED")
    complaints.expect("Failed to load resource")
    full_week()
    page = visit("/review/wall?show=board")
    page.clock.install()
    page.goto("/review/wall?show=board")
    expect(page.get_by_role("heading", name="Active sweeps")).to_be_visible()
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("heading", name="Red flags")).to_be_visible()
    page.route("**/review/wall*", lambda route: route.abort())
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("status")).to_contain_text("Sweepboard does not answer. What you see is from")
    expect(page.get_by_role("heading", name="Red flags")).to_be_visible()
    page.unroute("**/review/wall*")
    page.clock.fast_forward(16_000)
    expect(page.get_by_role("heading", name=re.compile("Week 2"))).to_be_visible()
    expect(page.get_by_role("status")).to_be_empty()
    assert page.locator("#wall").count() == 1


def test_the_wall_says_when_its_session_has_ended(visit: Visit) -> None:
    full_week()
    page = visit("/review/wall?show=flags")
    page.clock.install()
    page.goto("/review/wall?show=flags")
    expect(page.get_by_role("heading", name="Red flags")).to_be_visible()
    page.context.clear_cookies()
    page.clock.fast_forward(31_000)
    expect(page.get_by_role("status")).to_contain_text("The session has ended: log in again on this screen.")
    expect(page.get_by_role("heading", name="Red flags")).to_be_visible()


def test_the_wall_does_not_grow_however_often_it_turns(visit: Visit) -> None:
    full_week()
    page = visit("/review/wall?show=flags")
    page.clock.install()
    page.goto("/review/wall?show=flags")
    counts = []
    for turn in range(12):
        before = page.title()
        page.clock.fast_forward(31_000)
        page.wait_for_function("(before) => document.title !== before", arg=before)
        if turn % 3 == 2:
            counts.append(page.evaluate("document.querySelectorAll('*').length"))
    assert counts == [counts[0]] * 4


def test_the_wall_turns_without_javascript_too(visit: Visit) -> None:
    full_week()
    page = visit("/review/wall?show=flags", java_script_enabled=False)
    refresh = page.locator("noscript meta[http-equiv=refresh], head > meta[http-equiv=refresh]").first
    assert refresh.get_attribute("content") == "30; url=/review/wall?show=week"
