"""A closer that ends runs held in memory, for tests."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime

from apps.core.errors import Permanent, SweepboardError
from apps.sweeps.adapters.memory import MemoryProject
from apps.sweeps.ports import CLOSED_STATE, LIVE_RUN_STATES, Closed


def _utcnow() -> datetime:
    return datetime.now(tz=UTC)


class MemoryCloser:
    """Closes runs in ``projects``; ``closed`` lists them, ``failure`` makes every call raise it.

    As on a server, a run of a sweep has its heartbeat at the closing afterwards.
    """

    seconds = 60.0

    def __init__(
        self,
        projects: Mapping[str, MemoryProject],
        *,
        failure: SweepboardError | None = None,
        clock: Callable[[], datetime] = _utcnow,
    ) -> None:
        self.failure = failure
        self.closed: list[str] = []
        self._projects = projects
        self._clock = clock

    def close(self, project_path: str, run_id: str) -> Closed:
        if self.failure is not None:
            raise self.failure
        runs = self._projects[project_path].runs
        place = next((place for place, run in enumerate(runs) if run.run_id == run_id), None)
        if place is None:
            raise Permanent(f"W&B no longer knows run {run_id} of {project_path}.")
        run = runs[place]
        if run.state not in LIVE_RUN_STATES:
            return Closed(run.state, acted=False)
        in_sweep = bool(run.sweep_id)
        runs[place] = replace(run, state=CLOSED_STATE, heartbeat_at=self._clock() if in_sweep else run.heartbeat_at)
        self.closed.append(run_id)
        return Closed(CLOSED_STATE, acted=True, moved_heartbeat=in_sweep)
