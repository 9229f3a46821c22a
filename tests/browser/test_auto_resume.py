"""The switch of auto-resume in a real browser: readable on both pages, seen on the board, and without JavaScript."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from apps.core.clock import utcnow
from apps.resume.models import AutoResume
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations
from tests.factories.resume import Lab

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    return Lab(workspace_root)


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_it_is_switched_on_by_a_person_and_says_why_it_stopped(visit: Visit, lab: Lab, scheme: str, width: int) -> None:
    address = f"/runs/{lab.run.pk}/resume"
    page = visit(address, java_script_enabled=False, color_scheme=scheme, viewport={"width": width, "height": 900})
    page.locator("#auto-on").click()
    expect(page.locator("#auto-resume")).to_contain_text("Switched on by operator")
    AutoResume.objects.update(stopped_at=utcnow(), stopped_why="The last 2 attempts failed.")
    seen = visit(address, color_scheme=scheme, viewport={"width": width, "height": 900})
    expect(seen.locator("#auto-resume")).to_contain_text("stopped itself")
    assert violations(seen) == []
    assert seen.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    board = visit(f"/?open={lab.run.sweep_id}", color_scheme=scheme, viewport={"width": width, "height": 900})
    expect(board.locator(f"#run-{lab.run.pk}")).to_contain_text("auto-resume stopped itself")
    assert violations(board) == []


def test_a_sweeps_switch_stands_on_its_page(visit: Visit, lab: Lab) -> None:
    page = visit(f"/sweeps/{lab.run.sweep_id}/resume", viewport={"width": 390, "height": 800})
    page.locator("#auto-on").click()
    expect(page.locator("#auto-resume")).to_contain_text("Switched on by operator")
    page.locator("#auto-off").click()
    expect(page.locator("#auto-resume")).to_contain_text("Switched off by operator")
    assert violations(page) == []
