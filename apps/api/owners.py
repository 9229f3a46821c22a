"""What the owner of a token may give it: a permission for each scope, by the owner's role at this moment."""

from django.contrib.auth.models import User

from apps.api.domain.tokens import Owner, Scope
from apps.core.permissions import Permission, permits, role_of

NEEDS: dict[Scope, Permission] = {
    Scope.READ: Permission.VIEW_BOARD,
    Scope.HANDOVER: Permission.HAND_OVER,
    Scope.PLAN: Permission.ANSWER_QUESTIONS,
    Scope.RESUME: Permission.RESUME_RUNS,
}


def owner_of(user: User) -> Owner:
    """Return the role of a user and the scopes that come with it; neither for one who can log in no more."""
    role = role_of(user) if user.is_active else None
    return Owner(role.value if role else "", frozenset(one for one in Scope if permits(role, NEEDS[one])))
