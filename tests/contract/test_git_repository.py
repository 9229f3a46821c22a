"""What a repository tells, asked of real git: how branches came into their base, what lies where, and what is run."""

import itertools
import os
import subprocess
from pathlib import Path

import pytest

from apps.core.errors import Transient
from apps.core.git import Git, GitRefused
from apps.worktrees.adapters.files import CheckoutFiles
from apps.worktrees.adapters.git_cli import GitCli
from apps.worktrees.domain.facts import Facts, How, Place
from apps.worktrees.domain.findings import findings_of
from apps.worktrees.ports import NoRepository
from apps.worktrees.services.looking import look_at
from tests.factories.worktrees import commit, facts_at, git, glue, merged, tools, with_remote, worktree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return glue(tmp_path)


def how(root: Path, folder: Path) -> How:
    return facts_at(root, folder).merge.how


def two_commits(root: Path, branch: str = "feature/x") -> Path:
    folder = worktree(root, branch)
    commit(folder, "One", x_py="one\n")
    commit(folder, "Two", x_py="one\ntwo\n", y_py="y\n")
    return folder


def test_a_new_branch_is_nothing_yet_also_when_main_went_on(root: Path) -> None:
    folder = worktree(root, "feature/new")
    assert how(root, folder) is How.NOTHING_YET
    commit(root, "Main goes on", main_py="1\n")
    assert how(root, folder) is How.NOTHING_YET
    git(folder, "merge", "-q", "main")
    assert how(root, folder) is How.NOTHING_YET
    git(folder, "commit", "-q", "--allow-empty", "-m", "x")
    git(folder, "reset", "-q", "--hard", "main")
    assert how(root, folder) is How.NOTHING_YET


def test_a_merge_commit_and_a_fast_forward_are_told_apart(root: Path) -> None:
    first, second = two_commits(root, "feature/first"), two_commits(root, "feature/second")
    git(root, "merge", "-q", "feature/first")
    assert how(root, first) is How.FAST_FORWARD
    git(second, "rebase", "-q", "main", "--strategy-option=theirs")
    commit(second, "Three", z_py="z\n")
    assert how(root, second) is How.NO
    git(root, "merge", "-q", "--no-ff", "-m", "Merge", "feature/second")
    assert how(root, second) is How.MERGE
    commit(second, "And one more", late_py="late\n")
    assert how(root, second) is How.NO


def test_a_rebase_is_told_by_patches_and_a_part_of_it_is_none(root: Path) -> None:
    folder = two_commits(root)
    commit(root, "Main goes on", main_py="1\n")
    git(root, "cherry-pick", "feature/x~1")
    told = facts_at(root, folder)
    assert told.merge.how is How.NO
    assert "1 of them under other names" in told.merge.why
    git(root, "cherry-pick", "feature/x")
    assert how(root, folder) is How.REBASE


def test_a_squash_is_told_by_the_sum_and_also_after_main_changed_around_it(root: Path) -> None:
    commit(root, "Lines", x_py="".join(f"line {number}\n" for number in range(20)))
    folder = worktree(root, "feature/x")
    text = (folder / "x.py").read_text()
    commit(folder, "One", x_py=text.replace("line 9\n", "line nine\n"))
    commit(folder, "Two", x_py=text.replace("line 9\n", "line nine!\n"))
    commit(root, "Near it", x_py=text.replace("line 7\n", "line seven\n"))
    git(root, "merge", "-q", "--squash", "feature/x")
    git(root, "commit", "-q", "-m", "Squashed")
    assert how(root, folder) is How.SQUASH
    git(folder, "merge", "-q", "-m", "Take main", "main")
    assert how(root, folder) is How.SQUASH
    commit(folder, "More", more_py="more\n")
    assert how(root, folder) is How.NO


def test_a_squash_that_main_took_back_is_still_told_by_its_sum(root: Path) -> None:
    folder = two_commits(root)
    git(root, "merge", "-q", "--squash", "feature/x")
    git(root, "commit", "-q", "-m", "Squashed")
    commit(root, "Changed since", x_py="other\n")
    assert how(root, folder) is How.SQUASH


def test_commits_that_undo_each_other_are_not_merged(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(folder, "One", x_py="one\n")
    git(folder, "revert", "--no-edit", "HEAD")
    commit(root, "Main goes on", main_py="1\n")
    assert how(root, folder) is How.NO


def test_two_binary_files_that_differ_have_two_patches(root: Path) -> None:
    folder = worktree(root, "feature/x")
    mine = commit(folder, "Weights", w_bin=b"\0\1\2mine")
    theirs = commit(root, "Weights", w_bin=b"\0\1\2theirs")
    same = commit(worktree(root, "feature/y"), "Notes", n_py="x\n")
    patches = GitCli().patches(root, [mine, theirs, same])
    assert patches[mine]
    assert patches[mine] != patches[theirs]
    assert how(root, folder) is How.NO


def test_places_do_not_make_another_patch(root: Path) -> None:
    folder = worktree(root, "feature/x")
    commit(root, "Lines", a_py="".join(f"{number}\n" for number in range(30)))
    git(folder, "merge", "-q", "main")
    one = commit(folder, "Change", a_py="".join(f"{number}\n" for number in range(30)).replace("25\n", "25 # x\n"))
    commit(root, "Above", a_py="".join(f"{number}\n" for number in range(-3, 30)))
    git(root, "cherry-pick", "feature/x")
    other = git(root, "rev-parse", "HEAD").strip()
    told = GitCli().patches(root, [one, other], [(f"{one}~1", one)])
    assert told[one] == told[other] == told[f"{one}~1..{one}"]


def test_a_detached_head_an_unborn_branch_and_a_remotes_branch_are_told(root: Path, tmp_path: Path) -> None:
    detached = tmp_path / "detached"
    git(root, "worktree", "add", "-q", "--detach", str(detached))
    assert (facts_at(root, detached).branch, how(root, detached)) == ("", How.NOTHING_YET)
    unborn = tmp_path / "unborn"
    git(root, "worktree", "add", "-q", "--detach", str(unborn))
    git(unborn, "checkout", "-q", "--orphan", "fresh")
    assert facts_at(root, unborn).merge.merged is None
    with_remote(root)
    git(root, "push", "-q", "origin", "HEAD:refs/heads/theirs")
    taken = tmp_path / "taken"
    git(root, "fetch", "-q")
    git(root, "worktree", "add", "-q", "-b", "theirs", str(taken), "origin/theirs")
    assert facts_at(root, taken).merge.merged is not True


def test_without_a_log_an_ancestor_of_main_is_unknown(root: Path) -> None:
    folder = worktree(root, "feature/x")
    (root / ".git" / "logs" / "refs" / "heads" / "feature" / "x").unlink()
    told = facts_at(root, folder)
    assert told.merge.how is How.UNKNOWN
    assert told.merge.merged is None


def test_unpushed_is_what_no_remote_has_and_a_merge_into_an_unpushed_main_is_none(root: Path) -> None:
    remote = with_remote(root)
    folder = two_commits(root)
    assert (facts_at(root, folder).unpushed, facts_at(root, folder).merge.how) == (2, How.NO)
    git(folder, "push", "-q", "origin", "feature/x")
    assert facts_at(root, folder).unpushed == 0
    git(remote, "branch", "-D", "feature/x")
    git(root, "fetch", "-q", "--prune")
    git(root, "merge", "-q", "--squash", "feature/x")
    git(root, "commit", "-q", "-m", "Squashed")
    told = facts_at(root, folder)
    assert told.merge.how is How.SQUASH
    assert told.unpushed == 2
    git(root, "push", "-q", "origin", "main")
    told = facts_at(root, folder)
    assert (told.unpushed, told.merge.base) == (0, "origin/main")
    git(root, "branch", "-q", "-f", "scratch")
    assert facts_at(root, root).merge.how is How.BASE


def test_what_is_not_committed_is_counted_by_kind_and_agents_files_and_links_are_none(root: Path) -> None:
    folder = two_commits(root)
    (folder / "x.py").write_text("changed\n")
    (folder / "y.py").write_text("staged\n")
    git(folder, "add", "y.py")
    (folder / "new with blank.txt").write_text("new")
    (folder / "CLAUDE.md").write_text("# mine\n")
    (folder / ".env").symlink_to(root / ".env")
    told = facts_at(root, folder)
    assert told.changes is not None
    assert (told.changes.staged, told.changes.changed, told.changes.untracked) == (1, 1, 1)
    assert set(told.dirty_paths) == {"x.py", "y.py", "new with blank.txt"}
    assert told.links == (".env",)


def test_a_conflict_and_an_operation_under_way_are_told(root: Path) -> None:
    folder = two_commits(root)
    commit(root, "Other x", x_py="other\n")
    with pytest.raises(subprocess.CalledProcessError):
        git(folder, "merge", "main")
    told = facts_at(root, folder)
    assert told.changes is not None
    assert told.changes.conflicted == 1
    assert told.busy == "a merge"


def test_links_are_told_apart_by_where_they_lead(root: Path, tmp_path: Path) -> None:
    folder = worktree(root, "feature/x")
    for name in (".env", ".envrc", "hf_cache"):
        (root / name).write_text("x")
    (root / "outputs").mkdir()
    (tmp_path / "scratch").mkdir()
    (folder / ".env").symlink_to("../glue/.env")
    (folder / ".envrc").symlink_to(tmp_path / "nowhere")
    (folder / "outputs").symlink_to(root / "outputs")
    (folder / "wandb").symlink_to(tmp_path / "scratch")
    (folder / "CLAUDE").symlink_to(root / "outputs")
    (folder / "logs").symlink_to("logs")
    places = {one.name: one.place for one in facts_at(root, folder).resources}
    assert places[".env"] is Place.LINK
    assert places[".envrc"] is Place.LINK_ELSEWHERE
    assert places["hf_cache"] is Place.MISSING
    assert places["outputs"] is Place.LINK
    assert places["wandb"] is Place.LINK_ELSEWHERE
    assert places["logs"] is Place.LINK_ELSEWHERE
    allowed = next(
        one for one in look_at(root, tools(), links_into=[tmp_path / "scratch"]) if one.path == str(folder)
    ).resources
    assert next(one.place for one in allowed if one.name == "wandb") is Place.LINK_ALLOWED
    told = {one.id for one in findings_of(facts_at(root, folder))}
    assert told == {"claude-linked", "shared-not-linked", "local-linked", "claude-missing"}


def test_claude_that_git_tracks_is_found_committed_or_staged(root: Path) -> None:
    folder = worktree(root, "feature/x")
    (folder / "CLAUDE.md").write_text("# tracked\n")
    git(folder, "add", "-f", "CLAUDE.md")
    assert "claude-tracked" in {one.id for one in findings_of(facts_at(root, folder))}
    git(folder, "commit", "-q", "-m", "Track it")
    assert "claude-tracked" in {one.id for one in findings_of(facts_at(root, folder))}


def test_an_ignore_pattern_for_a_folder_does_not_match_a_link_of_that_name(root: Path) -> None:
    folder = worktree(root, "feature/x")
    (root / "CLAUDE").mkdir()
    (folder / "CLAUDE").symlink_to(root / "CLAUDE")
    told = next(one for one in findings_of(facts_at(root, folder)) if one.id == "claude-linked")
    assert "would commit it" in told.sentence


def test_a_worktree_that_was_deleted_or_locked_is_told(root: Path) -> None:
    gone, locked = worktree(root, "gone"), worktree(root, "locked")
    git(root, "worktree", "lock", "--reason", "on a stick", str(locked))
    subprocess.run(["rm", "-r", str(gone)], check=True)
    assert [one.id for one in findings_of(facts_at(root, gone))] == ["prunable"]
    assert facts_at(root, locked).locked == "on a stick"


def test_a_clone_beside_it_is_found_by_its_remote_and_another_repository_is_none(root: Path, tmp_path: Path) -> None:
    remote = with_remote(root)
    git(root, "clone", "-q", str(remote), str(tmp_path / "glue-again"))
    git(root, "clone", "-q", str(root), str(tmp_path / "glue-local"))
    glue(tmp_path / "other")
    found = {one.path.name: one.branch for one in CheckoutFiles().clones(root, [])}
    assert found == {"glue-again": "main", "glue-local": "main"}


def test_nothing_of_the_repository_is_run_and_nothing_is_written_while_one_looks(root: Path, tmp_path: Path) -> None:
    folder = two_commits(root)
    commit(root, "Main goes on", main_py="1\n")
    mark = tmp_path / "ran"
    hooks = root / ".git" / "hooks"
    for name in ("post-checkout", "post-merge", "fsmonitor", "reference-transaction", "post-index-change"):
        hook = hooks / name
        hook.write_text(f"#!/bin/sh\ntouch {mark}\n")
        hook.chmod(0o755)
    git(root, "config", "core.fsmonitor", str(hooks / "fsmonitor"))
    git(root, "config", "diff.external", str(hooks / "fsmonitor"))
    git(root, "config", "core.pager", str(hooks / "fsmonitor"))
    mark.unlink(missing_ok=True)
    before = sorted(str(path) for path in root.rglob("*"))
    facts_at(root, folder)
    assert not mark.exists()
    assert sorted(str(path) for path in root.rglob("*")) == before


def test_git_that_hangs_or_is_missing_or_no_repository_is_a_sentence(root: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text("#!/bin/sh\nexec sleep 30\n")
    slow.chmod(0o755)
    with pytest.raises(Transient, match=r"did not answer within 0\.2 seconds"):
        GitCli(seconds=0.2, program=str(slow)).refs(root)
    with pytest.raises(Transient, match=r"did not end within 0\.2 seconds"):
        GitCli(seconds=0.2, program=str(slow)).history(root, ["a"])
    with pytest.raises(Transient, match="cannot be run"):
        Git(seconds=1, program=str(tmp_path / "none")).ask(root, ["status"])
    with pytest.raises(NoRepository, match="no checkout of git"):
        GitCli().entries(tmp_path)
    with pytest.raises(GitRefused, match="no branch or commit"):
        GitCli().commit_of(root, "--all")


def test_one_worktree_that_cannot_be_asked_is_unknown_and_the_others_are_told(root: Path) -> None:
    folder, other = two_commits(root), worktree(root, "feature/other")
    entry = next(one for one in GitCli().entries(root) if one.path == folder)
    assert entry.folder is not None
    (entry.folder / "index").write_bytes(b"rubbish")
    told = facts_at(root, folder)
    assert (told.changes, told.held) == (None, None)
    assert "git status said" in told.problems[0]
    assert facts_at(root, other).changes is not None


def test_the_number_of_processes_does_not_grow_but_by_one_for_each_worktree(root: Path) -> None:
    counts = []
    for number in range(8):
        worktree(root, f"w{number}")
        made = tools()
        look_at(root, made)
        assert isinstance(made.git, GitCli)
        counts.append(made.git.git.asked)
    assert [after - before for before, after in itertools.pairwise(counts)] == [1] * 7
    assert counts[0] == 5  # the list, the branches, the history, and what is not committed in two checkouts


def test_paths_with_blanks_quotes_and_letters_of_other_scripts_are_told(tmp_path: Path) -> None:
    root = glue(tmp_path / "a 'b' ü")
    folder = merged(root, "feature/grün")
    (folder / "neu 文.txt").write_text("x")
    told: Facts = facts_at(root, folder)
    assert told.branch == "feature/grün"
    assert told.merge.how is How.MERGE
    assert told.dirty_paths == ("neu 文.txt",)
    assert os.fspath(told.path).endswith("glue-feature-grün")


def test_names_that_are_no_text_can_be_shown_and_stored(root: Path) -> None:
    folder = worktree(root, "feature/x")
    Path(os.fsdecode(os.fsencode(folder) + b"/bad-\xff.txt")).write_text("x")
    told = facts_at(root, folder)
    assert told.dirty_paths == ("bad-?.txt",)
    assert told.held is not None
    assert [one.path for one in told.held] == ["bad-?.txt"]
    assert told.as_json()["dirty_paths"] == ["bad-?.txt"]
