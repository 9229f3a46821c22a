"""Taking secrets out of what is logged: the one place that every log line passes."""

import re
from collections.abc import MutableMapping
from typing import Any

TOKEN = re.compile(r"swb_[A-Za-z0-9_-]{8,}")


def hide_tokens(logger: object, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace tokens of the agents' door in every field, however deep; structlog calls it for every line."""
    for key, value in event.items():
        event[key] = _hidden(value)
    return event


def _hidden(value: Any) -> Any:
    if isinstance(value, str):
        return TOKEN.sub("swb_…", value)
    if isinstance(value, dict):
        return {key: _hidden(held) for key, held in value.items()}
    if isinstance(value, list | tuple):
        return [_hidden(held) for held in value]
    return value if isinstance(value, int | float | bool | None) else _shown(value)


def _shown(value: Any) -> Any:
    """An object keeps its kind where its text holds no token."""
    told = str(value)
    return TOKEN.sub("swb_…", told) if TOKEN.search(told) else value
