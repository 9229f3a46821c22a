"""Locks with a lease: two passes of one source never overlap, and a dead worker's lock expires by itself."""

from collections.abc import Iterator
from contextlib import contextmanager

import redis
from django.conf import settings
from redis.exceptions import LockNotOwnedError, RedisError

from apps.core.errors import Transient


class Busy(Transient):
    """Somebody else holds the lock."""


def redis_client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=5)


@contextmanager
def lease(name: str, *, seconds: float, wait: float = 0) -> Iterator[None]:
    """Hold the lock ``name`` for the block, ``seconds`` at the longest.

    Waits up to ``wait`` seconds for it. Raises ``Busy`` when it stays taken, ``Transient`` when
    Redis does not answer.
    """
    client = redis_client()
    try:
        lock = client.lock(f"sweepboard:lock:{name}", timeout=seconds, blocking_timeout=wait, sleep=0.05)
        if not lock.acquire(blocking=wait > 0):
            raise Busy(f"Another pass holds '{name}' already.")
    except RedisError as error:
        client.close()
        raise Transient(f"Redis does not answer: {error}") from error
    try:
        yield
    finally:
        try:
            lock.release()
        except (LockNotOwnedError, RedisError):
            pass  # the lease ran out, or Redis restarted: either way it is no longer ours to give back
        finally:
            client.close()
