"""Tokens: what one looks like, what it may do, and why one is refused. Pure.

A token never may more than its owner: each scope asks for a permission, and the owner's role is looked at again at
every request, so that whoever loses a role loses it for every token too.
"""

import hashlib
import re
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from apps.core.errors import Permanent

PREFIX = "swb_"
SECRET_BYTES = 32
LONGEST_DAYS = 366
_SHAPE = re.compile(r"swb_[A-Za-z0-9_-]{43}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,59}")


class Scope(StrEnum):
    """What a token may do; each is more than reading and none contains another, but all need ``read``."""

    READ = "read"
    HANDOVER = "handover"
    PLAN = "plan"
    RESUME = "resume"


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a token is, at this moment: the name of the role, empty for one who can log in no more, and the scopes
    that the role comes with.
    """

    role: str
    may: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class TokenFacts:
    """What is known of a token at a request."""

    scopes: frozenset[Scope]
    owner: Owner
    expires_at: datetime
    revoked_at: datetime | None


def new_secret() -> str:
    """Draw a token: the prefix, by which it is known where it leaks, and 32 random bytes."""
    return PREFIX + secrets.token_urlsafe(SECRET_BYTES)


def hash_of(secret: str) -> str:
    """Return what is kept of a token: its SHA-256 as 64 hex digits. 32 random bytes need no slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()


def looks_like_a_token(text: str) -> bool:
    return _SHAPE.fullmatch(text) is not None


def check_name(name: str) -> None:
    """Raise unless a token may be called so; the audit trail calls an agent ``agent:<name>``."""
    if not _NAME.fullmatch(name):
        raise Permanent(
            "A token's name has 1 to 60 letters, digits, '.', '_' and '-'; it begins with one of the first."
        )


def check_scopes(scopes: frozenset[Scope], owner: Owner) -> None:
    """Raise unless this owner may give a token these scopes."""
    if Scope.READ not in scopes:
        raise Permanent("Every token needs the scope 'read'.")
    if beyond := sorted(scopes - owner.may):
        raise Permanent(
            f"A token may do no more than its owner: the role '{owner.role or 'none'}' cannot give the scope "
            f"'{beyond[0]}'."
        )


def check_days(days: int) -> timedelta:
    """Return how long a token lives; raise unless it is 1 to 366 days."""
    if not 1 <= days <= LONGEST_DAYS:
        raise Permanent(f"A token expires after 1 to {LONGEST_DAYS} days; {days} is neither.")
    return timedelta(days=days)


def why_dead(facts: TokenFacts, now: datetime) -> str:
    """Return why a token opens nothing any more, in a sentence; empty for one that lives."""
    if facts.revoked_at is not None:
        return f"This token was revoked on {facts.revoked_at:%Y-%m-%d %H:%M} UTC. Make a new one at /tokens."
    if now >= facts.expires_at:
        return f"This token expired on {facts.expires_at:%Y-%m-%d %H:%M} UTC. Make a new one at /tokens."
    return "" if facts.owner.role else "The owner of this token can log in no more, so it opens nothing."


def why_not(facts: TokenFacts, scope: Scope) -> str:
    """Return why a living token does not open what needs ``scope``; empty where it does."""
    if scope not in facts.scopes:
        return f"This token lacks the scope '{scope}'. Ask its owner for one that has it."
    if scope not in facts.owner.may:
        return f"The scope '{scope}' is void: this token's owner has only the role '{facts.owner.role}' by now."
    return ""


def scopes_from(words: list[str]) -> frozenset[Scope]:
    """Return the scopes of that name; raise with those that there are for another one."""
    try:
        return frozenset(Scope(word) for word in words)
    except ValueError as error:
        raise Permanent(f"Scopes are {', '.join(Scope)}; '{str(error).partition(' is')[0][:40]}' is none.") from error
