"""The screens of sources and of offline runs in a real browser: readable, live, by keyboard, and without JavaScript."""

from datetime import timedelta

import pytest
from playwright.sync_api import expect

from apps.core.clock import utcnow
from apps.sweeps.models import RunFolder, UploadRequest
from tests.browser import seed
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


def folders() -> list[RunFolder]:
    sweep = seed.sweep("k3v9x2ab", "vit-base-augment")
    made = []
    for number, (state, hours) in enumerate((("finished", 30.0), ("failed", 5.0), ("running", 0.01))):
        run = seed.run(sweep, f"off{number}", seed.Training(wandb=state, slurm="COMPLETED"))
        run.offline = True
        run.save()
        folder = RunFolder(workspace=sweep.workspace, run_name=f"off{number}", run=run, state=state, step=400)
        folder.path = f"/shared/vision/wandb/offline-run-20261101_00000{number}-off{number}"
        folder.modified_at = utcnow() - timedelta(hours=hours)
        folder.save()
        made.append(folder)
    seed.finished_pass("wandb-local", "vision")
    return made


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("path", ["/offline", "/ops/sources"])
def test_the_screens_are_accessible_in_both_schemes(visit: Visit, path: str, scheme: str) -> None:
    folders()
    seed.fresh_passes()
    seed.finished_pass("slurm", "cluster", error="slurmctld does not answer.")
    page = visit(path, color_scheme=scheme)
    expect(page.locator("table.list").first).to_be_visible()
    assert violations(page) == []


def test_an_upload_is_asked_for_by_one_press_and_its_progress_comes_by_itself(visit: Visit) -> None:
    first, *_ = folders()
    page = visit("/offline")
    page.locator(f"#upload-{first.pk}").click()
    expect(page.locator("#offline-said")).to_contain_text("The upload of run off0 is asked for.")
    expect(page.locator("tr", has_text="off0")).to_contain_text("waiting for a worker")
    UploadRequest.objects.update(state="running", said="setting up run off0", claimed_at=utcnow())
    expect(page.locator("tr", has_text="off0")).to_contain_text("setting up run off0")
    expect(page.locator("#offline-said")).to_contain_text("The upload of run off0 is asked for.")  # polls leave it
    UploadRequest.objects.update(state="done", finished_at=utcnow())
    RunFolder.objects.filter(pk=first.pk).update(synced=True)
    expect(page.locator("tr", has_text="off0")).to_contain_text("✓ on W&B")


def test_a_run_that_is_still_written_has_a_button_that_says_why_not(visit: Visit) -> None:
    *_, running = folders()
    page = visit("/offline")
    button = page.locator(f"#upload-{running.pk}")
    expect(button).to_be_disabled()
    expect(button).to_have_attribute("title", "Run off2 is still being written; upload it when it has ended.")


def test_an_upload_works_without_javascript(visit: Visit) -> None:
    first, *_ = folders()
    page = visit("/offline", java_script_enabled=False)
    page.locator(f"#upload-{first.pk}").click()
    expect(page.locator(".notice")).to_contain_text("is asked for")
    assert UploadRequest.objects.count() == 1


def test_a_failure_shows_on_the_open_screen_of_sources(visit: Visit) -> None:
    seed.fresh_passes()
    page = visit("/ops/sources")
    row = page.locator(".sources-table tr", has_text="cluster")
    expect(row).not_to_contain_text("failed")
    seed.finished_pass("slurm", "cluster", error="slurmctld does not answer.")
    expect(page.locator(".sources-table tr", has_text="cluster")).to_contain_text("slurmctld does not answer.")


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_nothing_runs_out_of_the_screens(visit: Visit, width: int) -> None:
    folders()
    seed.fresh_passes()
    for path in ("/offline", "/ops/sources"):
        page = visit(path, viewport={"width": width, "height": 900})
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
