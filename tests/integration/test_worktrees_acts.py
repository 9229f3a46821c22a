"""New worktrees and clean-ups with real git: bound to what was shown, whole or undone, done once, audited."""

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import AuditEvent
from apps.core.errors import AlreadyDone, Permanent, Transient
from apps.handovers.domain.index import pointer_in
from apps.handovers.models import Handover
from apps.handovers.wiring import work_source
from apps.slurm.ports import Submission
from apps.workspaces.models import Workspace
from apps.worktrees.adapters.git_cli import GitCli
from apps.worktrees.domain.acts import JobFacts
from apps.worktrees.models import Worktree, WorktreeAct
from apps.worktrees.services.cleaning import clean_up
from apps.worktrees.services.jobs import jobs_now
from apps.worktrees.services.looking import Tools
from apps.worktrees.services.making import Made, NewWish, new_worktree, prepare_new
from apps.worktrees.services.scanning import scan_worktrees
from tests.factories.moments import NOW
from tests.factories.worktrees import (
    clean,
    commit,
    furnished,
    git,
    merged,
    none_run,
    odd_git,
    registered,
    shown,
    state_of,
    tools,
    with_remote,
)
from tests.services.memory import World

pytestmark = [pytest.mark.starts_first, pytest.mark.django_db]
WISH = NewWish("fix/restarts", focus="warm restarts", next_action="Rerun seed 3", nonce="1")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return furnished(tmp_path)


@pytest.fixture
def workspace(root: Path) -> Workspace:
    return registered(root)


def make(workspace: Workspace, wish: NewWish = WISH, digest: str = "", **more: Any) -> Made:
    made = more.pop("tools", tools())
    digest = digest or prepare_new(root=workspace.path, wish=wish, tools=made, workspace=workspace).digest
    return new_worktree(root=workspace.path, wish=wish, digest=digest, tools=made, work=work_source(), now=NOW,
                        actor="mia", workspace=workspace, **more)  # fmt: skip


def test_every_step_is_shown_with_its_exact_arguments_and_nothing_is_done(workspace: Workspace, root: Path) -> None:
    before = git(root, "for-each-ref"), sorted(root.parent.iterdir())
    prepared = prepare_new(root=root, wish=WISH, tools=tools(), workspace=workspace)
    path = root.parent / "glue-worktrees" / "fix-restarts"
    assert prepared.path == path
    assert prepared.steps[0].argv[0] == "git"
    assert prepared.steps[0].argv[-5:] == ("--no-track", "-b", "fix/restarts", str(path), prepared.base_sha)
    assert [(one.kind, Path(one.path).name) for one in prepared.steps[1:]] == [
        ("link", ".env"), ("link", ".venv"), ("link", "hf_cache"), ("folder", "outputs"), ("folder", "logs"),
        ("write", "CLAUDE.md"),
    ]  # fmt: skip
    assert (git(root, "for-each-ref"), sorted(root.parent.iterdir())) == before


def test_a_new_worktree_is_whole_with_its_links_and_a_fresh_handover_in_both_places(
    workspace: Workspace, root: Path
) -> None:
    made = make(workspace)
    assert (made.path / ".env").resolve() == root / ".env"
    assert (made.path / "outputs").is_dir()
    assert not (made.path / "outputs").is_symlink()
    assert not (made.path / "CLAUDE.md").is_symlink()
    for home in (made.path, root):
        pointer = pointer_in((home / "CLAUDE.md").read_bytes())
        assert pointer is not None
        assert (pointer.key, pointer.branch, pointer.focus) == (made.handover.key, "fix/restarts", "warm restarts")
        assert (home / "CLAUDE" / f"{made.handover.key}.md").is_file()
    assert Handover.objects.get().key == made.handover.key
    act = WorktreeAct.objects.get()
    assert (act.state, act.by, act.kind) == ("done", "mia", "new")
    assert [one.type for one in AuditEvent.objects.filter(subject__startswith="worktree").order_by("pk")] == [
        "worktree.new.requested", "worktree.new.done",
    ]  # fmt: skip
    scan_worktrees(workspace=workspace, tools=tools(), now=NOW)
    row = Worktree.objects.get(path=str(made.path))
    assert (row.how, row.findings) == ("nothing-yet", [])


def test_the_same_press_twice_makes_one_and_another_form_is_refused(workspace: Workspace, root: Path) -> None:
    digest = prepare_new(root=root, wish=WISH, tools=tools(), workspace=workspace).digest
    make(workspace, digest=digest)
    with pytest.raises(AlreadyDone, match="nothing was done a second time"):
        make(workspace, digest=digest)
    with pytest.raises(Permanent, match="is checked out already"):
        make(workspace, NewWish("fix/restarts", focus="x", nonce="2"), digest="other")
    assert git(root, "worktree", "list").count("fix/restarts") == 1


def test_a_press_is_refused_when_the_base_moved_since_it_was_shown(workspace: Workspace, root: Path) -> None:
    digest = prepare_new(root=root, wish=WISH, tools=tools(), workspace=workspace).digest
    commit(root, "Main goes on", m_py="1\n")
    with pytest.raises(Permanent, match="changed since it was shown"):
        make(workspace, digest=digest)
    assert not (root.parent / "glue-worktrees").exists()
    assert WorktreeAct.objects.get().state == "failed"


@pytest.mark.parametrize("broken", ["CLAUDE.md is a folder", "a link is in the way", "a file cannot be checked out"])
def test_a_failure_anywhere_undoes_all_of_it(workspace: Workspace, root: Path, broken: str) -> None:
    if broken.startswith("CLAUDE"):
        (root / "CLAUDE.md").mkdir()
        (root / "CLAUDE").mkdir()
    elif broken.startswith("a link"):
        # The branch brings a file of that name along; the name is offered all the same, as main does not track it.
        git(root, "checkout", "-q", "-b", "fix/restarts")
        commit(root, "Track a cache", x_py="1\n")
        git(root, "checkout", "-q", "main")
        (root.parent / "glue-worktrees").write_text("a file where the folder would be")
    else:
        commit(root, "A filter", a_py="1\n")
        (root / ".gitattributes").write_text("*.py filter=broken\n")
        git(root, "add", ".gitattributes")
        git(root, "commit", "-q", "-m", "Filter")
        git(root, "config", "filter.broken.smudge", "false")
        git(root, "config", "filter.broken.required", "true")
    before = state_of(root)
    with pytest.raises(Permanent, match="undone") as refused:
        make(workspace)
    assert state_of(root) == before, refused.value
    assert WorktreeAct.objects.get().state == "failed"
    assert Handover.objects.count() == 0


@pytest.mark.parametrize(
    ("wish", "word"),
    [
        (NewWish("", focus="x"), "cannot be the name of a branch"),
        (NewWish("-d", focus="x"), "cannot be the name of a branch"),
        (NewWish("a..b", focus="x"), "cannot be the name of a branch"),
        (NewWish("main", focus="x"), "checked out already"),
        (NewWish("main/x", focus="x"), "git has the branch main"),
        (NewWish("ok", base="nowhere", focus="x"), "no branch or commit"),
        (NewWish("ok", base="--all", focus="x"), "no branch or commit"),
        (NewWish("ok", name="../evil", focus="x"), "nowhere else"),
        (NewWish("ok", name="..", focus="x"), "nowhere else"),
        (NewWish("ok", links=("outputs",), focus="x"), "cannot be linked"),
        (NewWish("ok", links=("../../etc",), focus="x"), "cannot be linked"),
        (NewWish("ok", name=".git", focus="x"), "cannot be the name of the folder"),
        (NewWish("ok", name="CLAUDE.md", focus="x"), "cannot be the name of the folder"),
        (NewWish("ok", name="a\nb", focus="x"), "cannot be the name of the folder"),
        (NewWish("ok", name="\x1b[31m", focus="x"), "cannot be the name of the folder"),
        (NewWish("ok", name="\u202etxt", focus="x"), "cannot be the name of the folder"),
        (NewWish("ok", name="\ud800", focus="x"), "cannot be the name of the folder"),
        (NewWish("日本語", focus="x"), "--name"),
        (NewWish("@{-1}", focus="x"), "cannot be the name of a branch"),
        (NewWish("\ud800", focus="x"), "cannot be the name of a branch"),
        (NewWish("a\u202eb", focus="x"), "cannot be the name of a branch"),
        (NewWish("ok", base="\ud800", focus="x"), "no branch or commit"),
        (NewWish("ok", focus="  "), "needs its focus"),
        (NewWish("ok", focus="\x1b \u202e"), "needs its focus"),
    ],
)
def test_what_cannot_be_made_is_refused_with_a_sentence(
    workspace: Workspace, root: Path, wish: NewWish, word: str
) -> None:
    git(root, "checkout", "-q", "-b", "before")  # what @{-1} means
    git(root, "checkout", "-q", "main")
    before = state_of(root)
    with pytest.raises(Permanent, match=word):
        make(workspace, wish)
    with pytest.raises(Permanent, match=word):
        make(workspace, wish, digest="shown")
    assert state_of(root) == before


def test_signs_that_steer_a_terminal_or_turn_the_text_do_not_reach_what_is_written(
    workspace: Workspace, root: Path
) -> None:
    made = make(workspace, NewWish("ok", focus="warm \u202e \x1b[31m re\u2066starts\ud800", next_action="Rerun\x1b 3"))
    written = [made.path / "CLAUDE.md", root / "CLAUDE.md", *(made.path / "CLAUDE").iterdir()]
    for text in (one.read_text() for one in written):
        assert "warm [31m restarts" in text
        assert not set("\x1b\u202e\u2066") & set(text)
    assert "Rerun 3" in written[-1].read_text()


@pytest.mark.parametrize("branch", ["theirs", "fix/restarts"])
def test_what_somebody_else_made_in_between_is_not_undone(workspace: Workspace, root: Path, branch: str) -> None:
    path = root.parent / "glue-worktrees" / "fix-restarts"
    theirs = f"[ -e {path} ] || {{ git -C {root} worktree add -q -b {branch} {path}; echo mine > {path}/new.py; }}"
    with pytest.raises(Permanent, match="already exists"):
        make(workspace, tools=odd_git(root, theirs, word="--no-track"))
    assert (path / "new.py").read_text() == "mine\n"
    assert [line[2:] for line in git(root, "branch").splitlines()] == sorted([branch, "main"])
    assert str(path) in git(root, "worktree", "list")


def test_a_branch_that_somebody_else_made_in_between_stays(workspace: Workspace, root: Path) -> None:
    theirs = f"git -C {root} branch fix/restarts 2>/dev/null"
    with pytest.raises(Permanent, match="already exists"):
        make(workspace, tools=odd_git(root, theirs, word="--no-track"))
    assert "fix/restarts" in git(root, "branch")
    assert not (root.parent / "glue-worktrees").exists()


def test_an_add_that_was_killed_half_way_is_undone(
    workspace: Workspace, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("apps.worktrees.adapters.git_cli.ACT_SECONDS", 1)
    (root / ".gitattributes").write_text("*.py filter=slow\n")
    git(root, "add", ".gitattributes")
    git(root, "commit", "-q", "-m", "Filter")
    git(root, "config", "filter.slow.smudge", "sleep 5; cat")
    before = state_of(root)
    made = tools()
    with pytest.raises(Transient, match="undone"):
        make(workspace, tools=Tools(GitCli(seconds=1), made.files, made.store))
    assert state_of(root) == before


def test_a_folder_that_is_a_link_out_of_its_home_is_refused(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    home = root.parent / "glue-worktrees"
    home.mkdir()
    (home / "fix-restarts").symlink_to(tmp_path)
    with pytest.raises(Permanent, match=r"nowhere else|is there already"):
        make(workspace)


def test_a_branch_that_exists_is_checked_out_and_not_made_anew(workspace: Workspace, root: Path) -> None:
    git(root, "branch", "old")
    made = make(workspace, NewWish("old", focus="go on", nonce="1", links=()))
    assert made.branch == "old"
    assert not (made.path / ".env").exists()


def test_a_merged_worktree_goes_with_its_claude_md_and_its_branch_stays(workspace: Workspace, root: Path) -> None:
    made = make(workspace)
    commit(made.path, "Work", w_py="1\n")
    git(root, "merge", "-q", "--no-ff", "-m", "Merge", "fix/restarts")
    (made.path / "__pycache__").mkdir()
    (made.path / "__pycache__" / "x.pyc").write_bytes(b"x")
    scan_worktrees(workspace=workspace, tools=tools(), now=NOW)
    plan = shown(workspace, made.path)
    assert plan.refusals == ()
    assert plan.steps[-1].argv[-3:] == ("worktree", "remove", str(made.path))
    assert any("CLAUDE.md" in one for one in plan.goes)
    said = clean(workspace, made.path)
    assert "cleaned up" in said
    assert not made.path.exists()
    assert (root / ".env").read_text() == "x"
    assert (root / "CLAUDE" / f"{made.handover.key}.md").is_file()
    assert "fix/restarts" in git(root, "branch")
    assert not Worktree.objects.filter(path=str(made.path)).exists()
    with pytest.raises(AlreadyDone, match="gone already"):
        clean(workspace, made.path)
    assert AuditEvent.objects.filter(type="worktree.clean.done", actor="mia").count() == 1


def with_checkpoint(folder: Path, root: Path) -> None:
    (folder / "outputs").mkdir()
    (folder / "outputs" / "step_10.pt").write_bytes(b"the only one")


def dirty(folder: Path, root: Path) -> None:
    (folder / "train.py").write_text("edited\n")


def new_file(folder: Path, root: Path) -> None:
    (folder / "notes.txt").write_text("mine\n")


def ahead(folder: Path, root: Path) -> None:
    commit(folder, "More", more_py="1\n")


def unpushed(folder: Path, root: Path) -> None:
    git(root, "reset", "-q", "--hard", "HEAD~1")
    remote = with_remote(root)
    git(remote, "branch", "-D", "feature/done")
    git(root, "fetch", "-q", "--prune")
    git(root, "merge", "-q", "--no-ff", "-m", "Merge", "feature/done")


def locked(folder: Path, root: Path) -> None:
    git(root, "worktree", "lock", str(folder))


def with_notes(folder: Path, root: Path) -> None:
    (folder / "CLAUDE.md").write_text("# three hours of notes\n")


def assumed_unchanged(folder: Path, root: Path) -> None:
    git(folder, "update-index", "--assume-unchanged", "train.py")
    (folder / "train.py").write_text("hours of work\n")


def skipped(folder: Path, root: Path) -> None:
    git(folder, "update-index", "--skip-worktree", "train.py", "schedule.py")
    (folder / "train.py").write_text("hours of work\n")
    (folder / "schedule.py").unlink()


@pytest.mark.parametrize(
    ("spoil", "word"),
    [(with_checkpoint, "Only it holds"), (with_notes, r"Only it holds 1 file: CLAUDE\.md"),
     (assumed_unchanged, r"told to overlook 1 file: train\.py"), (skipped, r"told to overlook 1 file: train\.py"),
     (dirty, "not committed"), (new_file, "not committed"), (ahead, "not merged"),
     (unpushed, "not pushed"), (locked, "locked")],
)  # fmt: skip
def test_it_is_refused_while_something_would_be_lost_also_when_that_came_after_the_look(
    workspace: Workspace, root: Path, spoil: Callable[[Path, Path], None], word: str
) -> None:
    folder = merged(root)
    digest = shown(workspace, folder).digest
    spoil(folder, root)
    before = state_of(root)
    assert re.search(word, " ".join(shown(workspace, folder).refusals))
    with pytest.raises(Permanent, match=word):
        clean(workspace, folder, digest)
    assert state_of(root) == before


def test_a_live_job_or_a_slurm_that_does_not_answer_refuses(
    world: World, workspace: Workspace, root: Path, settings: Any
) -> None:
    folder = merged(root)
    script = folder / "job.sbatch"
    script.write_text("#!/bin/bash\ntrue\n")
    job_id = world.scheduler.submit(Submission(str(script), work_dir=str(folder)))
    script.unlink()
    assert job_id in " ".join(jobs_now(folder, NOW).live)
    assert jobs_now(root, NOW).live == ()
    with pytest.raises(Permanent, match=f"Jobs run from it: .*{job_id}"):
        clean(workspace, folder, jobs=jobs_now)
    world.scheduler.cancel(job_id)
    assert jobs_now(folder, NOW) == JobFacts((), "", NOW)
    settings.SCHEDULERS = {"local": "tests.integration.test_worktrees_acts.deaf"}
    with pytest.raises(Permanent, match="Whether a job runs from it is unknown"):
        clean(workspace, folder, jobs=jobs_now)
    assert folder.exists()


def deaf(**options: object) -> object:
    raise Permanent("Slurm does not answer.")


def test_two_at_once_clean_up_once(workspace: Workspace, root: Path) -> None:
    folder = merged(root)
    plan = shown(workspace, folder)
    outcomes: list[str] = []

    def press() -> None:
        try:
            outcomes.append(clean_up(root=root, path=folder, digest=plan.digest, tools=tools(), now=NOW, actor="mia",
                                     jobs=none_run))  # fmt: skip
        except (AlreadyDone, Permanent) as error:
            outcomes.append(str(error))

    threads = [threading.Thread(target=press) for _ in range(2)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len([one for one in outcomes if "is cleaned up" in one]) == 1, outcomes
    assert not folder.exists()


def test_what_is_no_worktree_is_refused(workspace: Workspace, root: Path, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="is no worktree of"):
        shown(workspace, tmp_path)
    assert shown(workspace, root).refusals == ("This is the main checkout, and no worktree.",)
