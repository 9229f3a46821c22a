"""Making and revoking tokens."""

from datetime import datetime

import structlog
from django.contrib.auth.models import User
from django.db import IntegrityError, transaction

from apps.api.domain.tokens import Scope, check_days, check_name, check_scopes, hash_of, new_secret
from apps.api.models import Token
from apps.api.owners import owner_of
from apps.audit.services import record
from apps.core.errors import Permanent

log = structlog.get_logger(__name__)
KINDS = ("agent", "person")


def make_token(
    *, name: str, owner: User, scopes: frozenset[Scope], days: int, now: datetime, by: str, kind: str = "agent"
) -> tuple[Token, str]:
    """Make a token and return it with its secret, which is told this once and kept nowhere.

    ``Permanent`` for a name that is taken or none, and for scopes beyond the owner's own role.
    """
    check_name(name)
    check_scopes(scopes, owner_of(owner))
    if kind not in KINDS:
        raise Permanent("A token is that of an agent or of a person.")
    secret, expires_at = new_secret(), now + check_days(days)
    told = {"kind": kind, "owner": owner, "scopes": [one.value for one in Scope if one in scopes]}
    try:
        with transaction.atomic():
            made = Token.objects.create(
                name=name, sha256=hash_of(secret), hint=secret[-4:], created_at=now, expires_at=expires_at, **told
            )
            detail = {"owner": owner.get_username(), "kind": kind, "scopes": made.scopes}
            record(type="token.made", actor=by, subject=f"token {name}", expires_at=expires_at.isoformat(), **detail)
    except IntegrityError as error:
        raise Permanent(f"A token with the name '{name}' is in use: revoke it, or choose another name.") from error
    log.info("api.token.made", token=name, owner=owner.get_username(), scopes=made.scopes)
    return made, secret


@transaction.atomic
def revoke_token(*, token: Token, now: datetime, by: str) -> bool:
    """End a token at once; False where it had ended before."""
    if Token.objects.filter(pk=token.pk, revoked_at=None).update(revoked_at=now, revoked_by=by[:150]) != 1:
        return False
    record(type="token.revoked", actor=by, subject=f"token {token.name}", owner=token.owner.get_username())
    log.info("api.token.revoked", token=token.name)
    return True
