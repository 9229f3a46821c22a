"""Locks with a lease: two passes of one source never overlap, and a dead worker's lock expires by itself."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis
from django.conf import settings
from redis.exceptions import LockError, RedisError
from redis.lock import Lock

from apps.core.errors import Transient


class Busy(Transient):
    """Somebody else holds the lock."""


def redis_client() -> "redis.Redis":
    return redis.Redis.from_url(settings.REDIS_URL, socket_timeout=10, socket_connect_timeout=5)


@contextmanager
def lease(name: str, *, seconds: float, wait: float = 0, renew: bool = True) -> Iterator[None]:
    """Hold the lock ``name`` for the block; whoever dies in it blocks the others ``seconds`` at the longest.

    The lease is renewed in the background while the block runs (unless ``renew`` is False), so that long
    passes keep it. Waits up to ``wait`` seconds for it. Raises ``Busy`` when it stays taken, ``Transient``
    when Redis does not answer.
    """
    client = redis_client()
    try:
        # The token is shared between threads: the one that renews is not the one that acquired.
        lock = client.lock(
            f"sweepboard:lock:{name}", timeout=seconds, blocking_timeout=wait, sleep=0.05, thread_local=False
        )
        if not lock.acquire(blocking=wait > 0):
            raise Busy(f"Another pass holds '{name}' already.")
    except RedisError as error:
        client.close()
        raise Transient(f"Redis does not answer: {error}") from error
    done = threading.Event()
    if renew:
        threading.Thread(target=_keep, args=(lock, seconds, done), daemon=True).start()
    try:
        yield
    finally:
        done.set()
        try:
            lock.release()
        except (LockError, RedisError):
            pass  # the lease ran out, or Redis restarted: either way it is no longer ours to give back
        finally:
            client.close()


def _keep(lock: Lock, seconds: float, done: threading.Event) -> None:
    """Renew a lease until it is given back, or until it is no longer ours."""
    while not done.wait(seconds / 3):
        try:
            lock.extend(seconds, replace_ttl=True)
        except LockError:
            return
        except RedisError:
            continue  # it may answer again before the lease runs out
