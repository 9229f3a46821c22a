"""How much memory a local job used, by what the operating system says of its processes."""

import resource
import sys
import time
from contextlib import suppress

import psutil

_EVERY = 1.0  # seconds between two looks: each one walks over every process of the machine
_UNIT = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss


class Memory:
    """The most memory that the job's processes held together, as sampled; a peak between two looks is missed."""

    def __init__(self) -> None:
        self._most = 0
        self._next = 0.0

    def look(self) -> None:
        """Add up what the processes below this one hold now, unless that was done a moment ago."""
        if time.monotonic() >= self._next:
            self._most = max(self._most, _held_below())
            self._next = time.monotonic() + _EVERY

    def peak_bytes(self) -> int | None:
        """Return the peak in bytes; None when the job ended before anything was seen of it.

        The kernel knows the largest single process for certain. But it counts what this process held when
        it forked as well: a figure that is no larger than that says nothing of the job.
        """
        largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
        own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return max(self._most, largest * _UNIT if largest > own else 0) or None


def _held_below() -> int:
    total = 0
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            total += int(process.memory_info().rss)
    return total
