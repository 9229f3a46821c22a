"""Tokens and the page of the JSON API in a real browser: made, shown once, revoked, and read by everybody."""

import os
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from playwright.sync_api import Page, expect

from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations
from tests.factories.tokens import Api, token

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
PATHS = ["/tokens", "/api/v1/docs"]
PICTURES = os.environ.get("PICTURES", "")


def picture(page: Page, path: str, name: str) -> None:
    """Keep a picture to be looked at, where PICTURES names a folder."""
    if PICTURES:
        page.screenshot(path=Path(PICTURES) / f"{path.strip('/').replace('/', '-')}-{name}.png", full_page=True)


def some() -> None:
    """Tokens of the person who looks, one of them with the longest name."""
    token("coder-1", owner=User.objects.get(username="operator"))
    token("n" * 60, owner=User.objects.get(username="operator"), kind="person")


@pytest.mark.parametrize("script", [True, False])
def test_a_person_makes_a_token_sees_it_once_and_revokes_it(visit: Visit, script: bool) -> None:
    page = visit("/tokens", java_script_enabled=script)
    page.get_by_label("Name").fill("coder-9")
    page.get_by_label("read: board", exact=False).check()
    page.get_by_role("button", name="Make a token").click()
    secret = page.locator("#secret").inner_text()
    assert Api(secret).get("/plans").status_code == 200
    page.goto("/tokens")
    expect(page.locator("#secret")).to_have_count(0)
    page.get_by_role("button", name="Revoke coder-9").click()
    expect(page.get_by_role("status").first).to_contain_text("is revoked")
    assert Api(secret).get("/plans").status_code == 401


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_neither_page_breaks_a_wcag_rule(visit: Visit, scheme: str) -> None:
    some()
    for path in PATHS:
        page = visit(path, color_scheme=scheme, viewport={"width": 1440, "height": 900})
        expect(page.locator("h1")).to_be_visible()
        assert violations(page) == [], path
        picture(page, path, f"{scheme}-1440")


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 2560])
def test_nothing_runs_out_of_either_page(visit: Visit, width: int) -> None:
    some()
    for path in PATHS:
        page = visit(path, viewport={"width": width, "height": 844})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
        picture(page, path, str(width))
