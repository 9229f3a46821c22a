"""Cancelling and steering in a real browser: every job named, asked once more, live, and without JavaScript."""

from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from apps.core.clock import utcnow
from apps.stopping.models import CancelRequest, SweepRequest
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations
from tests.factories.stopping import Lab

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def lab(tmp_path: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    return Lab(tmp_path, now=utcnow().replace(microsecond=0))


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_from_the_board_to_a_job_that_is_gone(visit: Visit, lab: Lab, scheme: str, width: int) -> None:
    page = visit(f"/?open={lab.sweep.pk}", color_scheme=scheme, viewport={"width": width, "height": 900})
    page.locator(f"#cancel-job-{lab.job.pk}").click()
    expect(page.locator("#cancel-jobs")).to_contain_text("Since the checkpoint of")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("#cancel").click()  # the box is not ticked: the browser asks for it
    assert CancelRequest.objects.count() == 0
    page.check("#confirm")
    page.locator("#cancel").click()
    expect(page.locator("#cancel-said")).to_contain_text("1 job will be cancelled.")
    request = CancelRequest.objects.get()
    lab.drive(request)
    expect(page.locator("#cancel-jobs")).to_contain_text("being cancelled")
    assert violations(page) == []
    lab.drive(request)
    expect(page.locator("#cancel-jobs")).to_contain_text("Slurm says CANCELLED")
    expect(page.locator("#cancel-said")).to_contain_text("will be cancelled")  # polls leave it


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1440), ("light", 390)])
def test_a_sweep_is_paused_and_its_jobs_are_chosen(visit: Visit, lab: Lab, scheme: str, width: int) -> None:
    other = lab.job_of(lab.submit())
    lab.sweep.agent_links.create(job=other, evidence="its script names the sweep")
    page = visit(f"/sweeps/{lab.sweep.pk}/stop", color_scheme=scheme, viewport={"width": width, "height": 900})
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.locator("#pause-sweep").click()
    expect(page.locator("#control-said")).to_contain_text("W&B is told to pause the sweep.")
    request = SweepRequest.objects.get()
    lab.drive(request)
    lab.drive(request)
    expect(page.locator("#sweep-control")).to_contain_text("W&B says PAUSED.")
    assert violations(page) == []
    page.uncheck(f"#job-{lab.job.pk}")
    page.locator("#choose-jobs").click()
    expect(page.locator("h1")).to_have_text(f"Cancel job {other.job_id}")


def test_it_works_without_javascript(visit: Visit, lab: Lab) -> None:
    page = visit(f"/sweeps/{lab.sweep.pk}/stop", java_script_enabled=False, viewport={"width": 390, "height": 800})
    page.locator("#choose-jobs").click()
    page.check("#wandb-stop")
    page.check("#confirm")
    page.locator("#cancel").click()
    expect(page.locator(".notice")).to_contain_text("W&B is told to stop the sweep. 1 job will be cancelled.")
    assert (CancelRequest.objects.count(), SweepRequest.objects.get().wish) == (1, "stop")
