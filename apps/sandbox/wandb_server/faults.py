"""Faults that tests switch on: the server then misbehaves as a real one sometimes does."""

import threading
from collections import Counter
from dataclasses import dataclass
from typing import Any

from apps.sandbox.wandb_server.errors import Refused

TRANSPORT = ("status", "slow", "malformed", "html", "drop")
EFFECTS = ("empty_page", "duplicate_runs")


@dataclass
class Fault:
    """One fault; `left` requests will still meet it, None means until it is cleared."""

    kind: str
    status: int
    retry_after: float | None
    seconds: float
    match: str
    left: int | None

    def meets(self, operation: str, path: str) -> bool:
        """Return whether a request, by its operation's name or its path, meets this fault."""
        if self.left == 0:
            return False
        return not self.match or self.match == operation or (not operation and self.match in path)


def _fault(given: dict[str, Any]) -> Fault:
    kind = given.get("kind")
    if kind not in TRANSPORT + EFFECTS:
        raise Refused(f"unknown kind of fault {kind!r}", 400)
    return Fault(
        kind=kind,
        status=int(given.get("status") or (502 if kind == "html" else 500)),
        retry_after=given.get("retry_after"),
        seconds=float(given.get("seconds") or 2),
        match=given.get("match") or "",
        left=given.get("count"),
    )


class Faults:
    """The faults in force and the counts of requests by operation; any thread may call."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._faults: list[Fault] = []
        self._counts: Counter[str] = Counter()

    def add(self, given: dict[str, Any]) -> None:
        """Switch on a fault described in JSON; an unknown kind is refused with 400."""
        with self._lock:
            self._faults.append(_fault(given))

    def clear(self) -> None:
        """Switch off every fault."""
        with self._lock:
            self._faults.clear()

    def take(self, operation: str, path: str) -> list[Fault]:
        """Count a request and return the faults that it meets, using each up by one."""
        with self._lock:
            self._counts[operation or path] += 1
            met = [fault for fault in self._faults if fault.meets(operation, path)]
            for fault in met:
                fault.left = None if fault.left is None else fault.left - 1
            return met

    def counts(self) -> dict[str, int]:
        """Return how many requests came by operation since the last reset."""
        with self._lock:
            return dict(self._counts)

    def reset_counts(self) -> None:
        """Start counting anew."""
        with self._lock:
            self._counts.clear()
