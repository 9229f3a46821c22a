"""Sweeps and runs through the official client's public API.

The client talks to a side process of its own (`wandb-core`), so it is imported here only, on first use,
inside the process that makes the pass: after a fork an older one refuses to work.
"""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Any, TypeVar

from apps.core.errors import Permanent, SweepboardError, Transient
from apps.sweeps.adapters.wandb_records import agent_record, job_from_metadata, run_record, sweep_record
from apps.sweeps.ports import AgentRecord, RunJob, RunRecord, SweepRecord

PAGE = 500
QUIET = {
    "WANDB_SILENT": "true",
    "WANDB_ERROR_REPORTING": "false",
    # With the client's own patience a dead server costs minutes and hides its status; ours is in the task.
    "WANDB__GRAPHQL_RETRY_MAX": "1",
    "WANDB__GRAPHQL_RETRY_WAIT_MIN_SECONDS": "0.2",
    "WANDB__GRAPHQL_RETRY_WAIT_MAX_SECONDS": "1",
}
T = TypeVar("T")


class WandbApiSource:
    """Reads one W&B server. A fresh one for every pass: the client answers from a cache otherwise."""

    def __init__(self, *, base_url: str, api_key: str, timeout: int = 20) -> None:
        self.requests = 0
        self._base_url = base_url
        self._scratch = tempfile.mkdtemp(prefix="sweepboard-wandb-")
        _clean_environment(self._scratch)
        self._api = self._asked(lambda: _make_api(self._base_url, api_key, timeout))

    def sweeps(self, project: str) -> list[SweepRecord]:
        entity, name = project.split("/", 1)

        def read() -> list[SweepRecord]:
            pages = _flat_sweeps_class()(self._api._service_api, entity, name, per_page=100)
            found = [sweep_record(sweep) for sweep in pages]
            self.requests += len(found) // 100
            return found

        return self._asked(read, project)

    def runs(self, project: str, since: datetime | None = None) -> Iterator[RunRecord]:
        filters = {"heartbeatAt": {"$gte": _zulu(since)}} if since else {}
        yield from self._pages(project, filters)

    def runs_by_id(self, project: str, run_ids: Iterable[str]) -> Iterator[RunRecord]:
        wanted = sorted(set(run_ids))
        for start in range(0, len(wanted), PAGE):
            yield from self._pages(project, {"name": {"$in": wanted[start : start + PAGE]}})

    def agents(self, project: str, sweep_id: str) -> list[AgentRecord]:
        entity, name = project.split("/", 1)

        def read() -> list[AgentRecord]:
            from wandb.apis.public.sweeps import Sweep

            # Any attribute spares the request that would load the sweep again.
            sweep = Sweep(self._api._service_api, entity, name, sweep_id, attrs={"name": sweep_id})
            return [agent_record(agent._attrs) for agent in sweep.agents()]

        return self._asked(read, project)

    def job_of(self, project: str, run_id: str) -> RunJob | None:
        def read() -> RunJob | None:
            metadata = self._api.run(f"{project}/{run_id}").metadata
            return job_from_metadata(metadata or {})

        self.requests += 2
        return self._asked(read, project)

    def close(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _pages(self, project: str, filters: dict[str, Any]) -> Iterator[RunRecord]:
        pages = self._translating(
            lambda: _all_pages_class()(
                self._api._service_api,
                *project.split("/", 1),
                filters=filters,
                order="+heartbeat_at",
                per_page=PAGE,
                lazy=False,
            )
        )
        while pages.more and self._asked(pages._load_page, project):
            yield from (run_record(run) for run in pages.objects)
            pages.objects.clear()  # 10,000 runs with their summaries need not stay in memory

    def _asked(self, call: Callable[[], T], project: str = "") -> T:
        self.requests += 1
        return self._translating(call, project)

    def _translating(self, call: Callable[[], T], project: str = "") -> T:
        try:
            return call()
        except SweepboardError:
            raise
        except Exception as error:
            raise _translated(error, self._base_url, project) from error


def _clean_environment(scratch: str) -> None:
    """Set what the client reads from its environment; an empty variable would count as a value."""
    for name in [name for name, value in os.environ.items() if name.startswith("WANDB_") and not value]:
        del os.environ[name]
    os.environ.update(QUIET, WANDB_DIR=scratch)


def _make_api(base_url: str, api_key: str, timeout: int) -> Any:
    import wandb

    with contextlib.suppress(AttributeError):
        wandb.setup(settings=wandb.Settings(silent=True))
    # Without a server of the team's own, the client knows best where the hosted one is.
    overrides = {"base_url": base_url} if base_url else {}
    api = wandb.Api(overrides=overrides, api_key=api_key, timeout=timeout)
    # The client offers its side process to our children; a job that this process submits must have its own.
    os.environ.pop("WANDB_SERVICE", None)
    return api


def _flat_sweeps_class() -> Any:
    """Return the client's sweep pages, without the one request per sweep that it adds to each page."""
    from wandb.apis.public.sweeps import Sweep, Sweeps

    class FlatSweeps(Sweeps):
        def convert_objects(self) -> list[Any]:
            response = self.last_response
            if response is None or response.project is None:
                raise ValueError(f"Could not find project {self.project}")
            pages = response.project.sweeps
            nodes = [edge.node for edge in pages.edges] if pages is not None else []
            return [
                Sweep(
                    self._service_api,
                    self.entity,
                    self.project,
                    node.name,
                    attrs=node.model_dump(by_alias=True),
                )
                for node in nodes
                if node is not None
            ]

    return FlatSweeps


def _all_pages_class() -> Any:
    """Return the client's run pages, following the page info even over an empty page."""
    from wandb.apis.public.runs import Runs

    class AllPages(Runs):
        @property
        def cursor(self) -> Any:
            project = (self.last_response or {}).get("project") or {}
            info = (project.get("runs") or {}).get("pageInfo") or {}
            return info.get("endCursor") or super().cursor

    return AllPages


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def _translated(error: Exception, base_url: str, project: str) -> SweepboardError:
    """Turn what the client raised into one of our two kinds, with a sentence."""
    status, said = _status_of(error), str(error).strip().splitlines()[0][:300] if str(error).strip() else ""
    server = base_url or "hosted W&B"
    where = f"project {project} at {server}" if project else server
    # The client calls every failure to check the key one of the key, that of a dead server too.
    refused = type(error).__name__ == "AuthenticationError" and not status and "giving up after" not in said
    if status in (401, 403) or refused:
        return Permanent(f"W&B refuses the key for {where}: check WANDB_API_KEY and WANDB_BASE_URL.")
    if status == 404 or "could not find project" in said.lower():
        return Permanent(f"W&B does not know {where}: check `projects` in sweepboard.toml.")
    if status == 429:
        return Transient(f"W&B asks us to slow down ({where}).", retry_after=60)
    if status and 400 <= status < 500:
        return Permanent(f"W&B rejects the request for {where} (HTTP {status}): {said}")
    if status:
        return Transient(f"W&B fails with HTTP {status} for {where}.")
    return Transient(f"W&B does not answer as it should for {where}: {said or type(error).__name__}")


def _status_of(error: BaseException | None) -> int:
    """Return the HTTP status that the client hides somewhere in its chain of exceptions; 0 if none."""
    while error is not None:
        response = getattr(error, "response", None)
        status = getattr(response, "http_status", 0) or getattr(response, "status_code", 0)
        if isinstance(status, int) and status:
            return status
        if found := re.search(r"\bHTTP (\d{3})\b|status(?: code)?:? (\d{3})\b", str(error)):
            return int(found[1] or found[2])
        error = getattr(error, "exc", None) or error.__cause__ or error.__context__
    return 0
