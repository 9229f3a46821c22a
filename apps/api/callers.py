"""Who asks at the agents' door: a token, found by its hash, with what it may do at this moment."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.api.domain.problems import Kind, Problem
from apps.api.domain.tokens import Scope, TokenFacts, hash_of, looks_like_a_token, why_dead, why_not
from apps.api.models import Token
from apps.api.owners import owner_of
from apps.approvals.actors import Agent, AtShell
from apps.audit.services import on_behalf_of

_BEARER = re.compile(r"bearer +(\S+) *", re.IGNORECASE)
_MINUTE = timedelta(minutes=1)
NO_TOKEN = "Send a token: 'Authorization: Bearer swb_…'. People make them at /tokens."  # noqa: S105 - a sentence


@dataclass(frozen=True)
class Caller:
    """A living token at one request. ``first_at`` is when this request first came, where it carries a key;
    ``repeated`` says that whoever had it before did not come to its end.
    """

    token: Token
    facts: TokenFacts
    first_at: datetime | None = None
    repeated: bool = False

    @property
    def name(self) -> str:
        """What the audit trail calls it."""
        return self.token.actor

    @property
    def actor(self) -> Agent | AtShell:
        """Who it is to the room of plans and questions: never a logged-in person."""
        return Agent(self.name) if self.token.kind == "agent" else AtShell(self.name)

    def check(self, scope: Scope) -> None:
        """Raise unless the token has ``scope``, and its owner still may what that needs."""
        if why := why_not(self.facts, scope):
            raise Problem(Kind.MISSING_SCOPE, why, {"scope": scope.value})


def caller_of(header: str, now: datetime) -> Caller:
    """Return who sends this Authorization header; ``Problem`` 401 with a sentence for nobody in particular."""
    if not header:
        raise Problem(Kind.NO_TOKEN, NO_TOKEN)
    found = _BEARER.fullmatch(header)
    if found is None:
        raise Problem(Kind.BAD_TOKEN, f"The Authorization header is not of the form 'Bearer swb_…'. {NO_TOKEN}")
    return caller_with(found[1], now)


def caller_with(secret: str, now: datetime) -> Caller:
    """Return the caller that has this token.

    It is looked up by its SHA-256: how long that takes tells nothing of the secret, since whoever guesses cannot
    choose the hash.
    """
    token = None
    if looks_like_a_token(secret):
        token = Token.objects.select_related("owner").filter(sha256=hash_of(secret)).first()
    if token is None:
        raise Problem(Kind.BAD_TOKEN, "No token is known that reads so. It is shown once, when it is made at /tokens.")
    facts = facts_of(token)
    if why := why_dead(facts, now):
        raise Problem(Kind.BAD_TOKEN, why)
    _touch(token, now)
    return Caller(token, facts)


def facts_of(token: Token) -> TokenFacts:
    scopes = frozenset(Scope(one) for one in token.scopes if one in set(Scope))
    return TokenFacts(scopes, owner_of(token.owner), token.expires_at, token.revoked_at)


def _touch(token: Token, now: datetime) -> None:
    """Note that it is used, once a minute at the most: a poll must not cost a write."""
    if token.last_used_at is None or now - token.last_used_at >= _MINUTE:
        Token.objects.filter(pk=token.pk).update(last_used_at=now)
        token.last_used_at = now


@contextmanager
def acting(caller: Caller) -> Iterator[None]:
    """Have every audit event of the block name the token and its owner."""
    with on_behalf_of(token=caller.token.name, owner=caller.token.owner.get_username()):
        yield
