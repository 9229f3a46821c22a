"""Plans of cherry-picks with real git: order, what is needed, conflicts in a scratch worktree that never stays."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from apps.core.errors import Permanent
from apps.worktrees.adapters.picks import GitPicks
from apps.worktrees.domain.facts import How
from apps.worktrees.domain.picking import SCRATCH, Plan
from apps.worktrees.services.planning import plan_picks
from tests.factories.worktrees import commit, facts_at, git, glue, worktree

REPO = Path(__file__).parents[2]


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    scratch = tmp_path / "tmp"
    scratch.mkdir()
    monkeypatch.setenv("TMPDIR", str(scratch))
    monkeypatch.setattr("tempfile.tempdir", None)
    return glue(tmp_path)


def plan(root: Path, concern: str = "") -> Plan:
    return plan_picks(source="feature/x", target="main", root=root, git=GitPicks(), concern=concern)


def by_tom(root: Path, command: tuple[str, ...]) -> None:
    """Run a command of the plan as it stands, as somebody else than the author."""
    tom = {"GIT_COMMITTER_NAME": "Tom", "GIT_COMMITTER_EMAIL": "tom@example.org"}
    subprocess.run([*command], cwd=root, check=True, capture_output=True, env={**os.environ, **tom})


def left(root: Path) -> list[str]:
    """Scratch worktrees that git still knows, and folders of theirs."""
    known = [line for line in git(root, "worktree", "list").splitlines() if SCRATCH in line]
    return known + [path.name for path in Path(os.environ["TMPDIR"]).iterdir()]


def test_commits_come_in_order_with_what_they_need_by_files_and_by_lines(root: Path) -> None:
    commit(root, "Lines", train_py="a\nb\nc\nd\ne\n")
    folder = worktree(root, "feature/x")
    one = commit(folder, "Add the loader", data__loader_py="1\n2\n3\n4\n5\n6\n")
    two = commit(folder, "Change c", train_py="a\nb\nC\nd\ne\n")
    three = commit(folder, "Fix the loader", data__loader_py="1\n2\n3\n4\n5\n6!\n")
    four = commit(folder, "Change c again", train_py="a\nb\nCC\nd\ne\n")
    five = commit(folder, "Unrelated", other_py="x\n")
    told = plan(root)
    assert [pick.commit.sha for pick in told.picks] == [one, two, three, four, five]
    needs = {pick.commit.sha: [(need.sha, need.by) for need in pick.needs] for pick in told.picks}
    assert needs == {one: [], two: [], three: [(one, "files")], four: [(two, "lines")], five: []}
    assert all(pick.trial.state == "clean" for pick in told.picks)
    assert told.picks[0].command == ("git", "cherry-pick", "-x", one)
    assert told.picks[0].commit.author == "Mia <mia@example.org>"
    assert f"{one[:8]}, because data/loader.py was created by" in told.picks[2].reason
    assert "train.py that" in told.picks[3].reason
    assert told.fallback == ()
    assert left(root) == []


def test_the_commands_of_a_plan_really_give_that_result_and_keep_the_author(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "Add a", a_py="1\n")
    commit(folder, "Add b", a_py="1\n2\n", b_py="b\n")
    told = plan(root)
    before = git(root, "rev-parse", "main")
    for pick in told.picks:
        by_tom(root, pick.command)
    assert git(root, "rev-parse", "main^{tree}") == git(root, "rev-parse", "feature/x^{tree}")
    assert git(root, "log", "-1", "--format=%an %cn") == "Mia Tom\n"
    assert "cherry picked from commit" in git(root, "log", "-1", "--format=%b")
    assert before != git(root, "rev-parse", "main")
    again = plan(root)
    assert again.picks == ()
    assert len(again.already) == 2


def test_what_is_there_under_another_name_is_named_and_not_picked(root: Path) -> None:
    folder = worktree(root, "feature/x")
    one = commit(folder, "Add a", a_py="1\n")
    two = commit(folder, "Add b", b_py="1\n")
    commit(root, "Main goes on", m_py="1\n")
    git(root, "cherry-pick", one)
    told = plan(root)
    assert [pick.commit.sha for pick in told.picks] == [two]
    assert [(each.sha, other) for each, other in told.already] == [(one, git(root, "rev-parse", "main").strip())]


def test_a_commit_whose_message_holds_signs_that_part_other_texts_is_picked_too(root: Path) -> None:
    folder = worktree(root, "feature/x")
    subjects = ["First", "A \x1f in it", "Log \x1e pasted", "Last"]
    for number, subject in enumerate(subjects):
        commit(folder, f"{subject}\n\nBody \x1f, \x1e and\n\nmore", **{f"f{number}_py": "1\n"})
    told = plan(root)
    assert [pick.commit.subject for pick in told.picks] == subjects
    assert told.picks[1].commit.body == "Body \x1f, \x1e and\n\nmore"


def test_a_log_that_cannot_be_read_is_an_error_and_no_shorter_plan(root: Path) -> None:
    odd = root.parent / "odd-git"
    odd.write_text("#!/bin/sh\nprintf 'a\\0b\\0'\n")
    odd.chmod(0o755)
    with pytest.raises(Permanent, match="cannot be read"):
        GitPicks(program=str(odd)).commits(root, "feature/x", "main")


def test_a_change_of_indentation_is_another_change(root: Path) -> None:
    base = "def f(x):\n    if x:\n        log(x)\n"
    commit(root, "Base", m_py=base)
    folder = worktree(root, "feature/x")
    commit(folder, "Return always", m_py=f"{base}    return x\n")
    commit(root, "Return only then", m_py=f"{base}        return x\n")
    told = plan(root)
    assert told.already == ()
    assert [pick.commit.subject for pick in told.picks] == ["Return always"]
    assert facts_at(root, folder).merge.how is How.NO


def test_a_conflict_is_tried_named_and_changes_nothing(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "Change", train_py="mine\n")
    commit(folder, "Beside it", b_py="1\n")
    commit(root, "Change too", train_py="theirs\n")
    before = git(root, "for-each-ref"), git(root, "status", "--porcelain")
    told = plan(root)
    assert [(pick.trial.state, pick.trial.files) for pick in told.picks] == [("conflict", ("train.py",)), ("clean", ())]
    assert (git(root, "for-each-ref"), git(root, "status", "--porcelain")) == before
    assert git(root, "count-objects", "-v").splitlines()[0] == git(root, "count-objects", "-v").splitlines()[0]
    assert left(root) == []


def test_merges_empty_commits_renames_deletions_and_binary_files_are_handled(root: Path) -> None:
    commit(root, "Begin more", old_py="".join(f"{n}\n" for n in range(20)), gone_py="x\n", w_bin=b"\0\1\2")
    folder = worktree(root, "feature/x")
    git(root, "branch", "side")
    renamed = commit(folder, "Add", keep_py="1\n")
    git(folder, "mv", "old.py", "new.py")
    git(folder, "commit", "-q", "-m", "Rename")
    moved = git(folder, "rev-parse", "HEAD").strip()
    after = commit(folder, "Change what was renamed", new_py="".join(f"{n}\n" for n in range(20)) + "more\n")
    deleted = commit(folder, "Delete", gone_py=None)
    binary = commit(folder, "Weights", w_bin=b"\0\1\2\3")
    empty = commit(folder, "Nothing")
    git(folder, "checkout", "-q", "-b", "other", "side")
    aside = commit(folder, "Aside", aside_py="1\n")
    git(folder, "checkout", "-q", "feature/x")
    git(folder, "merge", "-q", "--no-ff", "-m", "Merge aside", "other")
    merge = git(folder, "rev-parse", "HEAD").strip()
    told = plan(root)
    picks = {pick.commit.sha: pick for pick in told.picks}
    assert set(picks) == {renamed, moved, after, deleted, binary, aside}
    assert [pick.commit.sha for pick in told.picks if pick.trial.state != "clean"] == []
    assert [need.sha for need in picks[after].needs] == [moved]
    assert {change.kind for change in picks[deleted].changes} == {"D"}
    assert picks[binary].changes[0].lines is None
    reasons = {one.sha: reason for one, reason in told.left_out}
    assert "nothing to pick" in reasons[empty]
    assert "picked by themselves" in reasons[merge]


def test_a_merge_with_changes_of_its_own_says_which_files(root: Path) -> None:
    commit(root, "Lines", a_py="1\n2\n3\n")
    folder = worktree(root, "feature/x")
    git(folder, "checkout", "-q", "-b", "other")
    commit(folder, "Theirs", a_py="1\ntheirs\n3\n")
    git(folder, "checkout", "-q", "feature/x")
    commit(folder, "Mine", a_py="1\nmine\n3\n")
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "merge", "other")
    commit(folder, "Merge by hand", a_py="1\nboth\n3\n")
    told = plan(root)
    assert [reason for _, reason in told.left_out if "a.py beyond both its sides" in reason]


def test_a_commit_that_mixes_concerns_is_said_and_only_then_a_fallback_is_offered(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "Add the loader", data__loader_py="1\n")
    mixed = commit(folder, "Fix the loader and rename the metric", data__loader_py="1\n2\n", metrics__f1_py="f\n")
    told = plan(root)
    assert [bool(pick.mixed) for pick in told.picks] == [False, True]
    assert {(part.sha, part.concern) for part in told.fallback} == {(mixed, "data"), (mixed, "metrics")}
    metrics = next(part for part in told.fallback if part.concern == "metrics")
    for command in metrics.commands:
        by_tom(root, command)
    assert git(root, "log", "-1", "--format=%an: %s") == "Mia: Fix the loader and rename the metric\n"
    assert git(root, "show", "--format=", "--name-only", "HEAD") == "metrics/f1.py\n"


def test_one_concern_is_taken_with_all_that_it_needs(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "Add the loader", data__loader_py="1\n")
    commit(folder, "Add the model", model__net_py="1\n")
    git(folder, "mv", "data/loader.py", "model/loader.py")
    git(folder, "commit", "-q", "-m", "Move it")
    told = plan(root, "model")
    assert [pick.commit.subject for pick in told.picks] == ["Add the loader", "Add the model", "Move it"]
    assert "taken because" in told.picks[0].reason
    assert [pick.commit.subject for pick in plan(root, "data").picks] == ["Add the loader"]
    with pytest.raises(Permanent, match="Concerns here: data, model"):
        plan(root, "plots")


def test_what_the_target_has_already_in_effect_is_empty(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "Both", a_py="1\n", b_py="1\n")
    commit(root, "The same in two", a_py="1\n")
    commit(root, "The other", b_py="1\n")
    assert [pick.trial.state for pick in plan(root).picks] == ["empty"]


def test_names_that_are_none_are_refused_with_a_sentence(root: Path) -> None:
    for name in ("nowhere", "--all", "main..feature"):
        with pytest.raises(Permanent, match="is no branch or commit"):
            plan_picks(source=name, target="main", root=root, git=GitPicks())


def test_what_there_is_no_time_to_try_is_unknown(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "One", a_py="1\n")
    told = plan_picks(source="feature/x", target="main", root=root, git=GitPicks(budget=-1))
    assert told.picks[0].trial.state == "unknown"
    assert left(root) == []


KILLED = """
import os, sys
os.environ["DJANGO_SETTINGS_MODULE"] = "apps.config.settings"
from pathlib import Path
from apps.worktrees.adapters.picks import GitPicks
from apps.worktrees.services.planning import plan_picks
def step(what):
    if what.startswith("pick"):
        print("now", flush=True)
        sys.stdin.read()
plan_picks(source="feature/x", target="main", root=Path(sys.argv[1]), git=GitPicks(step=step))
"""


def test_a_planner_that_is_killed_is_cleaned_up_after_by_the_next_and_a_living_one_is_left_alone(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "One", a_py="1\n")
    children = []
    for _ in range(2):
        child = subprocess.Popen([sys.executable, "-c", KILLED, str(root)], cwd=REPO, stdin=subprocess.PIPE,
                                 stdout=subprocess.PIPE)  # fmt: skip
        assert child.stdout is not None
        assert child.stdout.readline() == b"now\n"
        children.append(child)
    killed, alive = children
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    assert len(left(root)) == 4
    assert plan(root).picks[0].trial.state == "clean"
    assert len(left(root)) == 2
    alive.communicate(timeout=30)
    assert alive.returncode == 0
    assert left(root) == []


@pytest.mark.parametrize("configured", ["merge.ours.driver", "merge.ours.Driver"])
def test_no_merge_driver_of_the_repository_is_run_and_a_trial_that_needs_one_is_unknown(
    root: Path, tmp_path: Path, configured: str
) -> None:
    mark = tmp_path / "ran"
    git(root, "config", configured, f"touch {mark}; true")
    git(root, "config", "merge.default", "ours")
    commit(root, "Lines", a_py="1\n2\n3\n")
    folder = worktree(root, "feature/x")
    commit(folder, "Mine", a_py="1\nmine\n3\n")
    commit(folder, "Beside it", b_py="1\n")
    commit(root, "Theirs", a_py="1\ntheirs\n3\n")
    told = plan(root)
    assert not mark.exists()
    assert [pick.trial.state for pick in told.picks] == ["unknown", "clean"]
    assert "merge driver" in told.picks[0].trial.why
    assert facts_at(root, folder).merge.merged is not True
    assert not mark.exists()
    assert left(root) == []


def test_hooks_of_the_repository_are_not_run_by_a_trial(root: Path, tmp_path: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "One", a_py="1\n")
    mark = tmp_path / "ran"
    for name in ("post-checkout", "pre-commit", "commit-msg", "post-commit", "prepare-commit-msg"):
        hook = root / ".git" / "hooks" / name
        hook.write_text(f"#!/bin/sh\ntouch {mark}\nexit 1\n")
        hook.chmod(0o755)
    assert plan(root).picks[0].trial.state == "clean"
    assert not mark.exists()
