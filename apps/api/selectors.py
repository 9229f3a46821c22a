"""Reading tokens."""

from django.contrib.auth.models import User
from django.db.models import QuerySet

from apps.api.models import Token
from apps.core.errors import Permanent
from apps.core.permissions import Permission, is_allowed


def tokens_for(user: User) -> QuerySet[Token]:
    """Return the tokens that somebody may see and revoke: one's own, and for an admin everybody's."""
    rows = Token.objects.select_related("owner")
    return rows if is_allowed(user, Permission.MANAGE_USERS) else rows.filter(owner=user)


def token_named(name: str) -> Token:
    """Return the token of that name that is in force, else the one revoked last; ``Permanent`` where there is none."""
    rows = Token.objects.select_related("owner").filter(name=name)
    found = rows.filter(revoked_at=None).first() or rows.first()
    if found is None:
        raise Permanent(f"There is no token '{name}'; `manage.py token list` shows those that there are.")
    return found
