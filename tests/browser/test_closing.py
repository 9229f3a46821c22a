"""Marking a zombie as failed in a real browser: readable, by one press, live by itself, and without JavaScript."""

from datetime import timedelta

import pytest
from playwright.sync_api import Route, expect

from apps.closing.models import CloseRequest
from apps.core.clock import utcnow
from apps.flags.models import RunStatus
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.browser import seed
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
CHAIN = [
    "W&B says running, last heartbeat 47 min ago.",
    "Slurm says FAILED of job 41991_3 with exit code 1:0.",
    "The log says cuda-oom: torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2.00 GiB (train.err:812).",
    "The log's last is epoch 31 of 100.",
    "The newest checkpoint is step 13950, written 56 min ago; nobody has proven it yet.",
]


def zombie() -> Run:
    """A run that W&B calls running and whose job failed."""
    one = seed.sweep("c8p4vv7e", "mixup-cutmix-grid")
    run = seed.run(one, "c8p4r9", seed.Training(slurm="FAILED", pair="zombie", agree=False, minutes=47, epoch=31),
                   job_id="41991_3")  # fmt: skip
    Job.objects.update(end_at=utcnow() - timedelta(minutes=46))
    RunStatus.objects.update(
        chain=CHAIN, wandb_state="running", verdict="mark crashed", job_how="log",
        job_evidence="a log of job 41991_3 names run c8p4r9",
    )  # fmt: skip
    seed.flag("zombie", "critical", run, "W&B says running, but job 41991_3 ended FAILED 46 min ago.",
              "mark the run crashed in W&B; then resume it if it has progress")  # fmt: skip
    seed.fresh_passes()
    return run


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_is_accessible_in_both_schemes_and_in_every_state(visit: Visit, scheme: str) -> None:
    run = zombie()
    page = visit(f"/runs/{run.pk}/close", color_scheme=scheme)
    expect(page.locator("#close-run")).to_be_enabled()
    assert violations(page) == []
    Run.objects.update(heartbeat_at=utcnow())
    expect(page.locator("#close-run")).to_be_disabled()
    assert violations(page) == []
    request = CloseRequest.objects.create(run=run, asked_by="mira", asked_at=utcnow(), state="failed", attempts=3)
    for state, heading in (("failed", "It failed"), ("refused", "nothing was closed"), ("closed", "next pass")):
        CloseRequest.objects.filter(pk=request.pk).update(state=state, said="W&B says no.", error_id="3f9c21ab77d0")
        expect(page.locator("#closing")).to_contain_text(heading)
        assert violations(page) == []


def test_one_press_and_the_progress_comes_by_itself(visit: Visit) -> None:
    run = zombie()
    page = visit("/flags")
    page.get_by_role("link", name="Mark crashed…").click()
    page.locator("#close-run").click()
    expect(page.locator("#closing-said")).to_contain_text("Run c8p4r9 will be marked as failed in W&B.")
    expect(page.locator("#closing")).to_contain_text("Waiting for a worker")
    expect(page.locator("#close-run")).to_have_count(0)
    CloseRequest.objects.update(state="running", attempts=1, claimed_at=utcnow())
    expect(page.locator("#closing")).to_contain_text("Asking W&B and Slurm, then closing")
    CloseRequest.objects.update(state="closed", closed_at=utcnow())
    expect(page.locator("#closing")).to_contain_text("waiting for the next pass over W&B")
    expect(page.locator("#closing-said")).to_contain_text("will be marked")  # polls leave it
    Run.objects.filter(pk=run.pk).update(state="failed")
    CloseRequest.objects.update(state="verified", shows="failed", finished_at=utcnow())
    expect(page.locator("#closing")).to_contain_text("✓ W&B shows failed")


def test_a_poll_in_the_midst_of_a_press_does_not_take_its_answer_away(visit: Visit) -> None:
    run = zombie()
    page = visit(f"/runs/{run.pk}/close")
    held: list[Route] = []
    page.route("**/close/press", lambda route: held.append(route))  # noqa: PLW0108 - Playwright looks at it
    page.locator("#close-run").click()
    for _ in range(2):
        with page.expect_response(lambda answer: answer.url.endswith(f"/runs/{run.pk}/close")):
            pass
    held[0].continue_()
    expect(page.locator("#closing-said")).to_contain_text("Run c8p4r9 will be marked as failed in W&B.")
    expect(page.locator("#closing")).to_contain_text("Waiting for a worker")


def test_the_board_leads_there_by_keyboard(visit: Visit) -> None:
    run = zombie()
    page = visit(f"/?open={run.sweep_id}")
    page.locator(f"#close-{run.pk}").focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("Mark run c8p4r9 as failed in W&B")


def test_it_works_without_javascript(visit: Visit) -> None:
    run = zombie()
    page = visit(f"/runs/{run.pk}/close", java_script_enabled=False)
    page.locator("#close-run").click()
    expect(page.locator(".notice")).to_contain_text("will be marked as failed")
    expect(page.locator("#closing")).to_contain_text("Waiting for a worker")
    assert CloseRequest.objects.count() == 1


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_runs_out_of_the_page(visit: Visit, width: int) -> None:
    run = zombie()
    Run.objects.update(name="ablation-of-every-augmentation-" * 9, heartbeat_at=utcnow())
    page = visit(f"/runs/{run.pk}/close", viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
