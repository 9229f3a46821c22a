"""A control of sweeps held in memory, for tests."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from apps.core.errors import AlreadyDone, Permanent, SweepboardError
from apps.sweeps.adapters.memory import MemoryProject
from apps.sweeps.control import STATE_AFTER, NewSweep, SweepSet, carries_key, check_can_set, config_with_key
from apps.sweeps.ports import SweepRecord


class MemoryControl:
    """Steers the sweeps of ``projects``; ``done`` lists what was changed, ``failure`` makes every call raise it."""

    seconds = 45.0

    def __init__(self, projects: Mapping[str, MemoryProject]) -> None:
        self.failure: SweepboardError | None = None
        self.done: list[str] = []
        self._projects = projects

    def state(self, project_path: str, sweep_id: str) -> str:
        return self._found(project_path, sweep_id)[1].state

    def set_state(self, project_path: str, sweep_id: str, wish: str) -> SweepSet:
        place, sweep = self._found(project_path, sweep_id)
        try:
            check_can_set(sweep.state, wish)
        except AlreadyDone:
            return SweepSet(sweep.state, acted=False)
        self._projects[project_path].sweeps[place] = replace(sweep, state=STATE_AFTER[wish])
        self.done.append(f"{wish} {sweep_id}")
        return SweepSet(STATE_AFTER[wish], acted=True)

    def create(self, project_path: str, config: Mapping[str, Any], key: str) -> NewSweep:
        sweeps = self._of(project_path).sweeps
        for one in sweeps:
            if carries_key(one.config, one.description, key):
                return NewSweep(one.sweep_id, one.url, found=True)
        sweep_id = f"new{len(sweeps):05d}"
        told = config_with_key(config, key)
        sweeps.append(
            SweepRecord(
                sweep_id, str(told.get("name", sweep_id)), str(told.get("method", "")), "PENDING", told,
                f"https://wandb.example.org/{project_path}/sweeps/{sweep_id}", description=told["description"],
            )
        )  # fmt: skip
        self.done.append(f"create {sweep_id}")
        return NewSweep(sweep_id, sweeps[-1].url)

    def _of(self, project_path: str) -> MemoryProject:
        if self.failure is not None:
            raise self.failure
        return self._projects[project_path]

    def _found(self, project_path: str, sweep_id: str) -> tuple[int, SweepRecord]:
        for place, sweep in enumerate(self._of(project_path).sweeps):
            if sweep.sweep_id == sweep_id:
                return place, sweep
        raise Permanent(f"W&B does not know sweep {sweep_id} of {project_path}.")
