"""Waiting for something new without holding on to anything: no transaction, no connection to the database."""

import threading
import time
from collections.abc import Callable
from typing import Any

from django.db import connection

from apps.workspaces.selectors import current_config

LOOK_SECONDS = 1.0
_waiting = 0
_lock = threading.Lock()


def waited(
    look: Callable[[], Any], seconds: int, *, pause: Callable[[float], None] = time.sleep, over: Any = None
) -> None:
    """Return once ``look`` tells something else than at first, or after ``seconds``; at once where it tells ``over``.

    Only so many requests wait at once in a process (``waiting_at_once``); one more is not kept, and asks again.
    """
    first = look()
    if seconds <= 0 or first == over or not _enter():
        return
    try:
        ends = time.monotonic() + seconds
        while (left := ends - time.monotonic()) > 0:
            _let_go_of_the_database()
            pause(min(LOOK_SECONDS, left))
            if look() != first:
                return
    finally:
        _leave()


def _enter() -> bool:
    global _waiting  # noqa: PLW0603 - how many wait in this process
    with _lock:
        if _waiting >= current_config().api.waiting_at_once:
            return False
        _waiting += 1
        return True


def _leave() -> None:
    global _waiting  # noqa: PLW0603 - how many wait in this process
    with _lock:
        _waiting -= 1


def _let_go_of_the_database() -> None:
    if not connection.in_atomic_block:
        connection.close()
