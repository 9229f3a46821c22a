"""A new worktree: its steps are shown first, then done all of them or undone, its handover last."""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import structlog

from apps.core.errors import Permanent, SweepboardError
from apps.core.git import GitRefused
from apps.handovers.ports import WorkSource
from apps.handovers.services.prefilling import prefill
from apps.handovers.services.writing import Wish, Written, write_handover
from apps.workspaces.models import Workspace
from apps.worktrees.domain.acts import Step, digest_of, folder_name, may_be_folder, readable
from apps.worktrees.domain.facts import shown
from apps.worktrees.domain.table import LOCAL, is_either, is_shared
from apps.worktrees.ports import Entry
from apps.worktrees.services.acts import noted
from apps.worktrees.services.looking import Tools

log = structlog.get_logger(__name__)
_IS_THERE = re.compile(r"\balready (exists|checked out|used by|registered)\b")
_BRANCH_IS_THERE = "a branch named"
DEFAULT_FOLDER = "../{name}-worktrees"


@dataclass(frozen=True, slots=True)
class NewWish:
    """``base`` empty is the base branch; ``links`` None are all that the main checkout shares; ``name`` the folder's.

    ``nonce`` is the form's own number, so that one press is one act.
    """

    branch: str
    base: str = ""
    links: tuple[str, ...] | None = None
    name: str = ""
    focus: str = ""
    next_action: str = ""
    nonce: str = ""


@dataclass(frozen=True, slots=True)
class Prepared:
    """What would be done. ``offered`` are the names that can be linked; ``is_new`` says that the branch is made."""

    path: Path
    main: Path
    branch: str
    base: str
    base_sha: str
    is_new: bool
    steps: tuple[Step, ...]
    offered: tuple[str, ...]
    digest: str


@dataclass(frozen=True, slots=True)
class Made:
    path: Path
    branch: str
    handover: Written
    said: str


def home_of(main: Path, workspace: Workspace | None) -> Path:
    """Return the folder in which a repository's new worktrees lie, links resolved."""
    told = str((workspace.config if workspace else {}).get("worktrees_in", "")) or DEFAULT_FOLDER
    return (main / told.replace("{name}", main.name)).resolve()


def prepare_new(*, root: Path, wish: NewWish, tools: Tools, workspace: Workspace | None = None) -> Prepared:
    """Return the steps of a new worktree; ``Permanent`` with a sentence where it cannot be made. Changes nothing."""
    entries = tools.git.entries(root)
    main = entries[0].path
    branch = wish.branch.strip()
    if not branch or not tools.git.may_be_branch(main, branch):
        raise Permanent(f"'{shown(branch)}' cannot be the name of a branch. Write one such as feature/warm-restarts.")
    refs = {one.name: one.sha for one in tools.git.refs(main)}
    _check_free(branch, entries, refs)
    path = _path(main, branch, wish.name, workspace)
    is_new = f"refs/heads/{branch}" not in refs
    base = wish.base.strip() or (_base(main, refs, entries, workspace) if is_new else branch)
    if base.startswith("-"):
        raise Permanent(f"'{base}' is no branch or commit.")
    base_sha = tools.git.commit_of(main, base) if is_new else refs[f"refs/heads/{branch}"]
    offered = _offered(main, base_sha, tools)
    links = offered if wish.links is None else wish.links
    if unknown := sorted(set(links) - set(offered)):
        raise Permanent(f"'{unknown[0]}' cannot be linked: the main checkout shares {', '.join(offered) or 'nothing'}.")
    steps = _steps(main, path, branch, base_sha, is_new, links, tools)
    digest = digest_of(steps, [base_sha, wish.focus, wish.next_action, wish.nonce])
    return Prepared(path, main, branch, base, base_sha, is_new, tuple(steps), offered, digest)


def _check_free(branch: str, entries: Sequence[Entry], refs: dict[str, str]) -> None:
    for entry in entries:
        if entry.branch == branch:
            raise Permanent(f"{branch} is checked out already, at {entry.path}.")
    inside = f"refs/heads/{branch}/"
    for ref in refs:
        if ref.startswith(inside) or f"refs/heads/{branch}".startswith(f"{ref}/"):
            raise Permanent(f"{branch} cannot be made: git has the branch {ref.removeprefix('refs/heads/')}.")


def _path(main: Path, branch: str, name: str, workspace: Workspace | None) -> Path:
    home = home_of(main, workspace)
    folder = name.strip() or folder_name(branch)
    if not folder:
        raise Permanent(f"{branch} gives the folder no name of plain letters; name one (`--name`).")
    path = home / folder
    if not may_be_folder(folder) or path.resolve().parent != home:
        told = shown(readable(folder))
        raise Permanent(f"'{told}' cannot be the name of the folder; it lies in {home} and nowhere else.")
    if os.path.lexists(path):
        raise Permanent(f"{path} is there already. Name another folder, or take that one away.")
    return path


def _base(main: Path, refs: dict[str, str], entries: Sequence[Entry], workspace: Workspace | None) -> str:
    wished = str((workspace.config if workspace else {}).get("base_branch", ""))
    usual = [wished, "main", "master", "trunk"]
    return next((one for one in usual if one and f"refs/heads/{one}" in refs), entries[0].branch or "HEAD")


def _offered(main: Path, base_sha: str, tools: Tools) -> tuple[str, ...]:
    """What the main checkout has of the table's shared names and git does not bring along."""
    names = [name for name in tools.files.names(main) if is_shared(name) or is_either(name)]
    tracked = {name for _, name in tools.git.tracked(main, ((base_sha, name) for name in names))}
    return tuple(name for name in names if name not in tracked)


def _steps(
    main: Path, path: Path, branch: str, base_sha: str, is_new: bool, links: Sequence[str], tools: Tools
) -> list[Step]:
    add = [
        "worktree",
        "add",
        *(["--no-track", "-b", branch] if is_new else []),
        str(path),
        base_sha if is_new else branch,
    ]
    steps = [Step("git", argv=tuple(tools.git.argv(main, add)))]
    steps += [Step("link", path=str(path / name), target=str(main / name)) for name in links]
    names = [name for name in LOCAL if (main / name).is_dir()]
    tracked = {name for _, name in tools.git.tracked(main, ((base_sha, name) for name in names))}
    steps += [Step("folder", path=str(path / name)) for name in names if name not in tracked]
    note = "with a fresh handover key, and its document in CLAUDE/ here and in the main checkout"
    steps.append(Step("write", path=str(path / "CLAUDE.md"), note=note))
    return steps


def new_worktree(
    *, root: Path, wish: NewWish, digest: str, tools: Tools, work: WorkSource, now: datetime, actor: str,
    workspace: Workspace | None = None,
) -> Made:  # fmt: skip
    """Make the worktree whose steps have this ``digest``; all of it or nothing.

    ``Permanent`` where the steps are others by now, ``AlreadyDone`` for a second press of the same form.
    """
    made: list[Made] = []

    def act() -> str:
        with tools.git.lock(root):
            prepared = prepare_new(root=root, wish=wish, tools=tools, workspace=workspace)
            if prepared.digest != digest:
                raise Permanent("What would be done changed since it was shown; look at it again. Nothing was done.")
            made.append(_made(prepared, wish, tools, work, now, actor, workspace))
        return made[0].said

    _check_words(wish)
    steps = _steps_shown(root, wish, tools, workspace)
    path = home_of(root, workspace) / readable(wish.name or folder_name(wish.branch))
    noted(kind="new", workspace=workspace, path=path, branch=readable(wish.branch), digest=digest, steps=steps,
          actor=actor, now=now, act=act)  # fmt: skip
    return made[0]


def _steps_shown(root: Path, wish: NewWish, tools: Tools, workspace: Workspace | None) -> tuple[Step, ...]:
    """For the record; what cannot be prepared any more is told by the act itself."""
    try:
        return prepare_new(root=root, wish=wish, tools=tools, workspace=workspace).steps
    except SweepboardError:
        return ()


def _check_words(wish: NewWish) -> None:
    if not readable(wish.focus).strip():
        raise Permanent("A worktree needs its focus: one line on what it is for, which its CLAUDE.md carries.")


def _made(
    prepared: Prepared, wish: NewWish, tools: Tools, work: WorkSource, now: datetime, actor: str,
    workspace: Workspace | None,
) -> Made:  # fmt: skip
    undo: list[Callable[[], object]] = []
    home_was_there = prepared.path.parent.exists()
    try:
        prepared.path.parent.mkdir(parents=True, exist_ok=True)
        undo.append(lambda: None if home_was_there else _remove_empty(prepared.path.parent))
        for step in prepared.steps:
            _do(step, prepared, tools, undo)
        began = prefill(checkout=prepared.path, store=tools.store, work=work, workspace=workspace)
        focus = " ".join(readable(wish.focus).split())
        action = readable(wish.next_action).strip() or f"Read the focus and begin on {prepared.branch}"
        written = write_handover(
            wish=Wish(focus, (action,), author=actor), prefill=began, store=tools.store, now=now, actor=actor,
            workspace=workspace,
        )  # fmt: skip
    except BaseException as error:
        stays = [back for back in reversed(undo) if not _quietly(back, prepared.path)]
        told = f"Not all of it could be undone; look at {prepared.path}." if stays else "All of it was undone."
        if isinstance(error, OSError):
            raise Permanent(f"The worktree could not be made: {error.strerror}. {told}") from error
        if isinstance(error, SweepboardError):
            raise type(error)(f"{error} {told}") from error
        raise
    log.info("worktrees.made", path=str(prepared.path), branch=prepared.branch, key=written.key)
    return Made(prepared.path, prepared.branch, written, f"{prepared.path} is made, with the handover {written.key}.")


def _do(step: Step, prepared: Prepared, tools: Tools, undo: list[Callable[[], object]]) -> None:
    path = Path(step.path)
    if step.kind == "git":
        _add(step, prepared, tools, undo)
    elif step.kind == "link":
        path.symlink_to(step.target)
    elif step.kind == "folder":
        path.mkdir(exist_ok=True)


def _add(step: Step, prepared: Prepared, tools: Tools, undo: list[Callable[[], object]]) -> None:
    refused = ""
    try:
        tools.git.act(prepared.main, _arguments(step, tools, prepared.main))
    except GitRefused as error:
        refused = str(error)
        raise
    finally:
        undo.append(lambda: _undo_add(prepared, tools, refused))


def _arguments(step: Step, tools: Tools, main: Path) -> list[str]:
    """The arguments behind those that every run of git has."""
    return list(step.argv[len(tools.git.argv(main, [])) :])


def _undo_add(prepared: Prepared, tools: Tools, refused: str) -> None:
    """Take back what git made; what it ``refused`` because it was there already is another's, and stays."""
    if not _IS_THERE.search(refused):
        _undo_worktree(prepared, tools)
    # Git makes the branch before it looks at the folder; it is deleted only where it still stands where it began.
    if prepared.is_new and _BRANCH_IS_THERE not in refused:
        stands = {one.name: one.sha for one in tools.git.refs(prepared.main)}.get(f"refs/heads/{prepared.branch}")
        if stands == prepared.base_sha:
            tools.git.act(prepared.main, ["branch", "-D", "--", prepared.branch])


def _undo_worktree(prepared: Prepared, tools: Tools) -> None:
    entry = next((one for one in tools.git.entries(prepared.main) if one.path == prepared.path), None)
    if entry is not None and not _is_ours(entry, prepared):
        raise Permanent(f"{prepared.path} is another's by now.")
    if entry is not None:
        tools.git.act(prepared.main, ["worktree", "remove", "--force", "--force", str(prepared.path)])


def _is_ours(entry: Entry, prepared: Prepared) -> bool:
    """Tell whether git's entry at the path has our branch; an add that was killed early had not written it yet."""
    return entry.branch == prepared.branch or (not entry.branch and entry.locked == "initializing")


def _remove_empty(folder: Path) -> None:
    if not any(folder.iterdir()):
        folder.rmdir()


def _quietly(back: Callable[[], object], path: Path) -> bool:
    try:
        back()
    except (SweepboardError, OSError) as error:
        log.warning("worktrees.undo.failed", path=str(path), error=str(error))
        return False
    return True
