"""The pass over worktrees: what it keeps, what it asks again, and what it says when something is away."""

from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import SyncPass
from apps.config.schedule import beat_schedule
from apps.core.locks import lease
from apps.ops.sources import source_rows
from apps.workspaces.models import Workspace
from apps.worktrees.adapters.git_cli import GitCli
from apps.worktrees.models import Worktree, WorktreeAct
from apps.worktrees.selectors import pass_states, worktrees_of
from apps.worktrees.services.scanning import Scanned, scan_worktrees
from apps.worktrees.tasks import scan
from tests.factories import worktrees as made_by
from tests.factories.moments import NOW
from tests.factories.rows import WorkspaceFactory
from tests.factories.worktrees import commit, git, merged, tools, with_remote, worktree

pytestmark = pytest.mark.django_db


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made_by.glue(tmp_path)


@pytest.fixture
def workspace(root: Path) -> Workspace:
    made: Workspace = WorkspaceFactory(name="glue", root=str(root), config={})
    return made


def look(workspace: Workspace, minutes: float = 0) -> tuple[int, Scanned]:
    """Pass once; return how many processes of git that took, and what it changed."""
    made = tools()
    result = scan_worktrees(workspace=workspace, tools=made, now=NOW + timedelta(minutes=minutes))
    assert isinstance(made.git, GitCli)
    return made.git.git.asked, result


def test_a_pass_keeps_every_worktree_with_its_findings(workspace: Workspace, root: Path) -> None:
    done = merged(root)
    worktree(root, "feature/new")
    remote = with_remote(root)
    git(root, "clone", "-q", str(remote), str(root.parent / "glue-again"))
    (done / "CLAUDE.md").write_text("# Handover\n\nHandover Key: HO-20261103-1405-a1b2c3\nFocus: warm restarts\n")
    assert look(workspace)[1].ok
    rows = {Path(row.path).name: row for row in Worktree.objects.all()}
    assert {name: (row.kind, row.how) for name, row in rows.items()} == {
        "glue": ("main", "base"), "glue-feature-done": ("worktree", "merge"),
        "glue-feature-new": ("worktree", "nothing-yet"), "glue-again": ("clone", "unknown"),
    }  # fmt: skip
    assert {one["id"] for one in rows["glue-feature-done"].findings} == {"merged-still-there", "claude-left"}
    assert [one["id"] for one in rows["glue-again"].findings] == ["clone"]
    views = {one.name: one for one in worktrees_of(workspace)}
    assert next(iter(views)) == "glue"
    told = views["glue-feature-done"]
    assert told.handover is not None
    assert (told.handover.key, told.facts.focus, told.handover.pk) == ("HO-20261103-1405-a1b2c3", "warm restarts", None)
    assert told.jobs is None
    assert any("Slurm did not answer" in one for one in told.refusals)


def test_nothing_is_asked_again_while_branches_and_indexes_stand(workspace: Workspace, root: Path) -> None:
    folders = [worktree(root, f"w{number}") for number in range(4)]
    assert look(workspace)[0] == 3 + 5
    assert look(workspace, 1) == (0, Scanned((), ok=True))
    (folders[0] / "train.py").write_text("edited\n")
    git(folders[0], "add", "train.py")
    asked, result = look(workspace, 2)
    assert (asked, result.changed) == (3 + 1, (str(folders[0]),))
    commit(folders[1], "One", a_py="1\n")
    asked, result = look(workspace, 3)
    assert result.changed == (str(folders[1]),)
    assert asked == 4 + 1  # its patch too
    assert look(workspace, 4)[0] == 0


def test_an_edit_that_no_stamp_shows_is_seen_after_a_while(workspace: Workspace, root: Path) -> None:
    folder = worktree(root, "w")
    look(workspace)
    (folder / "train.py").write_text("edited, not added\n")
    assert look(workspace, 5)[1].changed == ()
    assert look(workspace, 11)[1].changed == (str(folder),)
    assert Worktree.objects.get(path=str(folder)).told().dirty is True


def test_a_link_that_appears_and_a_worktree_that_goes_are_seen_at_once(workspace: Workspace, root: Path) -> None:
    folder, other = worktree(root, "w"), worktree(root, "other")
    look(workspace)
    (folder / "outputs").symlink_to(root)
    git(root, "worktree", "remove", str(other))
    assert set(look(workspace, 1)[1].changed) == {str(folder), str(other)}
    assert not Worktree.objects.filter(path=str(other)).exists()
    ids = {one["id"] for one in Worktree.objects.get(path=str(folder)).findings}
    assert "local-linked" in ids


def test_a_pass_that_finds_nothing_changed_asks_a_fixed_number_of_queries(workspace: Workspace, root: Path) -> None:
    counts = []
    for number in range(3):
        worktree(root, f"w{number}")
        look(workspace, number)
        with CaptureQueriesContext(connection) as told:
            look(workspace, number + 0.5)
        counts.append(len([one for one in told.captured_queries if "SAVEPOINT" not in one["sql"]]))
    assert len(set(counts)) == 1
    assert counts[0] <= 12


def test_a_workspace_that_is_away_keeps_what_was_known_and_says_so(workspace: Workspace, root: Path) -> None:
    look(workspace)
    root.rename(root.with_name("away"))
    assert look(workspace, 1)[1].ok is False
    assert Worktree.objects.count() == 1
    assert "is not there" in SyncPass.objects.order_by("-pk")[0].error
    assert pass_states([workspace], late_seconds=300)[0].level == "failed"


def test_a_folder_without_git_has_none_and_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    made: Workspace = WorkspaceFactory(name="plain", root=str(tmp_path / "plain"), config={})
    assert pass_states([made], late_seconds=300)[0].level == "waiting"
    assert look(made) == (0, Scanned((), ok=True))
    assert pass_states([made], late_seconds=10**9)[0].level == "none"
    assert pass_states([made], late_seconds=-1)[0].level == "stale"


def test_an_act_whose_process_died_is_ended_by_the_next_pass(workspace: Workspace) -> None:
    WorktreeAct.objects.create(workspace=workspace, kind="new", path="/x", digest="d", by="mia",
                               at=NOW - timedelta(hours=1))  # fmt: skip
    look(workspace)
    row = WorktreeAct.objects.get()
    assert row.state == "failed"
    assert row.error_id


def test_beat_passes_over_every_workspace_and_the_sources_show_it(glue: Workspace) -> None:
    assert beat_schedule()["scan-worktrees"]["task"] == "worktrees.scan"
    scan()
    assert [(row.title, row.scope, row.task) for row in source_rows()] == [("Worktrees", "glue", "worktrees")]
    with lease(f"worktrees:{glue.pk}", seconds=30):
        scan()
    assert SyncPass.objects.filter(source="worktrees").count() == 1
