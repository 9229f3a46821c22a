"""The restart guard in a real browser: readable, shut with its sentence, opened on purpose, and without JavaScript."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from apps.core.clock import utcnow
from apps.restart.models import RestartRequest
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations
from tests.factories.restart import Lab

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    return Lab(workspace_root, now=utcnow())


@pytest.mark.parametrize(("scheme", "width"), [("light", 390), ("dark", 1440)])
def test_the_guard_is_readable_and_opens_on_purpose_only(visit: Visit, lab: Lab, scheme: str, width: int) -> None:
    lab.checkpoint()
    address = f"/sweeps/{lab.sweep.pk}/restart"
    page = visit(address, who="admin", color_scheme=scheme, viewport={"width": width, "height": 900})
    expect(page.locator("#relaunch")).to_be_disabled()
    expect(page.locator("#relaunch-shut")).to_contain_text("would lose 5 epochs")
    page.locator("details.override summary").click()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.check("#open-new-sweep")
    page.fill("#open-agents", "0")
    page.locator("#open-guard").click()
    expect(page.locator("#restart-said")).to_contain_text("A new sweep will be made.")
    lab.drive(RestartRequest.objects.get())
    expect(page.locator("#restart")).to_contain_text("The new sweep is new00001")
    assert violations(page) == []


def test_agents_are_relaunched_without_javascript(visit: Visit, lab: Lab) -> None:
    page = visit(f"/?open={lab.sweep.pk}", java_script_enabled=False, viewport={"width": 390, "height": 800})
    page.locator(f"#restart-sweep-{lab.sweep.pk}").click()
    page.fill("#agents", "2")
    page.locator("#relaunch").click()
    expect(page.locator(".notice")).to_contain_text("Agents will be relaunched.")
    assert lab.drive(RestartRequest.objects.get()) == "sent"
    page.goto(page.url)
    expect(page.locator("#restart")).to_contain_text("Slurm has job 1, job 2.")
