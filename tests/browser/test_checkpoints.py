"""The checkpoints of a run in a real browser: what each is proven to be, and one press to have it proven."""

import os
from pathlib import Path

import pytest
import torch
from playwright.sync_api import expect

from apps.checkpoints.models import Verification
from apps.checkpoints.services import find_checkpoints
from apps.checkpoints.tasks import drive_proof
from apps.checkpoints.wiring import checkpoint_store
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace
from tests.browser import seed
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Run:
    """A crashed run with three checkpoints, the newest of which was cut off."""
    sent: list[int] = []
    monkeypatch.setattr("apps.board.checkpoint_views.send_proof", lambda asked: sent.append(asked.pk))
    one = seed.sweep("proofs01", "swin-proofs")
    run = seed.run(one, "proofs", seed.Training(wandb="crashed", slurm="FAILED", pair="crashed"), job_id="991")
    config = {"projects": [run.project_path], "checkpoints": ["outputs/{run_id}/*.pt"]}
    Workspace.objects.filter(pk=one.workspace_id).update(root=str(tmp_path), config=config)
    folder = tmp_path / "outputs" / run.run_id
    folder.mkdir(parents=True)
    for step in (1000, 2000, 3000):
        path = folder / f"step_{step}.pt"
        torch.save({"w": torch.ones(300_000), "global_step": step}, path)
        if step == 3000:
            path.write_bytes(path.read_bytes()[:-5000])
        os.utime(path, (1_700_000_000 + step, 1_700_000_000 + step))
    find_checkpoints(runs=[run], workspaces={run.project_path: Workspace.objects.get()}, store=checkpoint_store())
    seed.fresh_passes()
    return run


def work() -> None:
    """What a worker does meanwhile."""
    for pk in Verification.objects.filter(state="queued").values_list("pk", flat=True):
        drive_proof(verification_pk=pk)


def test_a_press_proves_a_checkpoint_and_the_answer_comes_by_itself(visit: Visit, run: Run) -> None:
    page = visit(f"/runs/{run.pk}/checkpoints")
    page.get_by_role("button", name="Verify step_3000.pt").click()
    expect(page.locator("table.log")).to_contain_text("waiting for a worker")
    work()
    row = page.locator("tr", has_text="step_3000.pt")
    expect(row).to_contain_text("✖ broken")
    expect(row).to_contain_text("cut off")
    expect(page.locator("tr", has_text="step_2000.pt")).to_contain_text(
        "waiting for a worker"
    )  # what could be restored
    work()
    expect(page.locator("tr", has_text="step_2000.pt")).to_contain_text("newest good")


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_checkpoints_break_no_wcag_rule(visit: Visit, run: Run, scheme: str) -> None:
    page = visit(f"/runs/{run.pk}/checkpoints", color_scheme=scheme)
    page.get_by_role("button", name="Verify step_3000.pt").click()
    expect(page.locator("table.log")).to_contain_text("waiting for a worker")
    work()
    work()
    expect(page.locator("table.log")).to_contain_text("newest good")
    assert violations(page) == []


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1280])
def test_nothing_runs_out_of_the_checkpoints(visit: Visit, run: Run, width: int) -> None:
    page = visit(f"/runs/{run.pk}/checkpoints", viewport={"width": width, "height": 900})
    assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_the_board_says_what_the_newest_checkpoint_is_worth(visit: Visit, run: Run) -> None:
    page = visit(f"/runs/{run.pk}/checkpoints", java_script_enabled=False)
    page.get_by_role("button", name="Verify step_3000.pt").click()
    expect(page.get_by_role("status").first).to_contain_text("is being verified")
    work()
    page.goto(f"/?q=proofs01&open={run.sweep_id}")
    expect(page.locator(f"#proof-{run.pk}")).to_contain_text("✖ broken")
    page.locator(f"#proof-{run.pk}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Checkpoints of")
