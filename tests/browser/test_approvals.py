"""Plans, questions and what waits for somebody, in a real browser: by keys, without JavaScript, read by everybody."""

import hashlib
import os
import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import expect

from apps.approvals.actors import Person
from apps.approvals.domain.reports import Result
from apps.approvals.models import Answer, Plan, Question
from apps.approvals.services.deciding import approve_plan
from apps.approvals.services.deploying import finish_deploy, report_progress
from apps.approvals.services.plans import comment_on_plan, revise_plan
from apps.core.clock import utcnow
from apps.flags.models import Flag
from apps.handovers.models import Handover
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.browser.test_board_looks import violations
from tests.factories.approvals import CODER, draft, handover, plan, question

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
RESULTS = (Result("pytest -q tests/test_warmup.py", 0, "1 passed"), Result("pytest -q tests", 1, "3 failed\n" * 40))
PICTURES = os.environ.get("PICTURES", "")


def on() -> Handover:
    return handover(workspace=seed.workspace("vision"))


def operator() -> Person:
    return Person(User.objects.get(username="operator"))


def full_inbox() -> tuple[Plan, Question]:
    """Everything that can wait, one of it overdue."""
    now, place = utcnow(), on()
    seed.tidy_board()
    Flag.objects.update(assignee="operator")
    made = plan(place, now=now - timedelta(hours=2))
    plan(place, title="Draw the seed from the config " * 6, now=now - timedelta(hours=70))
    asked = question(plan=made, now=now - timedelta(hours=1), deadline=now - timedelta(minutes=5))
    question(title="Which runs may be stopped?", allow_multiple=True, handover=place, now=now, context="x" * 600)
    return made, asked


def much_happened() -> Plan:
    """A plan with an approval that became void, another one, progress and a failed end."""
    now = utcnow()
    made = plan(on(), now=now)
    approve_plan(plan=made, shown_sha256=made.sha256, by=operator(), now=now)
    revise_plan(plan=made, draft=draft(risks=("Old checkpoints hold an epoch count", "y" * 300)), by=CODER, now=now)
    comment_on_plan(plan=made, text="sounds good, go ahead", by=operator(), now=now)
    comment_on_plan(plan=made, text="\u0645\u0631\u062d\u0628\u0627 " + "z" * 300, by=CODER, now=now)
    return made


def carried_out() -> Plan:
    now, made = utcnow(), much_happened()
    made.refresh_from_db()
    approve_plan(plan=made, shown_sha256=made.sha256, by=operator(), now=now)
    report_progress(plan=made, step=1, by=CODER, now=now)
    report_progress(plan=made, step=1, by=CODER, now=now, exit_status=0, output="1 passed in 0.2 s")
    report_progress(
        plan=made, step=2, by=CODER, now=now, exit_status=1, output="E assert " * 300, remark="two are left"
    )
    finish_deploy(plan=made, results=RESULTS, by=CODER, now=now, summary="It still fails for fp16.")
    return made


# Plans


def test_one_press_approves_exactly_the_text_on_the_page(visit: Visit) -> None:
    made = plan(on(), now=utcnow())
    page = visit(f"/plans/{made.pk}")
    shown = page.locator("#plan-text").evaluate("node => node.textContent")
    sent = page.locator("form[action$='/approve'] [name=sha256]").input_value()
    assert hashlib.sha256(shown.encode()).hexdigest() == sent == made.sha256
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#approved")).to_contain_text("operator approved version 1")
    expect(page.locator("#approve")).to_have_count(0)
    assert Plan.objects.get().state == "approved"


def test_a_text_that_changes_under_the_reader_is_told_of_and_not_approved(visit: Visit, complaints: Complaints) -> None:
    complaints.expect("422")
    made = plan(on(), now=utcnow())
    page = visit(f"/plans/{made.pk}")
    revise_plan(plan=made, draft=draft(risks=("The queue is full",)), by=CODER, now=utcnow())
    page.get_by_role("button", name="Approve").click()
    expect(page.get_by_role("alert")).to_contain_text("it is version 2 now. Nothing was approved")
    expect(page.locator("#plan-text")).to_contain_text("The queue is full")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#approved")).to_contain_text("operator approved version 2")
    revise_plan(plan=made, draft=draft(risks=("Nothing",)), by=CODER, now=utcnow())
    expect(page.locator("#plan-changed")).to_contain_text("changed since the page was loaded", timeout=15_000)
    page.get_by_role("link", name="Show it as it is now").click()
    expect(page.locator("#void")).to_contain_text("The approval is void.")


def test_everything_about_a_plan_works_without_javascript(visit: Visit) -> None:
    made = plan(on(), now=utcnow())
    page = visit(f"/plans/{made.pk}", java_script_enabled=False)
    page.get_by_label("Comment").fill("yes, go ahead")
    page.get_by_role("button", name="Comment").click()
    expect(page.get_by_role("status").first).to_contain_text("Comments approve nothing")
    expect(page.locator(".plan")).to_contain_text("a comment, and no approval")
    page.get_by_label("Reason").fill("Name the seed")
    page.get_by_role("button", name="Request a change").click()
    expect(page.locator(".plan")).to_contain_text("asked for a change")
    page.get_by_role("button", name="Approve").click()
    expect(page.locator("#approved")).to_be_visible()


# Questions


def test_a_number_key_answers_on_the_questions_page(visit: Visit) -> None:
    asked = question(handover=on(), now=utcnow())
    page = visit(f"/questions/{asked.pk}")
    page.get_by_label("Note").fill("12 hours are too much")
    page.get_by_label("Note").press("2")
    assert not Answer.objects.exists()
    page.locator("h1").click()
    page.keyboard.press("2")
    expect(page.locator("#answer-title")).to_have_text("Go back to cosine")
    assert (Answer.objects.get().by, Answer.objects.get().chosen) == ("operator", ["cosine"])
    assert Answer.objects.get().note == "12 hours are too much2"


def test_several_are_ticked_by_keys_and_sent_by_enter(visit: Visit) -> None:
    asked = question(handover=on(), now=utcnow(), allow_multiple=True)
    page = visit(f"/questions/{asked.pk}")
    for key in ("3", "1", "2", "2"):
        page.keyboard.press(key)
    page.keyboard.press("Enter")
    expect(page.locator("#answer-title")).to_have_text("Keep linear, Compare both")


def test_the_inbox_is_worked_with_the_keyboard_alone(visit: Visit) -> None:
    made, asked = full_inbox()
    page = visit("/inbox")
    page.keyboard.press("j")
    page.keyboard.press("1")
    assert not Answer.objects.exists(), "on something else than a question a number answers nothing"
    for key in ("j", "j", "k", "j"):
        page.keyboard.press(key)
    expect(page.locator(f"#question-{asked.pk}")).to_be_focused()
    page.keyboard.press("3")
    expect(page.get_by_role("status").first).to_have_text("Answered: Compare both.")
    expect(page.get_by_text("1 question to answer")).to_be_visible()
    page.keyboard.press("j")
    page.keyboard.press("j")
    expect(page.locator(f"#plan-{made.pk}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page).to_have_url(re.compile(rf"/plans/{made.pk}$"))


def test_one_press_of_a_key_answers_the_question_that_the_inbox_marks(visit: Visit) -> None:
    _, asked = full_inbox()
    page = visit("/inbox")
    expect(page.locator(".question.current")).to_have_count(1)
    expect(page.locator(f".question.current #question-{asked.pk}")).to_be_visible()
    page.keyboard.press("1")
    expect(page.get_by_role("status").first).to_have_text("Answered: Keep linear.")
    assert Answer.objects.get().question_id == asked.pk


def test_a_question_is_answered_in_the_inbox_without_javascript(visit: Visit) -> None:
    full_inbox()
    page = visit("/inbox", java_script_enabled=False)
    page.get_by_role("button", name="Keep linear").click()
    expect(page.get_by_role("status").first).to_have_text("Answered: Keep linear.")
    page.get_by_role("checkbox", name="Compare both").check()
    page.get_by_role("button", name="Answer with the ticked").click()
    expect(page.get_by_role("status").first).to_have_text("Answered: Compare both.")


# Looks


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_breaks_a_wcag_rule(visit: Visit, scheme: str) -> None:
    made, asked = full_inbox()
    several = Question.objects.latest("pk")
    done = carried_out_on(made)
    paths = ["/inbox", "/plans", "/questions", f"/plans/{made.pk}", f"/plans/{done.pk}", f"/questions/{asked.pk}"]
    for path in [*paths, f"/questions/{several.pk}", f"/plans/{done.pk}?version=1"]:
        page = visit(path, color_scheme=scheme, viewport={"width": 1440, "height": 900})
        expect(page.locator("h1")).to_be_visible()
        assert violations(page) == [], path
        picture(page, path, f"{scheme}-1440")


@pytest.mark.any_database
@pytest.mark.parametrize(("width", "scheme"), [(390, "light"), (390, "dark"), (2560, "light")])
def test_nothing_runs_out_of_any_page(visit: Visit, width: int, scheme: str) -> None:
    made, asked = full_inbox()
    several = Question.objects.latest("pk")
    done = carried_out_on(made)
    paths = ["/inbox", "/plans", "/questions", f"/plans/{made.pk}", f"/plans/{done.pk}", f"/questions/{asked.pk}"]
    for path in [*paths, f"/questions/{several.pk}"]:
        page = visit(path, color_scheme=scheme, viewport={"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        picture(page, path, f"{scheme}-{width}")


def carried_out_on(other: Plan) -> Plan:
    """A plan that ran its course, on another handover of the same workspace."""
    Handover.objects.filter(pk=other.handover_id).update(name="HO-20261101-0900-aaaaaa", key="HO-20261101-0900-aaaaaa")
    return carried_out()


def picture(page: object, path: str, name: str) -> None:
    """Keep a picture to be looked at, where PICTURES names a folder."""
    if PICTURES:
        file = Path(PICTURES) / f"{path.strip('/').replace('/', '-').replace('?', '-')}-{name}.png"
        page.screenshot(path=file, full_page=True)  # type: ignore[attr-defined]  # a page of Playwright's
