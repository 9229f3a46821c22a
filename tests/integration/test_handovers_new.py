"""'New handover' on the web: prefilled from real git, shown first, written in both places; nothing typed is lost."""

import subprocess
from pathlib import Path

import pytest
from django.test import Client

from apps.handovers.models import Handover
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.wiring import document_store
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW
from tests.factories.rows import WorkspaceFactory

pytestmark = pytest.mark.django_db
TYPED = {
    "focus": "warm restarts",
    "next": "- Rerun seed 3",
    "changes": "The schedule restarts\n",
    "checks": "pytest -q => 14 passed",
    "pending": "seed 3",
    "decisions": "steps => the loader drops a batch",
    "agent": "claude",
}


def git(folder: Path, *arguments: str) -> None:
    own = ("-c", "user.name=Mia", "-c", "user.email=mia@example.org", "-c", "init.defaultBranch=main")
    subprocess.run(["git", *own, *arguments], cwd=folder, check=True, capture_output=True)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout with a commit, an uncommitted file and a worktree."""
    root = tmp_path / "digits"
    root.mkdir()
    git(root, "init")
    (root / "train.py").write_text("x = 1\n")
    git(root, "add", ".")
    git(root, "commit", "-m", "Train with warm restarts")
    git(root, "worktree", "add", "-b", "fix/restarts", str(tmp_path / "digits-restarts"))
    (root / "notes.txt").write_text("not committed")
    made: Workspace = WorkspaceFactory(name="digits", root=str(root), config={})
    scan_workspace(workspace=made, store=document_store(), now=NOW)
    return made


def test_the_form_is_filled_with_what_git_tells(operator: Client, workspace: Workspace) -> None:
    text = operator.get("/handovers/new").content.decode()
    for told in ("1 commit", "1 file", "digits-restarts", "fix/restarts"):
        assert told in text, told
    assert operator.get("/handovers/new", {"checkout": "/etc"}).status_code == 200  # what nobody offers is not taken


def test_it_is_shown_before_it_is_written_and_claims_without_proof_are_told(
    operator: Client, workspace: Workspace
) -> None:
    asked = {**TYPED, "checks": "", "changes": "All tests pass", "checkout": workspace.root, "preview": "1"}
    text = operator.post("/handovers/new", asked).content.decode()
    assert "What would be written" in text
    assert "warm restarts" in text
    assert 'class="why"' in text
    assert not Handover.objects.exists()
    assert not (Path(workspace.root) / "CLAUDE").exists()


def test_it_is_written_with_its_index_in_a_worktree_in_both_places(operator: Client, workspace: Workspace) -> None:
    worktree = Path(workspace.root).with_name("digits-restarts")
    (worktree / "CLAUDE.md").write_text("# Ours\n\nDo not touch this line.\n")
    answer = operator.post("/handovers/new", {**TYPED, "checkout": str(worktree), "write": "1"}, follow=True)
    text = answer.content.decode()
    one = Handover.objects.get()
    assert (one.focus, one.branch, one.agent, one.author) == ("warm restarts", "fix/restarts", "claude", one.author)
    assert one.author.startswith("person")
    assert "is written" in text
    assert "Copy the startup prompt" in text
    for home in (worktree, Path(workspace.root)):
        assert (home / "CLAUDE" / f"{one.key}.md").is_file()
        assert one.key in (home / "CLAUDE.md").read_text()
    assert "Do not touch this line." in (worktree / "CLAUDE.md").read_text()


def test_what_the_last_one_left_open_is_carried_over_and_ticked_off(operator: Client, workspace: Workspace) -> None:
    operator.post("/handovers/new", {**TYPED, "checkout": workspace.root, "write": "1"})
    assert "tick what is done" in operator.get("/handovers/new").content.decode()
    operator.post(
        "/handovers/new", {**TYPED, "pending": "", "done": ["seed 3"], "checkout": workspace.root, "write": "1"}
    )
    newest = Handover.objects.order_by("-pk").first()
    assert newest is not None
    assert newest.content is not None
    assert "- [x] seed 3" in newest.content.text


@pytest.mark.parametrize("missing", ["focus", "next"])
def test_without_focus_or_next_action_it_is_refused_and_what_was_typed_stays(
    operator: Client, workspace: Workspace, missing: str
) -> None:
    answer = operator.post("/handovers/new", {**TYPED, missing: " ", "checkout": workspace.root, "write": "1"})
    assert answer.status_code == 422
    assert 'role="alert"' in answer.content.decode()
    assert "The schedule restarts" in answer.content.decode()
    assert not Handover.objects.exists()


def test_a_viewer_writes_nothing_and_without_a_workspace_the_page_says_so(viewer: Client, operator: Client) -> None:
    assert viewer.get("/handovers/new").status_code == 403
    assert viewer.post("/handovers/new", TYPED).status_code == 403
    assert "No workspace" in operator.get("/handovers/new").content.decode()


def test_a_checkout_that_is_away_is_said_and_counts_nothing(operator: Client) -> None:
    WorkspaceFactory(name="away", root="/nowhere/away", config={})
    answer = operator.get("/handovers/new")
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "is its filesystem mounted?" in text
    assert "Unknown now" in text
    assert "0 commits" not in text
