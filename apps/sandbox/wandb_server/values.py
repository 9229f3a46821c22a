"""Small conversions between Python values and what travels or is stored: JSON, times, ids, cursors."""

import base64
import json
import secrets
import string
from datetime import UTC, datetime
from typing import Any

from apps.sandbox.wandb_server.errors import Refused

DECODER = json.JSONDecoder(parse_constant=str)
ALPHABET = string.ascii_lowercase + string.digits


def load_json(text: str | bytes) -> Any:
    """Return the value in `text`; the client's bare NaN and Infinity become strings, as W&B answers them."""
    return DECODER.decode(text if isinstance(text, str) else text.decode())


def load_dict(text: str | bytes | None) -> dict[str, Any]:
    """Return the JSON object in `text`, or an empty one when there is none."""
    value = load_json(text) if text else {}
    return value if isinstance(value, dict) else {}


def dump_json(value: Any) -> str:
    """Return strict, compact JSON."""
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


def iso(seconds: float | None) -> str | None:
    """Return a UTC time with the resolution of one second, as W&B's API does."""
    if seconds is None:
        return None
    return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seconds_of(value: object) -> float:
    """Return seconds since the epoch from an ISO time (UTC unless it says otherwise) or a number."""
    if isinstance(value, int | float):
        return float(value)
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        raise Refused(f"not a time: {value!r}", 400) from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def new_name(length: int = 8) -> str:
    """Return a random id in the alphabet that the client uses for runs and sweeps."""
    return "".join(secrets.choice(ALPHABET) for _ in range(length))


def global_id(kind: str, number: int) -> str:
    """Return an opaque id that is unique over all kinds of objects."""
    return base64.b64encode(f"{kind}:v1:{number}".encode()).decode()


def number_of(kind: str, opaque: str) -> int:
    """Return the row number inside an id made by `global_id`; another kind or garbage is refused."""
    try:
        found, _, number = base64.b64decode(opaque).decode().split(":")
    except ValueError:
        raise Refused(f"not an id: {opaque}", 404) from None
    if found != kind:
        raise Refused(f"not the id of a {kind.lower()}: {opaque}", 404)
    return int(number)


def cursor(offset: int) -> str:
    """Return an opaque cursor that stands behind the row at `offset`."""
    return base64.b64encode(f"row:{offset}".encode()).decode()


def offset_of(after: str | None) -> int:
    """Return how many rows to skip to continue behind the cursor `after`."""
    if not after:
        return 0
    try:
        return int(base64.b64decode(after).decode().removeprefix("row:")) + 1
    except ValueError:
        raise Refused(f"not a cursor: {after}", 400) from None
