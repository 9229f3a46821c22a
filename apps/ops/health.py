"""Whether Sweepboard can work, and how fresh its sources are."""

from dataclasses import dataclass
from typing import Any

from django.db import DatabaseError, connection
from redis.exceptions import RedisError

from apps.audit.selectors import Freshness, freshness
from apps.core.clock import utcnow
from apps.core.locks import redis_client


@dataclass(frozen=True)
class Readiness:
    """``database`` and ``redis`` are empty when they answer, else the reason."""

    database: str
    redis: str
    sources: list[Freshness]

    @property
    def ok(self) -> bool:
        return not self.database and not self.redis

    def as_json(self, *, detailed: bool) -> dict[str, Any]:
        """Return what /readyz answers; errors may name servers, so only people who are logged in see their text."""
        return {
            "status": "ok" if self.ok else "unavailable",
            "database": self.database or "ok",
            "redis": self.redis or "ok",
            "sources": [_source(one, detailed) for one in self.sources],
        }


def readiness() -> Readiness:
    """Ask the database and Redis, and read how fresh each source is."""
    database, sources = "", []
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1")
        sources = freshness()
    except DatabaseError as error:
        database = f"the database does not answer ({type(error).__name__})"
    return Readiness(database, _redis_problem(), sources)


def _redis_problem() -> str:
    client = redis_client()
    try:
        client.ping()
    except RedisError as error:
        return f"Redis does not answer ({type(error).__name__})"
    finally:
        client.close()
    return ""


def _source(one: Freshness, detailed: bool) -> dict[str, Any]:
    age = (utcnow() - one.good_at).total_seconds() if one.good_at else None
    return {
        "source": one.source,
        "scope": one.scope,
        "ok": one.ok,
        "age_seconds": round(age, 1) if age is not None else None,
        "error": one.error if detailed or not one.error else "log in to read it",
        "error_id": one.error_id,
    }
