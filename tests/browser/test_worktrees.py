"""The screens of worktrees in a real browser, over a real repository: found, made, cleaned up, and picks planned."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import expect

from apps.core.clock import utcnow
from apps.workspaces.models import Workspace
from apps.worktrees.models import Worktree
from apps.worktrees.services.scanning import scan_worktrees
from tests.browser.conftest import Visit
from tests.browser.test_board_looks import violations
from tests.factories import worktrees as made_by
from tests.factories.worktrees import commit, git, merged, tools, with_remote, worktree
from tests.services.memory import WORLD

pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
LONG = "ablation-of-every-augmentation-with-a-very-long-name-that-nobody-would-type-twice"


@pytest.fixture
def root(tmp_path: Path, settings: Any) -> Path:
    """A repository in every state, passed over once; no job runs anywhere."""
    WORLD.reset()
    settings.SCHEDULERS = dict.fromkeys(("local", "slurm_cli", "pyslurm"), "tests.services.memory.scheduler")
    made = made_by.glue(tmp_path)
    (made / ".env").write_text("KEY=1\n")
    (made / "outputs").mkdir()
    done = merged(made)
    (done / "CLAUDE.md").write_text("# Handover\n\nHandover Key: HO-20261103-1405-a1b2c3\nFocus: warm restarts\n")
    (worktree(made, LONG) / "outputs").symlink_to(made / "outputs")
    open_ = worktree(made, "feature/open")
    commit(open_, "Fix the loader and rename the metric", data__l_py="1\n", metrics__f_py="1\n")
    commit(open_, "Train longer", train_py="epochs = 20\n")
    commit(made, "Train shorter", train_py="epochs = 5\n")
    (open_ / "outputs").mkdir()
    (open_ / "outputs" / "step_100.pt").write_bytes(b"x" * 4096)
    (open_ / "notes.txt").write_text("mine\n")
    remote = with_remote(made)
    git(made, "clone", "-q", str(remote), str(tmp_path / "glue-again"))
    scan_worktrees(workspace=Workspace.objects.create(name="glue", root=str(made)), tools=tools(), now=utcnow())
    return made


def page_of(name: str) -> str:
    return f"/worktrees/{Worktree.objects.get(path__endswith=name).pk}"


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screens_are_accessible_wcag(visit: Visit, root: Path, scheme: str) -> None:
    page = visit("/worktrees", color_scheme=scheme)
    assert violations(page) == []
    for path in (
        page_of("done"),
        page_of("open"),
        f"{page_of('done')}/clean",
        f"{page_of('open')}/clean",
        "/worktrees/new",
    ):
        page.goto(path)
        assert violations(page) == [], path
    page.fill("#branch", "fix/x")
    page.fill("#focus", "warm restarts")
    page.click("#preview")
    expect(page.locator(".commands li").first).to_contain_text("worktree add")
    assert violations(page) == []
    page.goto("/worktrees/picks")
    page.fill("#source", "feature/open")
    page.fill("#target", "main")
    page.click("#plan-it")
    expect(page.locator(".picks li")).to_have_count(2)
    assert violations(page) == []


def test_it_is_found_by_key_and_filters_stay_in_the_address(visit: Visit, root: Path) -> None:
    page = visit("/worktrees")
    page.keyboard.press("/")
    page.keyboard.type("warm restarts")
    expect(page.locator("#worktrees tbody tr")).to_have_count(1)
    expect(page).to_have_url(re.compile(r"q=warm"))
    page.locator("#worktrees th a").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("h1")).to_have_text("glue-feature-done")
    expect(page.locator(".findings")).to_contain_text("merged-still-there")


def test_one_is_made_and_cleaned_up_without_javascript(visit: Visit, root: Path) -> None:
    page = visit("/worktrees", java_script_enabled=False)
    page.get_by_role("link", name="New worktree").click()
    page.fill("#branch", "fix/x")
    page.fill("#focus", "why it stalls")
    page.click("#preview")
    page.click("#make")
    expect(page.locator(".notice")).to_contain_text("is made, with the handover HO-")
    expect(page.locator("h1")).to_have_text("fix-x")
    folder = root.parent / "glue-worktrees" / "fix-x"
    commit(folder, "Work", w_py="1\n")
    git(root, "merge", "-q", "--no-ff", "-m", "Merge", "fix/x")
    git(root, "push", "-q", "origin", "main")
    page.click("#clean")
    page.click("#clean-it")
    expect(page.locator(".notice").first).to_contain_text("is cleaned up")
    assert not folder.exists()


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_runs_sideways(visit: Visit, root: Path, width: int) -> None:
    page = visit("/worktrees", viewport={"width": width, "height": 900})
    paths = ["/worktrees", *(page_of(name) for name in ("done", "open", "twice", "again")), f"{page_of('done')}/clean"]
    for path in [*paths, "/worktrees/new", "/worktrees/picks"]:
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
