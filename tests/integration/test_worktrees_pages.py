"""The pages of worktrees: the list in its states, a worktree, new, clean up, and plans of cherry-picks."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.models import SyncPass
from apps.slurm.ports import Submission
from apps.slurm.services import sync_jobs
from apps.workspaces.models import Workspace
from apps.worktrees.models import Worktree, WorktreeAct
from apps.worktrees.selectors import worktrees_of
from apps.worktrees.services.scanning import scan_worktrees
from tests.factories import worktrees as made_by
from tests.factories.moments import NOW
from tests.factories.worktrees import commit, git, merged, tools, worktree
from tests.services.memory import World

pytestmark = pytest.mark.django_db
TYPED = {"workspace": "glue", "branch": "fix/restarts", "focus": "warm <b>restarts</b>", "next": "Rerun seed 3"}


@pytest.fixture
def root(workspace_root: Path) -> Path:
    """The workspace of `sweepboard.toml` as a repository."""
    git(workspace_root, "init", "-q", "-b", "main")
    (workspace_root / ".gitignore").write_text(made_by.IGNORED)
    commit(workspace_root, "Begin", train_py="x = 1\n")
    git(workspace_root, "add", ".gitignore")
    git(workspace_root, "commit", "-q", "-m", "Ignore")
    return workspace_root


@pytest.fixture
def scanned(glue: Workspace, root: Path) -> Workspace:
    merged(root)
    worktree(root, "feature/new")
    scan(glue)
    return glue


def scan(glue: Workspace) -> None:
    from apps.core.clock import utcnow

    scan_worktrees(workspace=glue, tools=tools(), now=utcnow())


def slurm_answers(world: World) -> None:
    sync_jobs(scheduler=world.scheduler, scope="memory", now=NOW, users=[], history_days=14)


def pk_of(name: str) -> int:
    return Worktree.objects.get(path__endswith=name).pk


def hidden(text: str) -> dict[str, str]:
    """The hidden fields of the form that the last button of a page presses."""
    form = text[text.rindex("<form") :]
    return dict(re.findall(r'<input type="hidden" name="([a-z]+)" value="([^"]*)"', form))


def test_the_list_shows_every_worktree_with_its_findings_and_filters(viewer: Client, scanned: Workspace) -> None:
    text = viewer.get("/worktrees").content.decode()
    for told in ("workspace-feature-done", "merged (merge)", "merged-still-there", "nothing yet", "main checkout"):
        assert told in text, told
    assert "New worktree" not in text
    assert "workspace-feature-new" not in viewer.get("/worktrees", {"show": "merged"}).content.decode()
    assert "workspace-feature-new" in viewer.get("/worktrees", {"q": "NEW\0"}).content.decode()
    assert "None here matches" in viewer.get("/worktrees", {"q": "nothing of that name"}).content.decode()
    part = viewer.get("/worktrees", headers={"HX-Request": "true", "HX-Target": "worktrees"}).content.decode()
    assert part.lstrip().startswith('<section id="worktrees"')


def test_the_list_has_its_states(viewer: Client, glue: Workspace, root: Path) -> None:
    assert "first look is under way" in viewer.get("/worktrees").content.decode()
    scan(glue)
    SyncPass.objects.filter(source="worktrees").update(finished_at=NOW - timedelta(days=900))
    assert "Nobody has looked for" in viewer.get("/worktrees").content.decode()
    root.rename(root.with_name("away"))
    scan(glue)
    text = viewer.get("/worktrees").content.decode()
    assert "The last look failed" in text
    assert "Reference" in text
    assert "main checkout" in text  # what was known is still shown
    Workspace.objects.update(active=False)
    assert "No workspace" in viewer.get("/worktrees").content.decode()


def test_a_workspace_without_git_says_so(viewer: Client, glue: Workspace) -> None:
    scan(glue)
    assert "is no checkout of git" in viewer.get("/worktrees").content.decode()


def test_the_number_of_queries_does_not_grow_with_the_worktrees(viewer: Client, scanned: Workspace, root: Path) -> None:
    counts = []
    for number in range(2):
        with CaptureQueriesContext(connection) as told:
            assert viewer.get("/worktrees").status_code == 200
        counts.append(len(told))
        for each in range(3):
            worktree(root, f"w{number}{each}")
        scan(scanned)
    assert counts[0] == counts[1]
    assert counts[0] <= 22
    with CaptureQueriesContext(connection) as told:
        assert len(worktrees_of(scanned)) == 9
    assert len(told) <= 6


def test_a_worktree_shows_its_facts_its_jobs_and_why_it_may_not_go(
    operator: Client, viewer: Client, scanned: Workspace, root: Path, world: World
) -> None:
    folder = root.parent / "workspace-feature-done"
    (folder / "outputs").mkdir()
    (folder / "outputs" / "step_1.pt").write_bytes(b"x" * 3000)
    script = root / "job.sbatch"
    script.write_text("#!/bin/bash\ntrue\n")
    job_id = world.scheduler.submit(Submission(str(script), work_dir=str(folder)))
    address = f"/worktrees/{pk_of('done')}"
    assert "Unknown: Slurm did not answer" in viewer.get(address).content.decode()
    slurm_answers(world)
    folder.touch()
    scan(scanned)
    text = operator.get(address).content.decode()
    for told in (
        "A merge commit of main",
        "outputs/",
        "2.9",
        "Only it holds 1 file",
        f"Jobs run from it: {job_id}",
        "Clean up…",
    ):
        assert told in text, told
    assert "needs the role" in viewer.get(address).content.decode()
    assert viewer.get("/worktrees/999999").status_code == 404
    assert [one.job_id for view in worktrees_of(scanned) for one in view.jobs or ()] == [job_id]


def test_who_may_not_is_refused(viewer: Client, scanned: Workspace) -> None:
    for address in ("/worktrees/new", f"/worktrees/{pk_of('done')}/clean", "/worktrees/picks"):
        assert viewer.get(address).status_code == 403
        assert viewer.post(address, {}).status_code == 403
    assert not WorktreeAct.objects.exists()


def test_a_new_worktree_is_shown_and_then_made_once(operator: Client, scanned: Workspace, root: Path) -> None:
    (root / ".env").write_text("x")
    assert "Branch" in operator.get("/worktrees/new").content.decode()
    text = operator.post("/worktrees/new", {**TYPED, "preview": "1"}).content.decode()
    assert "--no-track -b fix/restarts" in text
    assert "What would be run" in text
    assert "warm &lt;b&gt;restarts" in text
    assert not (root.parent / "workspace-worktrees").exists()
    press = {**hidden(text), "focus": TYPED["focus"], "make": "1"}
    answer = operator.post("/worktrees/new", press)
    path = root.parent / "workspace-worktrees" / "fix-restarts"
    assert answer.headers["Location"] == f"/worktrees/{pk_of('fix-restarts')}"
    assert (path / "CLAUDE.md").is_file()
    assert (path / ".env").is_symlink()
    again = operator.post("/worktrees/new", press)
    assert again.status_code == 422
    assert "nothing was done a second time" in again.content.decode()
    assert WorktreeAct.objects.filter(kind="new").count() == 1
    page = operator.get(f"/worktrees/{pk_of('fix-restarts')}").content.decode()
    assert "warm &lt;b&gt;restarts" in page
    assert "current" in page


def test_a_refused_new_worktree_keeps_what_was_typed(operator: Client, scanned: Workspace, root: Path) -> None:
    answer = operator.post("/worktrees/new", {**TYPED, "branch": "main", "preview": "1"})
    assert answer.status_code == 422
    text = answer.content.decode()
    assert "checked out already" in text
    assert "Rerun seed 3" in text
    shown = operator.post("/worktrees/new", {**TYPED, "preview": "1"}).content.decode()
    commit(root, "Main goes on", m_py="1\n")
    answer = operator.post("/worktrees/new", {**hidden(shown), "focus": "x", "make": "1"})
    assert answer.status_code == 422
    assert "changed since it was shown" in answer.content.decode()
    assert "What would be run" in answer.content.decode()


def test_cleaning_up_shows_what_goes_and_does_it_once(operator: Client, scanned: Workspace, root: Path) -> None:
    address = f"/worktrees/{pk_of('done')}/clean"
    text = operator.get(address).content.decode()
    assert "worktree remove" in text
    assert "The branch feature/done stays" in text
    folder = root.parent / "workspace-feature-done"
    (folder / "outputs").mkdir()
    (folder / "outputs" / "step_1.pt").write_bytes(b"x")
    refused = operator.post(address, hidden(text))
    assert refused.status_code == 422
    assert "It may not go" in refused.content.decode()
    assert "What would be lost" in refused.content.decode()
    (folder / "outputs" / "step_1.pt").unlink()
    press = hidden(operator.get(address).content.decode())
    assert operator.post(address, press).headers["Location"] == "/worktrees"
    assert not folder.exists()
    answer = operator.post(address, press, follow=True).content.decode()
    assert "nothing was done a second time" in answer
    assert "is cleaned up" in answer
    assert operator.get(address).status_code == 404
    assert WorktreeAct.objects.filter(kind="clean", state="done").count() == 1


def test_a_worktree_of_nothing_yet_may_not_go(operator: Client, scanned: Workspace) -> None:
    text = operator.get(f"/worktrees/{pk_of('new')}/clean").content.decode()
    assert "It is not merged" in text
    assert 'id="clean-it"' not in text


def test_cherry_picks_are_planned_on_a_page(operator: Client, scanned: Workspace, root: Path) -> None:
    folder = root.parent / "workspace-feature-new"
    commit(folder, "Fix the loader and rename the metric", data__l_py="1\n", metrics__f_py="1\n")
    commit(folder, "Change <train>", train_py="y = 2\n")
    assert "feature/done" in operator.get("/worktrees/picks").content.decode()
    asked = {"workspace": "glue", "source": "feature/new", "target": "main"}
    text = operator.post("/worktrees/picks", asked).content.decode()
    for told in (
        "2 commits to pick",
        "mixes concerns",
        "git cherry-pick -x ",
        "Change &lt;train&gt;",
        "--reuse-message=",
    ):
        assert told in text, told
    answer = operator.post("/worktrees/picks", {**asked, "source": "nowhere"})
    assert answer.status_code == 422
    assert "is no branch or commit" in answer.content.decode()
    assert operator.post("/worktrees/picks", {**asked, "source": ""}).status_code == 422
