"""How many requests of one token are let through in a minute: counted in Redis, for all web processes together.

A Redis that does not answer takes nothing down: each process then counts for itself, so that a token gets at most as
many times its limit as there are web processes, and Redis is asked again a few seconds later.
"""

import threading
import time
from collections import Counter
from datetime import datetime
from typing import Literal

import redis
import structlog
from django.conf import settings
from redis.exceptions import RedisError

from apps.api.domain.problems import Kind, Problem
from apps.api.models import Token
from apps.workspaces.config import ApiConfig

log = structlog.get_logger(__name__)
Sort = Literal["reads", "writes"]
MINUTE = 60
SILENT_SECONDS = 5.0  # so long is a Redis that did not answer left alone
TIMEOUT = 0.5


class Counters:
    """Counts by token, sort and minute: in Redis, and in this process while Redis is silent."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._own: Counter[str] = Counter()
        self._silent_until = 0.0
        self._clients: dict[str, redis.Redis] = {}

    def count(self, key: str) -> int:
        """Count one more request and return how many that makes."""
        if time.monotonic() >= self._silent_until:
            try:
                return self._in_redis(key)
            except RedisError as error:
                self._silent_until = time.monotonic() + SILENT_SECONDS
                log.warning("api.limits.redis_silent", error=str(error))
        return self._in_process(key)

    def _in_redis(self, key: str) -> int:
        pipe = self._client().pipeline(transaction=False)
        pipe.incr(key)
        pipe.expire(key, 2 * MINUTE)
        return int(pipe.execute()[0])

    def _client(self) -> "redis.Redis":
        url = settings.REDIS_URL
        if url not in self._clients:
            made = redis.Redis.from_url(url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT)
            self._clients = {url: made}
        return self._clients[url]

    def _in_process(self, key: str) -> int:
        with self._lock:
            minute = key.rpartition(":")[2]
            for old in [one for one in self._own if one.rpartition(":")[2] != minute]:
                del self._own[old]
            self._own[key] += 1
            return self._own[key]


COUNTERS = Counters()


def check_rate(*, token: Token, sort: Sort, config: ApiConfig, now: datetime) -> None:
    """Count one request of a token; ``Problem`` 429 with the seconds to wait where it is one too many."""
    most = config.reads_per_minute if sort == "reads" else config.writes_per_minute
    minute, second = divmod(int(now.timestamp()), MINUTE)
    if COUNTERS.count(f"sweepboard:rate:{token.pk}:{sort}:{minute}") > most:
        wait = MINUTE - second
        raise Problem(
            Kind.TOO_MANY,
            f"This token may send {most} {sort} a minute, and did. Wait {wait} seconds.",
            retry_after=wait,
        )
