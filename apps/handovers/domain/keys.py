"""Handover keys: ``HO-{YYYYMMDD}-{HHMM}-{hash}``, end-of-day keys, and the older shapes that still lie about."""

import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath

SHORTEST, LONGEST, USUAL = 4, 12, 6
END_OF_DAY = "EOD"
# What may be a key: strict enough for prose, wide enough for hashes that are too short, too long or in capitals.
KEY = re.compile(
    r"(?<![A-Za-z0-9-])HO-(?P<day>\d{8})(?:-(?P<time>\d{4}|EOD))?(?:-(?P<hash>[0-9A-Fa-f]{1,40}))?(?![A-Za-z0-9])",
    re.IGNORECASE,
)
_EXACT = re.compile(r"HO-\d{8}-(?:\d{4}|EOD)-[0-9a-f]{4,12}")


@dataclass(frozen=True, slots=True)
class Key:
    """A key as it is written. ``at`` is its time in UTC, None where day or hour are impossible.

    An end-of-day key counts as the last minute of its day, one without a time as its first.
    """

    text: str
    at: datetime | None
    hash: str
    end_of_day: bool

    @property
    def is_exact(self) -> bool:
        """Whether the key has today's shape; older ones are read all the same."""
        return _EXACT.fullmatch(self.text) is not None


def key_in(text: str) -> Key | None:
    """Return the first key in ``text``; None where there is none."""
    found = KEY.search(text)
    return _key(found) if found else None


def keys_in(text: str) -> list[Key]:
    """Return every key in ``text`` once, in order."""
    return list({key.text: key for key in map(_key, KEY.finditer(text))}.values())


def key_of_name(name: str) -> Key | None:
    """Return the key that a file's name begins with; what people add after it (``HO-…-draft.md``) is no part of it."""
    found = KEY.match(PurePath(name).stem)
    return _key(found) if found else None


def _key(found: re.Match[str]) -> Key:
    moment = found["time"] or ""
    return Key(found[0], _moment(found["day"], moment), found["hash"] or "", moment.upper() == END_OF_DAY)


def _moment(day: str, moment: str) -> datetime | None:
    clock = "2359" if moment.upper() == END_OF_DAY else moment or "0000"
    try:
        return datetime.strptime(day + clock, "%Y%m%d%H%M").replace(tzinfo=UTC)
    except ValueError:
        return None


def new_key(content: str, now: datetime, taken: Callable[[str], bool]) -> str:
    """Return a key for ``content`` written at ``now``, one that ``taken`` does not know.

    The hash is of content and time. Where the key exists the hash grows, up to twelve digits; where even that one is
    taken, the content is hashed anew with a count. Nothing is ever given twice in silence.
    """
    stamp = now.astimezone(UTC)
    for count in range(1000):
        told = f"{stamp.isoformat()}\n{count or ''}\n{content}"
        digest = hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()
        for length in range(USUAL, LONGEST + 1):
            key = f"HO-{stamp:%Y%m%d-%H%M}-{digest[:length]}"
            if not taken(key):
                return key
    raise ValueError("a thousand handovers of one minute have every key that this one could have")
