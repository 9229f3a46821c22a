"""Tokens of the agents' door, and clients that send them."""

import json
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.http import HttpResponse
from django.test import Client

from apps.api.domain.tokens import Scope
from apps.api.models import Token
from apps.api.services.tokens import make_token
from apps.core.clock import utcnow
from apps.core.permissions import Role
from tests.factories.people import UserFactory

EVERY = frozenset(Scope)


def token(
    name: str = "coder-1", *, scopes: frozenset[Scope] = EVERY, role: Role = Role.OPERATOR, owner: User | None = None,
    kind: str = "agent", now: datetime | None = None, days: int = 90,
) -> tuple[Token, str]:  # fmt: skip
    """A token and its secret; of an operator's agent that may do everything, unless told otherwise."""
    owner = owner or UserFactory(role=role)
    return make_token(
        name=name, owner=owner, scopes=scopes, days=days, now=now or utcnow(), by=owner.get_username(), kind=kind
    )


class Api:
    """Asks the JSON API as a script would: a token in the header, JSON in and out."""

    def __init__(self, secret: str) -> None:
        self.client = Client(headers={"Authorization": f"Bearer {secret}"} if secret else {})

    def get(self, path: str, *, headers: dict[str, str] | None = None, **query: Any) -> HttpResponse:
        return self.client.get(f"/api/v1{path}", query, headers=headers or {})  # type: ignore[return-value]

    def post(self, path: str, body: Any = None, *, key: str = "", **headers: str) -> HttpResponse:
        sent = {**headers, **({"Idempotency-Key": key} if key else {})}
        data = body if isinstance(body, str) else json.dumps({} if body is None else body)
        return self.client.post(  # type: ignore[return-value]
            f"/api/v1{path}", data, content_type="application/json", headers=sent
        )


def api(name: str = "coder-1", **told: Any) -> Api:
    """A client with a fresh token."""
    return Api(token(name, **told)[1])
