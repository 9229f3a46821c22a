"""Questions that wait for an answer, on the board: one press of a key, and nothing that is read moves."""

import re
from datetime import timedelta

import pytest
from playwright.sync_api import expect

from apps.approvals.models import Answer, Question
from apps.approvals.services.questions import answer_question
from apps.core.clock import utcnow
from tests.browser import seed
from tests.browser.conftest import Visit
from tests.browser.test_approvals import on, operator, picture
from tests.browser.test_board import names
from tests.browser.test_board_looks import violations
from tests.factories.approvals import question

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


def asked_on_the_board() -> tuple[Question, Question]:
    """Two that one press answers, the older one first, and between them one that needs ticks."""
    now, place = utcnow(), on()
    seed.tidy_board()
    first = question(now=now - timedelta(hours=3), handover=place)
    question(title="Which runs may be stopped?", allow_multiple=True, handover=place, now=now - timedelta(hours=2))
    return first, question(title="Draw the seed anew?", handover=place, now=now - timedelta(minutes=7))


def test_one_press_of_a_key_on_the_board_answers_the_marked_question(visit: Visit) -> None:
    first, second = asked_on_the_board()
    page = visit("/?q=vit")
    rows = names(page)
    expect(page.locator(".asked .current .item")).to_have_text(first.title)
    expect(page.locator(".asked .current .keys-here")).to_have_text("number keys answer this one")
    expect(page.locator(".keys-here:visible")).to_have_count(1)
    expect(page.locator("#place-inbox .tag")).to_contain_text("3")
    page.keyboard.press("2")
    expect(page.get_by_role("status").first).to_have_text("Answered: Go back to cosine.")
    assert (Answer.objects.get().question, Answer.objects.get().by) == (first, "operator")
    expect(page).to_have_url(re.compile(r"/\?q=vit$"))
    assert names(page) == rows
    expect(page.locator("#place-inbox .tag")).to_contain_text("2")
    page.keyboard.press("q")
    expect(page.locator(f"#asked-{second.pk}")).to_be_focused()
    page.wait_for_timeout(700)
    page.keyboard.press("1")
    expect(page.locator(".asked form")).to_have_count(0)
    assert Answer.objects.get(question=second).chosen == ["linear"]


def test_a_second_press_in_a_hurry_does_not_answer_the_next_question(visit: Visit) -> None:
    first, second = asked_on_the_board()
    page = visit()
    page.keyboard.press("1")
    expect(page.locator(f"#asked-{first.pk}")).to_have_count(0)
    page.locator(f"#asked-{second.pk}").focus()
    page.keyboard.press("1")
    expect(page.get_by_role("status").first).to_have_text("Answered: Keep linear.")
    assert Answer.objects.get().question == first


def test_on_the_board_a_number_answers_nothing_while_one_types_or_looks_elsewhere(visit: Visit) -> None:
    asked_on_the_board()
    page = visit(viewport={"width": 1200, "height": 420})
    page.keyboard.press("/")
    page.keyboard.type("1")
    page.get_by_label("State").focus()
    page.keyboard.press("1")
    page.locator("h1").click()
    for key in ("Control+1", "Alt+1", "7", "0"):
        page.keyboard.press(key)
    page.evaluate("document.activeElement.blur()")
    page.evaluate("window.scrollTo(0, document.body.scrollHeight)")
    page.keyboard.press("1")
    expect(page.locator(".asked .current")).to_be_in_viewport()
    page.locator("[id^=ticks-]").focus()
    expect(page.locator(".asked .current")).to_have_count(0)
    page.keyboard.press("1")
    page.wait_for_timeout(300)
    assert not Answer.objects.exists(), "neither what is typed, nor unseen, nor beside another question"


def test_the_boards_own_keys_stay_with_the_sweeps(visit: Visit) -> None:
    asked_on_the_board()
    page = visit()
    page.keyboard.press("j")
    expect(page.locator(".sweep .toggle").first).to_be_focused()
    page.keyboard.press("3")
    expect(page.get_by_role("status").first).to_have_text("Answered: Compare both.")


def test_a_question_comes_to_the_board_and_goes_from_it_and_no_row_moves(visit: Visit) -> None:
    seed.tidy_board()
    page = visit(viewport={"width": 1200, "height": 420})
    page.locator(".sweep").last.locator(".toggle").focus()
    top = page.locator(".sweep").last.bounding_box()["y"]
    asked = question(handover=on(), now=utcnow())
    expect(page.get_by_role("link", name="1 new question waits for an answer")).to_be_visible(timeout=8000)
    expect(page.locator("#said")).to_contain_text("1 new question waits")
    expect(page.locator(f"#asked-{asked.pk}")).to_have_count(1)
    assert page.locator(".sweep").last.bounding_box()["y"] == pytest.approx(top, abs=1)
    expect(page.locator("#place-inbox .tag")).to_contain_text("1")
    answer_question(question=asked, chosen=["both"], by=operator(), now=utcnow())
    expect(page.locator(f"#asked-{asked.pk}")).to_have_count(0, timeout=8000)
    expect(page.locator("#place-inbox .tag")).to_have_count(0)


def test_a_question_is_answered_on_the_board_without_javascript(visit: Visit) -> None:
    asked_on_the_board()
    page = visit("/?q=vit", java_script_enabled=False)
    expect(page.locator(".keys-here:visible")).to_have_count(0)
    page.get_by_role("button", name="Keep linear").first.click()
    expect(page.get_by_role("status").first).to_have_text("Answered: Keep linear.")
    expect(page).to_have_url(re.compile(r"/\?q=vit$"))


@pytest.mark.any_database
@pytest.mark.parametrize(("width", "scheme"), [(1440, "light"), (1440, "dark"), (390, "light"), (390, "dark")])
def test_the_board_with_questions_breaks_no_rule_and_nothing_runs_out(visit: Visit, width: int, scheme: str) -> None:
    asked_on_the_board()
    page = visit(color_scheme=scheme, viewport={"width": width, "height": 900})
    expect(page.locator(".asked .current")).to_have_count(1)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    picture(page, "board", f"{scheme}-{width}")


def test_going_back_and_a_viewers_board_complain_of_nothing(visit: Visit) -> None:
    asked_on_the_board()
    page = visit("/?q=vit")
    page.get_by_role("link", name="Sweep", exact=True).click()
    expect(page).to_have_url(re.compile("sort="))
    page.go_back()
    expect(page.locator(".asked .current")).to_have_count(1)
    viewers = visit(who="viewer")
    with viewers.expect_response(lambda answer: "/board/updates" in answer.url):
        pass
    expect(viewers.locator("#asked")).to_have_count(0)
