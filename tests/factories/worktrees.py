"""Repositories with worktrees in every state, made with real git."""

from datetime import datetime
from pathlib import Path
from typing import Any

from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.workspaces.models import Workspace
from apps.worktrees.adapters.files import CheckoutFiles
from apps.worktrees.adapters.git_cli import GitCli
from apps.worktrees.domain.acts import JobFacts
from apps.worktrees.domain.facts import Facts
from apps.worktrees.services.cleaning import CleanPlan, clean_up, prepare_clean
from apps.worktrees.services.looking import Tools, look_at
from tests.factories.handovers import git, repository, worktree
from tests.factories.moments import NOW
from tests.factories.rows import WorkspaceFactory

IGNORED = "outputs/\nwandb/\nlogs/\n.env\n.venv\nCLAUDE.md\nCLAUDE/\n__pycache__/\n*_cache\nnode_modules\n"


def commit(folder: Path, message: str, **files: str | bytes | None) -> str:
    """Write (None: delete) files, commit exactly these, and return the commit; ``a__b_py`` is `a/b.py`."""
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_py", ".py").replace("_bin", ".bin").replace("_md", ".md")
        if text is None:
            path.unlink()
        else:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text if isinstance(text, bytes) else text.encode())
        git(folder, "add", "-A", "--", str(path.relative_to(folder)))
    git(folder, "commit", "-q", "--allow-empty", "-m", message)
    return git(folder, "rev-parse", "HEAD").strip()


def glue(folder: Path) -> Path:
    """A repository on main whose .gitignore is a team's."""
    root = repository(folder / "glue")
    (root / ".gitignore").write_text(IGNORED)
    git(root, "add", ".gitignore")
    git(root, "commit", "-q", "-m", "Ignore what trains")
    return root


def furnished(folder: Path) -> Path:
    """The same with what a team shares and what runs write beside it."""
    root = glue(folder)
    for name in (".env", "hf_cache"):
        (root / name).write_text("x")
    for name in ("outputs", "logs", ".venv"):
        (root / name).mkdir()
    return root


def registered(root: Path) -> Workspace:
    made: Workspace = WorkspaceFactory(name="glue", root=str(root), config={})
    return made


def with_remote(root: Path) -> Path:
    """Give a repository a bare remote that has main; return the remote."""
    remote = root.parent / f"{root.name}.git"
    git(root, "clone", "-q", "--bare", str(root), str(remote))
    git(root, "remote", "add", "origin", str(remote))
    git(root, "fetch", "-q", "origin")
    git(root, "branch", "-q", "--set-upstream-to=origin/main", "main")
    return remote


def merged(root: Path, branch: str = "feature/done") -> Path:
    """A worktree whose one commit came into main by a merge commit."""
    folder = worktree(root, branch)
    commit(folder, "Restart the schedule", schedule_py="restart = 2000\n")
    git(root, "merge", "-q", "--no-ff", "-m", f"Merge {branch}", branch)
    return folder


def tools() -> Tools:
    return Tools(GitCli(), CheckoutFiles(), FilesystemDocumentStore())


def facts_at(root: Path, folder: Path) -> Facts:
    """Look at the whole repository, and return the facts of one worktree."""
    return next(one for one in look_at(root, tools()) if one.path == str(folder))


def none_run(path: Path, now: datetime) -> JobFacts:
    return JobFacts()


def shown(workspace: Workspace, path: Path, nonce: str = "") -> CleanPlan:
    """What clean up would do with a worktree of the workspace from which no job runs."""
    return prepare_clean(root=workspace.path, path=path, tools=tools(), now=NOW, jobs=none_run, workspace=workspace,
                         nonce=nonce)  # fmt: skip


def clean(workspace: Workspace, path: Path, digest: str = "", jobs: Any = none_run, nonce: str = "") -> str:
    """Clean a worktree up, as it was shown unless ``digest`` says otherwise; return the sentence."""
    digest = digest or shown(workspace, path, nonce).digest
    return clean_up(root=workspace.path, path=path, digest=digest, tools=tools(), now=NOW, actor="mia", jobs=jobs,
                    workspace=workspace, nonce=nonce)  # fmt: skip


def state_of(root: Path) -> tuple[str, list[str], list[str]]:
    return (
        git(root, "for-each-ref"),
        git(root, "worktree", "list").splitlines(),
        sorted(
            str(path) for path in root.parent.rglob("*") if ".git" not in path.parts and not path.name.endswith(".lock")
        ),
    )


def odd_git(root: Path, on_word: str, seconds: float = 30.0, word: str = "remove") -> Tools:
    """Tools whose git does this before, or instead of, what it is asked with this word."""
    program = root.parent / "odd-git"
    first = f'for word in "$@"; do [ "$word" = {word} ] && {{ {on_word}; }}; done'
    program.write_text(f'#!/bin/sh\n{first}\nexec git "$@"\n')
    program.chmod(0o755)
    made = tools()
    return Tools(GitCli(program=str(program), seconds=seconds), made.files, made.store)


__all__ = ["git", "repository", "worktree"]
