"""Reading workspaces and the configuration that is in force."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings

from apps.workspaces.config import SweepboardConfig, load_config
from apps.workspaces.domain import Policy
from apps.workspaces.models import Workspace


def active_workspaces() -> list[Workspace]:
    return list(Workspace.objects.filter(active=True))


def link_roots() -> list[Path]:
    """Return where links of checkpoints may lead: into any workspace, and where its ``links_into`` says."""
    return [folder for workspace in active_workspaces() for folder in (workspace.path, *workspace.links_into)]


def workspace_by_project() -> dict[str, Workspace]:
    """Return ``{"entity/project": workspace}``; the first workspace that names a project has it."""
    found: dict[str, Workspace] = {}
    for workspace in active_workspaces():
        for project in workspace.projects:
            found.setdefault(project, workspace)
    return found


def policy_of(workspace: Workspace | None, sweep_id: str = "", sweep_name: str = "") -> Policy:
    """Return the policy of a sweep in a workspace; the practice's own figures where no workspace is known."""
    return workspace.policy_for(sweep_id, sweep_name) if workspace else Policy()


def current_config() -> SweepboardConfig:
    """Return the configuration in force; read again only when the file has changed.

    Without SWEEPBOARD_CONFIG every value has its default. ``ConfigError`` says what is wrong.
    """
    if not settings.CONFIG_FILE:
        return _defaults()
    path = Path(settings.CONFIG_FILE)
    stamp = path.stat().st_mtime_ns if path.is_file() else 0
    return _load(path, stamp)


@lru_cache(maxsize=1)
def _defaults() -> SweepboardConfig:
    return SweepboardConfig()


@lru_cache(maxsize=4)
def _load(path: Path, stamp: int) -> SweepboardConfig:
    return load_config(path)
