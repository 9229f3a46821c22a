"""What the proof of a checkpoint says. Pure."""

from dataclasses import dataclass
from enum import StrEnum


class Sound(StrEnum):
    """``unknown`` is never a pass: nothing could be said. ``unsafe`` must not be loaded by anybody."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    UNKNOWN = "unknown"
    UNSAFE = "unsafe"


@dataclass(frozen=True, slots=True)
class Outcome:
    """How sound one file or folder is. ``step`` and ``epoch`` are what it says inside; None where it says nothing.

    ``parameters`` counts the elements of the model's weights; None where nothing tells which tensors are the model's.
    """

    sound: Sound
    reason: str
    step: int | None = None
    epoch: float | None = None
    parameters: int | None = None


class NotSound(Exception):
    """Ends the reading of a file with the first thing that is wrong with it."""

    sound = Sound.FAIL


class Broken(NotSound):
    """The file is not what was saved."""


class Unsafe(NotSound):
    """Loading the file could run code, or exhaust the machine."""

    sound = Sound.UNSAFE


class Unclear(NotSound):
    """Nothing can be said of the file."""

    sound = Sound.UNKNOWN
