"""Who may do what. What the state of a run allows is decided by `check_can_…` functions, not here."""

from collections.abc import Callable
from enum import StrEnum
from functools import wraps
from typing import Any, Concatenate, ParamSpec, cast

from django.contrib.auth.models import AbstractBaseUser, AnonymousUser
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.http.response import HttpResponseBase

P = ParamSpec("P")


class Role(StrEnum):
    """The three roles, each a Django group of that name."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    ADMIN = "admin"


class Permission(StrEnum):
    """One thing that a person may be allowed to do."""

    VIEW_BOARD = "view-board"
    SYNC_NOW = "sync-now"
    UPLOAD_RUNS = "upload-runs"
    TRIAGE_FLAGS = "triage-flags"
    VERIFY_CHECKPOINTS = "verify-checkpoints"
    CLOSE_RUNS = "close-runs"
    RESUME_RUNS = "resume-runs"
    CANCEL_JOBS = "cancel-jobs"
    STEER_SWEEPS = "steer-sweeps"
    RESTART = "restart"
    OVERRIDE_GATE = "override-gate"
    ANSWER_QUESTIONS = "answer-questions"
    APPROVE_PLANS = "approve-plans"
    HAND_OVER = "hand-over"
    MAKE_WORKTREES = "make-worktrees"
    CLEAN_WORKTREES = "clean-worktrees"
    WRITE_REVIEW = "write-review"
    WRITE_NOTES = "write-notes"
    MANAGE_ALERTS = "manage-alerts"
    MANAGE_USERS = "manage-users"


_GRANTS: dict[Role, frozenset[Permission]] = {
    Role.VIEWER: frozenset({Permission.VIEW_BOARD}),
    Role.OPERATOR: frozenset(Permission) - {Permission.MANAGE_USERS, Permission.OVERRIDE_GATE},
    Role.ADMIN: frozenset(Permission),
}


def role_of(user: AbstractBaseUser | AnonymousUser) -> Role | None:
    """Return the strongest role of a user; None for somebody who is not logged in.

    A superuser is an admin; a logged-in user without a group is a viewer.
    """
    if not user.is_authenticated:
        return None
    if getattr(user, "is_superuser", False):
        return Role.ADMIN
    groups = set(user.groups.values_list("name", flat=True))  # type: ignore[attr-defined]  # every logged-in user has groups
    for role in (Role.ADMIN, Role.OPERATOR):
        if role in groups:
            return role
    return Role.VIEWER


def permits(role: Role | None, permission: Permission) -> bool:
    """Tell whether a role, where somebody has one, comes with ``permission``."""
    return role is not None and permission in _GRANTS[role]


def is_allowed(user: AbstractBaseUser | AnonymousUser, permission: Permission) -> bool:
    return permits(role_of(user), permission)


def check_allowed(user: AbstractBaseUser | AnonymousUser, permission: Permission) -> None:
    """Raise ``PermissionDenied`` with a sentence unless ``user`` has ``permission``."""
    if not is_allowed(user, permission):
        least = next(role for role, granted in _GRANTS.items() if permission in granted)
        raise PermissionDenied(f"This needs the role '{least}'. Ask an admin of this Sweepboard for it.")


View = Callable[Concatenate[HttpRequest, P], HttpResponseBase]


def requires(permission: Permission) -> Callable[[View[P]], View[P]]:
    """Guard a view; a test walks the URLconf and finds the ones without."""

    def decorate(view: View[P]) -> View[P]:
        @wraps(view)
        def guarded(request: HttpRequest, *args: P.args, **kwargs: P.kwargs) -> HttpResponseBase:
            check_allowed(request.user, permission)
            return view(request, *args, **kwargs)

        marked: Any = guarded
        marked.required_permission = permission
        return cast("View[P]", guarded)

    return decorate
