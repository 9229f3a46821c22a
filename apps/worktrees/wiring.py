"""What worktrees are looked at and worked on with."""

from django.conf import settings
from django.utils.module_loading import import_string

from apps.handovers.wiring import document_store
from apps.workspaces.config import ConfigError, WorktreesConfig
from apps.workspaces.selectors import current_config
from apps.worktrees.ports import GitRepository, PickSource
from apps.worktrees.services.looking import Tools


def worktrees_config() -> WorktreesConfig:
    """Return the settings in force; the defaults while sweepboard.toml cannot be used."""
    try:
        return current_config().worktrees
    except ConfigError:
        return WorktreesConfig()


def git_repository() -> GitRepository:
    made: GitRepository = import_string(settings.GIT_REPOSITORY)(seconds=worktrees_config().git_seconds)
    return made


def pick_source(budget: float = 120.0) -> PickSource:
    """Return what plans cherry-picks; ``budget`` is how many seconds it may try them."""
    made: PickSource = import_string(settings.PICK_SOURCE)(seconds=worktrees_config().git_seconds, budget=budget)
    return made


def tools() -> Tools:
    files = import_string(settings.CHECKOUT_FILES)(seconds=worktrees_config().walk_seconds)
    return Tools(git_repository(), files, document_store())
