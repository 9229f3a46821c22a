"""Cursors of lists: opaque to whoever has one, and where in the order the next page begins. Pure.

A page begins *after* a row's own place in the order, so that rows which come in or go meanwhile move nothing.
"""

import base64
import binascii
import json
from collections.abc import Sequence

from apps.api.domain.problems import Kind, Problem

Place = tuple[str | int, ...]
LONGEST = 400


def cursor_of(order: str, place: Sequence[str | int]) -> str:
    """Return the cursor of a place in an order, such as that of runs by their number."""
    told = json.dumps([order, *place], separators=(",", ":"))
    return base64.urlsafe_b64encode(told.encode()).decode().rstrip("=")


def place_of(cursor: str, order: str, *kinds: type) -> Place | None:
    """Return the place that a cursor holds, each part of its kind; None for an empty one.

    ``Problem`` 422 for anything that this list did not hand out.
    """
    if not cursor:
        return None
    try:
        told = json.loads(base64.urlsafe_b64decode(cursor[:LONGEST].encode() + b"=" * (-len(cursor) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        told = None
    if (
        not isinstance(told, list)
        or told[:1] != [order]
        or [type(part) for part in told[1:]] != list(kinds)
        or any(isinstance(part, int) and not -(2**62) < part < 2**62 for part in told[1:])
        or any(isinstance(part, str) and "\x00" in part for part in told[1:])
    ):
        raise Problem(Kind.INVALID, "The cursor is none of this list: send the one in 'next', or none.")
    return tuple(told[1:])
