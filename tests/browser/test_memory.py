"""The estimate of memory in a real browser: typed, ticked, linked."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


def test_what_is_typed_and_ticked_is_in_the_address(visit: Visit) -> None:
    page = visit("/memory")
    page.get_by_label("Parameters").fill("7B")
    page.get_by_label("Parameters").press("Enter")
    expect(page.locator("#memory")).to_contain_text("93.9 GiB")
    page.get_by_label("One batch was trained before the whole run").check()
    expect(page).to_have_url(re.compile("parameters=7B.*done=one-batch"))
    expect(page.locator("#memory")).to_contain_text("1 of 4")
    page.reload()
    expect(page.get_by_label("One batch was trained before the whole run")).to_be_checked()


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_estimate_breaks_no_wcag_rule(visit: Visit, scheme: str) -> None:
    page = visit("/memory?parameters=7B&done=estimated", color_scheme=scheme)
    expect(page.locator("#memory")).to_contain_text("93.9 GiB")
    assert violations(page) == []


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_runs_out_of_the_estimate(visit: Visit, width: int) -> None:
    page = visit("/memory?parameters=7B", viewport={"width": width, "height": 900}, java_script_enabled=False)
    expect(page.locator("#memory")).to_contain_text("93.9 GiB")
    assert page.locator("html").evaluate("html => html.scrollWidth") <= width
