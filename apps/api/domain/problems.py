"""Refusals of the agents' door, as RFC 9457 calls them: a status, a kind, a sentence, and what to do next. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from apps.core.errors import AlreadyDone, Permanent, SweepboardError, Transient

KINDS_AT = "/api/v1/docs#"


class Kind(Enum):
    """A kind of refusal: its slug, HTTP status and title."""

    NO_TOKEN = ("no-token", 401, "A token is needed")
    BAD_TOKEN = ("bad-token", 401, "The token opens nothing")
    MISSING_SCOPE = ("missing-scope", 403, "The token may not do this")
    PERSONS_ONLY = ("persons-only", 403, "Only a person may do this")
    NOT_FOUND = ("not-found", 404, "There is no such thing")
    WRONG_METHOD = ("wrong-method", 405, "It cannot be asked so")
    STATE = ("state", 409, "Its state does not allow this")
    IN_PROGRESS = ("in-progress", 409, "The same request is being carried out")
    GATE = ("gate-shut", 409, "The gate is shut")
    TOO_LARGE = ("too-large", 413, "The request is too large")
    INVALID = ("invalid", 422, "The request cannot be used")
    KEY_REUSED = ("key-reused", 422, "The idempotency key stands for another request")
    TOO_MANY = ("too-many", 429, "Too many requests")
    OURS = ("our-fault", 500, "Sweepboard failed")
    NO_ASGI = ("no-asgi", 501, "This server has no MCP door")
    SILENT = ("silent", 503, "Something does not answer")

    @property
    def slug(self) -> str:
        return self.value[0]

    @property
    def status(self) -> int:
        return self.value[1]

    @property
    def title(self) -> str:
        return self.value[2]


@dataclass(eq=False)
class Problem(SweepboardError):
    """A refusal. ``more`` are further members of the answer, ``retry_after`` is in whole seconds."""

    kind: Kind
    detail: str
    more: Mapping[str, Any] = field(default_factory=dict)
    retry_after: int | None = None

    def __str__(self) -> str:
        return self.detail

    def as_json(self) -> dict[str, Any]:
        told = {"type": KINDS_AT + self.kind.slug, "title": self.kind.title, "status": self.kind.status}
        return {**told, "detail": self.detail, **self.more}


def problem_of(error: SweepboardError) -> Problem:
    """Return how a room's own refusal is told at this door."""
    if isinstance(error, Problem):
        return error
    if isinstance(error, Transient):
        return Problem(Kind.SILENT, str(error), retry_after=max(1, round(error.retry_after or 10)))
    if type(error).__name__ == "NotAPerson":
        return Problem(Kind.PERSONS_ONLY, str(error))
    return Problem(Kind.STATE if isinstance(error, AlreadyDone) else Kind.INVALID, str(error))


def not_found(error: Permanent | str) -> Problem:
    return Problem(Kind.NOT_FOUND, str(error))
