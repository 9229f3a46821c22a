"""What git would tell, held in memory, for unit tests."""

from datetime import datetime
from pathlib import Path

from apps.handovers.ports import Work


class MemoryWork:
    def __init__(self, work: Work | None = None) -> None:
        self._work = work or Work()

    def work(self, checkout: Path, since: datetime | None) -> Work:
        return self._work
