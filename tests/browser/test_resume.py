"""Resuming in a real browser: readable, looked at by itself, by one press, live, and without JavaScript."""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from apps.core.clock import utcnow
from apps.flags.models import RunStatus
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.services import ask_for_resume
from apps.sweeps.models import Run
from tests.browser import seed
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations
from tests.factories.resume import Lab

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    made = Lab(workspace_root)
    made.now = made.scheduler.now = utcnow()
    hour_ago = utcnow() - timedelta(hours=1)
    Run.objects.update(heartbeat_at=hour_ago)
    os.utime(made.checkpoint, (hour_ago.timestamp(), hour_ago.timestamp()))
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_in_both_schemes_and_in_every_state(visit: Visit, lab: Lab, scheme: str) -> None:
    lab.status.crash_class, lab.status.resumable = "host-oom", "after a change"
    lab.status.save()
    lab.check()
    page = visit(f"/runs/{lab.run.pk}/resume", color_scheme=scheme)
    expect(page.locator("#resume-run")).to_be_disabled()
    expect(page.locator(".gate li.fail")).to_have_count(1)
    assert violations(page) == []
    page.check("#change-more-memory")
    page.fill("#value-more-memory", "64G")
    page.locator("#apply").click()
    expect(page.locator("#resume-run")).to_be_enabled()
    expect(page.locator("#resume")).to_contain_text("--mem=64G")
    assert violations(page) == []
    page.locator("#resume-run").click()
    expect(page.locator("#resume")).to_contain_text("Waiting for a worker")
    assert violations(page) == []
    for state, heading in (("running", "waiting for W&B"), ("failed", "It failed"), ("confirmed", "goes on")):
        ResumeRequest.objects.update(state=state, job_id="4712", said="Something was said.", error_id="3f9c21ab77d0")
        page.goto(page.url)
        expect(page.locator("#resume")).to_contain_text(heading)
        assert violations(page) == []


def test_the_gate_is_looked_at_when_the_page_opens_and_one_press_resumes(visit: Visit, lab: Lab) -> None:
    page = visit(f"/?open={lab.run.sweep_id}")
    page.locator(f"#resume-{lab.run.pk}").focus()
    page.keyboard.press("Enter")
    expect(page.locator("#resume")).to_contain_text("Asking W&B and Slurm")
    lab.check()
    expect(page.locator("#resume-run")).to_be_enabled()
    page.locator("#resume-run").click()
    expect(page.locator("#resume-said")).to_contain_text("Run aaa will be resumed.")
    request = ResumeRequest.objects.get()
    assert lab.drive(request) == "submitted"
    expect(page.locator("#resume")).to_contain_text("Job 1 waits in the queue")
    lab.later(seconds=30)
    lab.scheduler.start("1")
    lab.later(seconds=30)
    lab.logs(501)
    assert lab.drive(request) == "confirmed"
    expect(page.locator("#resume")).to_contain_text("✓ Resumed: the same run goes on")
    expect(page.locator("#resume-said")).to_contain_text("will be resumed")  # polls leave it


def test_it_works_without_javascript_and_on_a_narrow_screen(visit: Visit, lab: Lab) -> None:
    page = visit(f"/runs/{lab.run.pk}/resume", java_script_enabled=False, viewport={"width": 380, "height": 800})
    page.locator("#look").click()
    assert GateCheck.objects.get().state == "queued"
    lab.check()
    page.goto(page.url)
    assert page.evaluate("document.documentElement.scrollWidth") <= 380
    page.locator("#resume-run").click()
    expect(page.locator(".notice")).to_contain_text("will be resumed")
    page.locator("#cancel-resume").click()
    expect(page.locator("#resume")).to_contain_text("Cancelling")


def test_a_look_that_was_used_is_no_look(visit: Visit, lab: Lab) -> None:
    check = lab.check()
    page = visit(f"/runs/{lab.run.pk}/resume")
    expect(page.locator("#resume-run")).to_be_enabled()
    ask_for_resume(run=lab.run, check=check, actor="mia", now=utcnow(), choices={})
    page.locator("#resume-run").click()
    expect(page.locator("#resume-said")).to_contain_text("under way already")


@pytest.mark.parametrize(("scheme", "width"), [("light", 1440), ("dark", 390)])
def test_several_runs_of_a_sweep_are_resumed_on_one_page(
    visit: Visit, monkeypatch: pytest.MonkeyPatch, scheme: str, width: int
) -> None:
    monkeypatch.setattr("apps.resume.sweep_views.send_check", lambda check: None)  # no worker is there to hear it
    one = seed.sweep("several1", "swin-several")
    for number in range(3):
        how = seed.Training(wandb="crashed", slurm="PREEMPTED", pair="preempted", crash="preemption")
        seed.run(one, f"several{number}", how, job_id=f"88{number}")
    RunStatus.objects.update(verdict="resume", resumable="yes")
    seed.fresh_passes()
    page = visit(f"/?open={one.pk}", color_scheme=scheme, viewport={"width": width, "height": 900})
    page.get_by_role("link", name="Resume several").click()
    expect(page.locator("table.log tbody tr")).to_have_count(3)
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    page.get_by_role("button", name="Look at every gate").click()
    expect(page.locator("#resume-said")).to_contain_text("3 gates will be looked at.")
