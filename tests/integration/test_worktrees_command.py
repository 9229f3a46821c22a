"""`manage.py worktrees` and `manage.py cherry_pick_plan` as scripts call them, over any folder and over workspaces."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.worktrees.models import WorktreeAct
from tests.factories import worktrees as made_by
from tests.factories.rows import WorkspaceFactory
from tests.factories.worktrees import commit, git, merged, with_remote, worktree

pytestmark = pytest.mark.starts_first

ROOT = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return made_by.glue(tmp_path)


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "manage.py", *arguments],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def call(name: str, *arguments: str) -> tuple[int, list[dict[str, Any]], str]:
    """Call a command with --json; return its status, its lines, and what it said beside them."""
    out, err = StringIO(), StringIO()
    status = 0
    try:
        call_command(name, *arguments, "--json", stdout=out, stderr=err)
    except SystemExit as end:
        status = int(end.code or 0)
    except CommandError as error:
        return error.returncode, [], str(error)
    return status, [json.loads(line) for line in out.getvalue().splitlines()], err.getvalue()


def test_a_plain_folder_is_told_without_any_database(root: Path, tmp_path: Path) -> None:
    done, new, local = merged(root), worktree(root, "feature/new"), worktree(root, "feature/open")
    commit(local, "One", a_py="1\n")
    (local / "notes.txt").write_text("x")
    (done / "CLAUDE.md").write_text("# Handover Key: HO-20261103-1405-a1b2c3\n")
    told = process("worktrees", str(root), "--json", DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    assert told.returncode == 0, told.stderr
    rows = {Path(row["path"]).name: row for row in map(json.loads, told.stdout.splitlines())}
    assert len(rows) == 4
    merge = rows["glue-feature-done"]
    assert (merge["branch"], merge["merged"], merge["dirty"], merge["unpushed"]) == ("feature/done", "merge", False, 0)
    assert {one["id"] for one in merge["findings"]} == {"merged-still-there", "claude-left"}
    assert merge["handover"] == "HO-20261103-1405-a1b2c3"
    fresh = rows[new.name]
    assert (fresh["merged"], fresh["merge"]["how"]) == (False, "nothing-yet")
    open_ = rows["glue-feature-open"]
    assert (open_["merged"], open_["dirty"], open_["unpushed"]) == (False, True, 1)
    assert rows["glue"]["kind"] == "main"
    assert set(merge["findings"][0]) == {"id", "sentence", "next_action"}


def test_lines_for_people_name_findings_with_the_next_action(root: Path) -> None:
    merged(root)
    with_remote(root)
    said = process("worktrees", str(root)).stdout
    assert "merged by merge commit" in said
    assert "merged-still-there: feature/done is merged" in said
    assert "→ Clean it up" in said


def test_a_folder_that_is_none_or_has_no_git_is_refused_with_a_sentence(tmp_path: Path) -> None:
    assert "no checkout of git" in process("worktrees", str(tmp_path)).stderr
    assert process("worktrees", str(tmp_path)).returncode == 1
    assert process("worktrees", str(tmp_path / "nowhere")).returncode == 2
    assert process("worktrees", "clean").returncode == 2
    assert process("worktrees", "a", "b").returncode == 2


def test_a_new_one_is_shown_made_and_cleaned_up_again(root: Path) -> None:
    (root / ".env").write_text("x")
    dry = process("worktrees", "new", "fix/x", "--repo", str(root), "--focus", "why", "--dry-run")
    assert "worktree add --no-track -b fix/x" in dry.stdout
    assert "Nothing was done." in dry.stdout
    path = root.parent / "glue-worktrees" / "fix-x"
    assert not path.exists()
    made = process("worktrees", "new", "fix/x", "--repo", str(root), "--focus", "why", "--json")
    told = json.loads(made.stdout)
    assert (told["path"], told["done"]) == (str(path), True)
    assert "link " in made.stderr
    assert told["handover"] in (path / "CLAUDE.md").read_text()
    refused = process("worktrees", "clean", str(path), "--json")
    assert refused.returncode == 1
    assert "not merged" in json.loads(refused.stdout)["refusals"][0]
    commit(path, "One", a_py="1\n")
    git(root, "merge", "-q", "--no-ff", "-m", "Merge", "fix/x")
    dry = process("worktrees", "clean", str(path), "--dry-run")
    assert "worktree remove" in dry.stdout
    assert path.exists()
    done = process("worktrees", "clean", str(path))
    assert done.returncode == 0, done.stderr
    assert not path.exists()
    assert process("worktrees", "clean", str(path), SWEEPBOARD_HOME=os.environ["SWEEPBOARD_HOME"]).returncode == 1


@pytest.mark.django_db
def test_a_registered_workspace_is_meant_by_its_name_and_its_acts_are_kept(root: Path) -> None:
    WorkspaceFactory(name="digits", root=str(root), config={"worktrees_in": "trees"})
    assert [Path(row["path"]).name for row in call("worktrees", "digits")[1]] == ["glue"]
    assert [Path(row["path"]).name for row in call("worktrees")[1]] == ["glue"]
    status, rows, said = call("worktrees", "new", "fix/x", "--repo", "digits", "--no-links", "--name", "mine")
    assert (status, rows[0]["path"]) == (0, str(root / "trees" / "mine")), said
    assert WorktreeAct.objects.get().by.endswith("(command line)")
    status, _, said = call("worktrees", "new", "main", "--repo", "digits")
    assert status == 1
    assert "checked out already" in said


@pytest.mark.django_db
def test_what_was_made_and_taken_away_by_hand_is_made_again(root: Path) -> None:
    WorkspaceFactory(name="digits", root=str(root), config={"worktrees_in": "trees"})
    path = root / "trees" / "fix-x"
    for _ in range(2):
        status, rows, said = call("worktrees", "new", "fix/x", "--repo", "digits", "--no-links", "--focus", "why")
        assert (status, [one["done"] for one in rows]) == (0, [True]), said
        git(root, "worktree", "remove", "--force", str(path))
        git(root, "branch", "-D", "fix/x")
    merged(root)  # its branch is merged; its worktree comes and goes
    git(root, "worktree", "remove", str(root.parent / "glue-feature-done"))
    for _ in range(2):
        git(root, "worktree", "add", "-q", str(path), "feature/done")
        status, rows, said = call("worktrees", "clean", str(path))
        assert (status, [one["done"] for one in rows]) == (0, [True]), said
        assert not path.exists()
    assert WorktreeAct.objects.filter(state="done").count() == 4


def test_a_plan_of_cherry_picks_is_one_json_object(root: Path) -> None:
    folder = worktree(root, "feature/x")
    one = commit(folder, "Add the loader", data__l_py="1\n")
    two = commit(folder, "Fix the loader", data__l_py="2\n")
    status, rows, _ = call("cherry_pick_plan", "feature/x", "main", "--repo", str(root))
    assert status == 0
    plan = rows[0]
    assert plan["commands"] == [["git", "cherry-pick", "-x", one], ["git", "cherry-pick", "-x", two]]
    assert [one["sha"] for one in plan["picks"][1]["depends_on"]] == [one]
    assert plan["fallback"] is None
    assert plan["picks"][0]["conflicts"]["state"] == "clean"
    assert all(pick["reason"] for pick in plan["picks"])
    said = process("cherry_pick_plan", "feature/x", "main", "--repo", str(root)).stdout
    assert f"git cherry-pick -x {one}" in said
    assert process("cherry_pick_plan", "nowhere", "main", "--repo", str(root)).returncode == 1
    assert process("cherry_pick_plan", "a", "b", "--repo", str(root.parent)).returncode == 1
