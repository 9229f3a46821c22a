"""What a word on the command line means: a workspace's name, or a folder that may lie in one."""

from dataclasses import dataclass
from pathlib import Path

import structlog
from django.db import DatabaseError, InterfaceError

from apps.core.errors import Permanent, SweepboardError
from apps.handovers.ports import FOLDER, DocumentStore
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import active_workspaces

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Where:
    """``checkout`` is the folder that was named, or the workspace's root; ``workspace`` None for an unregistered one.

    ``by_folder`` says that a folder was named, so that its own index is meant.
    """

    checkout: Path
    workspace: Workspace | None
    by_folder: bool


def is_folder(word: str) -> bool:
    try:
        return Path(word).expanduser().is_dir()
    except (OSError, RuntimeError, ValueError):
        return False


def known_workspaces() -> list[Workspace]:
    """Return the active workspaces; none where no database can be asked, because folders need none."""
    try:
        return active_workspaces()
    except (DatabaseError, InterfaceError) as error:
        log.debug("handovers.no_database", error=str(error))
        return []


def where_of(word: str, store: DocumentStore) -> Where:
    """Return what ``word`` means; a workspace's name comes before a folder of that name. ``Permanent`` for neither."""
    workspaces = known_workspaces()
    named = next((one for one in workspaces if one.name == word), None)
    if named is not None:
        return Where(named.path, named, by_folder=False)
    if not is_folder(word):
        known = ", ".join(one.name for one in workspaces) or "none"
        raise Permanent(f"'{word}' is neither a folder nor a workspace. Workspaces: {known}.")
    checkout = checkout_above(Path(word).expanduser().resolve())
    return Where(checkout, _workspace_of(checkout, workspaces, store), by_folder=True)


def checkout_above(folder: Path) -> Path:
    """Return the nearest folder from here upwards that holds `CLAUDE/` or is a checkout of git; else the folder."""
    start = folder.parent if folder.name == FOLDER else folder
    above = (one for one in (start, *start.parents) if (one / FOLDER).is_dir() or (one / ".git").exists())
    return next(above, start)


def _workspace_of(checkout: Path, workspaces: list[Workspace], store: DocumentStore) -> Workspace | None:
    """The workspace whose main checkout is also that of ``checkout``."""
    try:
        main = store.checkouts(checkout)[0].path.resolve()
    except SweepboardError:
        return None
    return next((one for one in workspaces if _main_of(one, store) == main), None)


def _main_of(workspace: Workspace, store: DocumentStore) -> Path | None:
    try:
        return store.checkouts(workspace.path)[0].path.resolve()
    except SweepboardError:
        return None
