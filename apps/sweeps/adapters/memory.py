"""Sweeps and runs held in memory: a source that answers as W&B would, for tests."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from apps.core.errors import Permanent, SweepboardError
from apps.sweeps.adapters.wandb_records import plain
from apps.sweeps.ports import AgentRecord, Points, RunJob, RunRecord, SweepRecord

PAGE = 500
_LONG_AGO = datetime.min.replace(tzinfo=UTC)


@dataclass
class MemoryProject:
    """What one project holds; a test fills and changes it freely. A run that stands twice comes twice."""

    sweeps: list[SweepRecord] = field(default_factory=list)
    runs: list[RunRecord] = field(default_factory=list)
    agents: dict[str, list[AgentRecord]] = field(default_factory=dict)
    jobs: dict[str, RunJob] = field(default_factory=dict)
    histories: dict[str, dict[str, Points]] = field(default_factory=dict)


@dataclass
class _Failure:
    error: SweepboardError
    call: str
    after: int


class MemorySource:
    """Reads ``projects``; ``asked`` lists the calls, and ``fail`` makes them go wrong.

    ``api_key`` must be ``valid_key``, where one is given. Every page of 500 runs counts as one request.
    """

    def __init__(
        self,
        projects: Mapping[str, MemoryProject] | None = None,
        *,
        base_url: str = "",
        api_key: str = "",
        timeout: int = 20,
        valid_key: str = "",
    ) -> None:
        self.requests = 0
        self.asked: list[tuple[str, str]] = []
        self.closed = False
        self._projects = projects if projects is not None else {}
        self._refused = bool(valid_key) and api_key != valid_key
        self._failure: _Failure | None = None

    def fail(self, error: SweepboardError, *, call: str = "", after: int = 0) -> None:
        """Raise ``error`` at every call, or at those named ``call``; ``runs`` yields ``after`` records first."""
        self._failure = _Failure(error, call, after)

    def heal(self) -> None:
        """Answer again."""
        self._failure = None

    def sweeps(self, project: str, agents_of: Sequence[str] = ()) -> list[SweepRecord]:
        held = self._answer("sweeps", project)
        told = {name: tuple(held.agents.get(name, ())) for name in agents_of}
        return [replace(sweep, agents=told.get(sweep.sweep_id)) for sweep in held.sweeps]

    def runs(self, project: str, since: datetime | None = None, also: Collection[str] = ()) -> Iterator[RunRecord]:
        held = self._answer("runs", project, " ".join(sorted(also)) or project, lazily=True).runs
        wanted = [
            run for run in held if since is None or (run.heartbeat_at or _LONG_AGO) >= since or run.run_id in also
        ]
        yield from self._pages(sorted(wanted, key=lambda run: run.heartbeat_at or _LONG_AGO))

    def run_ids(self, project: str) -> set[str]:
        return {run.run_id for run in self._answer("run_ids", project).runs}

    def history(self, project: str, run_ids: Collection[str], key: str, samples: int) -> dict[str, Points]:
        told = self._answer("history", project, f"{key}: {' '.join(sorted(run_ids))}").histories
        return {run_id: told.get(run_id, {}).get(key, [])[-samples:] for run_id in run_ids if run_id in told}

    def job_of(self, project: str, run_id: str) -> RunJob | None:
        return self._answer("job_of", project, run_id).jobs.get(run_id)

    def close(self) -> None:
        self.closed = True

    def _answer(self, call: str, project: str, about: str = "", *, lazily: bool = False) -> MemoryProject:
        self.requests += 1
        self.asked.append((call, about or project))
        if self._refused:
            raise Permanent("W&B refuses the key that ends in 'rong': check WANDB_API_KEY.")
        if not (lazily and self._failure and self._failure.after):
            self._perhaps_fail(call)
        if project not in self._projects:
            raise Permanent(f"W&B does not know project {project}: check `projects` in sweepboard.toml.")
        return self._projects[project]

    def _perhaps_fail(self, call: str) -> None:
        if self._failure is not None and self._failure.call in ("", call):
            raise self._failure.error

    def _pages(self, records: list[RunRecord]) -> Iterator[RunRecord]:
        for place, record in enumerate(records):
            if self._failure is not None and self._failure.after and place >= self._failure.after:
                self._perhaps_fail("runs")
            if place and place % PAGE == 0:
                self.requests += 1
            yield replace(record, config=plain(record.config), summary=plain(record.summary))
