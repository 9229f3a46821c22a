"""The header's links on every page: reached by keys, marked where one is, and without JavaScript."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


def test_further_screens_open_and_close_by_keys(visit: Visit) -> None:
    page = visit("/flags", who="operator")
    more, memory = page.locator(".more-places"), page.get_by_role("link", name="Memory")
    expect(memory).to_be_hidden()
    more.locator("summary").focus()
    page.keyboard.press("Enter")
    expect(memory).to_be_visible()
    page.keyboard.press("Escape")
    expect(memory).to_be_hidden()
    expect(more.locator("summary")).to_be_focused()
    page.keyboard.press("Enter")
    page.locator("h1").click()
    expect(memory).to_be_hidden()


@pytest.mark.parametrize("width", [1440, 390])
def test_they_lead_on_without_javascript_and_run_out_of_no_screen(visit: Visit, width: int) -> None:
    page = visit("/flags", who="operator", java_script_enabled=False, viewport={"width": width, "height": 800})
    page.locator(".more-places summary").click()
    box = page.locator(".more-places > div").bounding_box()
    assert box is not None
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    page.get_by_role("link", name="Memory").click()
    expect(page.locator("h1")).to_contain_text("emory")
    expect(page.locator(".more-places summary")).to_have_class("here")
