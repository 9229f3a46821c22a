"""Sweeps and runs through the official client's public API.

The client talks to a side process of its own (`wandb-core`), so it is imported here only, on first use,
inside the process that makes the pass: after a fork an older one refuses to work.
"""

import contextlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar
from urllib.parse import quote

from apps.core.errors import Permanent, SweepboardError, Transient
from apps.sweeps.adapters import wandb_records as records
from apps.sweeps.adapters.wandb_errors import translated
from apps.sweeps.adapters.wandb_queries import HISTORY, RUN_IDS, RUNS, agent_variables, sweeps_query
from apps.sweeps.ports import Points, RunJob, RunRecord, SweepRecord

RUNS_PAGE, IDS_PAGE, SWEEPS_PAGE = 500, 1000, 100
AGENTS, HISTORIES, NAMES = 100, 50, 1000  # sweeps, runs and run names in one request
MOST_PAGES = 2000
Node = Mapping[str, Any]
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
        self._key_end = api_key[-4:]
        self._scratch = tempfile.mkdtemp(prefix="sweepboard-wandb-")
        _clean_environment(self._scratch)
        self._api = self._asked(lambda: _make_api(self._base_url, api_key, timeout))

    def sweeps(self, project: str, agents_of: Sequence[str] = ()) -> list[SweepRecord]:
        agents: dict[str, list[Node]] = {}
        nodes: list[Node] = []
        # The first page asks for the agents of a hundred sweeps as well, every further request for more.
        waiting = [list(agents_of[start : start + AGENTS]) for start in range(0, len(agents_of), AGENTS)] or [[]]
        page = Page(project, SWEEPS_PAGE)
        while page.more or waiting:
            names = waiting.pop(0) if waiting else []
            answer = self._query(sweeps_query(len(names)), project, {**page.variables, **agent_variables(names)})
            agents |= {name: records.edges_of(answer.get(f"s{place}"), "agents") for place, name in enumerate(names)}
            nodes += page.turn(answer.get("sweeps")) if page.more else []
        link = self._link(project)
        return [records.sweep_record(node, link, agents.get(str(node.get("name")))) for node in nodes]

    def runs(self, project: str, since: datetime | None = None, also: Collection[str] = ()) -> Iterator[RunRecord]:
        link = self._link(project)
        for filters in _run_filters(since, sorted(set(also))):
            asked = {"order": "+heartbeat_at", "filters": json.dumps(filters)}
            for node in self._pages(RUNS, project, RUNS_PAGE, asked):
                yield records.run_record(node, link)

    def run_ids(self, project: str) -> set[str]:
        asked = {"order": "+created_at"}
        return {str(node["name"]) for node in self._pages(RUN_IDS, project, IDS_PAGE, asked) if node.get("name")}

    def history(self, project: str, run_ids: Collection[str], key: str, samples: int) -> dict[str, Points]:
        found: dict[str, Points] = {}
        wanted = sorted(set(run_ids))
        specs = [json.dumps({"keys": ["_step", key], "samples": samples})]
        for start in range(0, len(wanted), HISTORIES):
            filters = json.dumps({"name": {"$in": wanted[start : start + HISTORIES]}})
            for node in self._pages(HISTORY, project, HISTORIES, {"specs": specs, "filters": filters}):
                found[str(node.get("name"))] = records.points(node.get("sampledHistory"), key)
        return found

    def job_of(self, project: str, run_id: str) -> RunJob | None:
        def read() -> RunJob | None:
            metadata = self._api.run(f"{project}/{run_id}").metadata
            return records.job_from_metadata(metadata or {})

        self.requests += 2
        return self._asked(read, project)

    def close(self) -> None:
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _link(self, project: str) -> str:
        """Where the server shows the project to people; ids of sweeps and runs are put behind it."""
        return f"{self._api._service_api.app_url}{quote(project)}"

    def _pages(self, query: str, project: str, size: int, variables: Mapping[str, Any]) -> Iterator[Node]:
        page = Page(project, size)
        while page.more:
            yield from page.turn(self._query(query, project, {**variables, **page.variables}).get("runs"))

    def _query(self, query: str, project: str, variables: Mapping[str, Any]) -> Node:
        """Send one document and return what it says of the project."""
        answer = self._asked(lambda: self._api._service_api.execute_graphql(query, variables), project)
        found = answer.get("project") if isinstance(answer, Mapping) else None
        if not isinstance(found, Mapping):
            raise Permanent(f"W&B does not know {self._where(project)}: check `projects` in sweepboard.toml.")
        return found

    def _where(self, project: str) -> str:
        return f"project {project} at {self._base_url or 'hosted W&B'}"

    def _asked(self, call: Callable[[], T], project: str = "") -> T:
        self.requests += 1
        try:
            return call()
        except SweepboardError:
            raise
        except Exception as error:
            if _lost_side_process(error):
                _forget_side_process()
                raise Transient("The W&B client's own side process ended; the next pass starts a new one.") from error
            raise translated(error, self._base_url, project, self._key_end) from error


class Page:
    """Where a walk over pages stands. Empty pages may say that more follows: only the page info is believed."""

    def __init__(self, project: str, size: int) -> None:
        self.more = True
        self._entity, self._project = project.split("/", 1)
        self._size = size
        self._cursor: str | None = None
        self._turned = 0

    @property
    def variables(self) -> dict[str, Any]:
        named = {"entity": self._entity, "project": self._project}
        return {**named, "cursor": self._cursor, "first": self._size}

    def turn(self, connection: object) -> list[Node]:
        """Take in a page and return its nodes; ``Transient`` for a server that never comes to an end."""
        nodes, cursor, self.more = records.page_of(connection)
        # Some servers name no cursor with an empty page: asking again from the same place goes on.
        self._cursor = cursor or self._cursor
        self._turned += 1
        if self._turned > MOST_PAGES:
            raise Transient(f"W&B still says that more follows after {MOST_PAGES} pages of {self._project}.")
        return nodes


def _run_filters(since: datetime | None, also: Sequence[str]) -> list[Node]:
    """Return the filters of as many walks as are needed; names go along with the new heartbeats where they fit."""
    if since is None:
        return [{}]
    fresh: Node = {"heartbeatAt": {"$gte": _zulu(since)}}
    chunks = [list(also[start : start + NAMES]) for start in range(0, len(also), NAMES)]
    if not chunks:
        return [fresh]
    first: Node = {"$or": [fresh, {"name": {"$in": chunks[0]}}]}
    return [first, *({"name": {"$in": chunk}} for chunk in chunks[1:])]


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


def _lost_side_process(error: BaseException | None) -> bool:
    """Tell whether the client lost its side process; it then says anything, even that the key is wrong."""
    while error is not None:
        lost = type(error).__name__ in ("MailboxClosedError", "ConnectionResetError", "BrokenPipeError")
        if lost or "service process is not running" in str(error):
            return True
        error = error.__cause__ or error.__context__
    return False


def _forget_side_process() -> None:
    """Make the client start a new side process at its next use: by itself it holds on to the dead one."""
    import wandb

    with contextlib.suppress(Exception, SystemExit):
        wandb.teardown()


def _zulu(moment: datetime) -> str:
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")
