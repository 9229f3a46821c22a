"""One contract, kept by the in-memory source and by the real client against the sandbox server."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.core.errors import Permanent, SweepboardError, Transient
from apps.sweeps.adapters.memory import MemoryProject, MemorySource
from apps.sweeps.adapters.wandb_api import WandbApiSource
from apps.sweeps.ports import RunJob, SweepSource
from tests.factories.records import agent_record, run_record, sweep_record
from tests.services.sandbox import SandboxServer, running_sandbox

KEY, WRONG_KEY = "local" * 8, "wrong" * 8
SMALL, LARGE = "sandbox/small", "sandbox/large"
CONFIG = {
    "name": "search",
    "method": "grid",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"lr": {"values": [0.1, 0.2]}},
}
WRITE = f"""
import json, math, wandb
sweep = wandb.sweep({CONFIG!r}, project="small")
def train():
    run = wandb.init(tags=["fast"], notes="by hand", config={{"data": {{"path": "x"}}}})
    run.log({{"loss": 1.0, "epoch": 2}})
    run.log({{"loss": run.config["lr"], "epoch": 3, "bad": math.nan, "worse": -math.inf}})
    run.finish()
wandb.agent(sweep, train, project="small", count=2)
print("answer", json.dumps(sweep))
"""


class Memory:
    """The in-memory source, holding by hand what the sandbox was told by the client."""

    def __init__(self) -> None:
        self.sweep = "swp1"
        summary = {"loss": 0.1, "epoch": 3, "bad": float("nan"), "worse": -float("inf")}
        told: dict[str, Any] = {"tags": ("fast",), "notes": "by hand", "state": "finished", "summary": summary}
        now, jobs = datetime.now(UTC), (RunJob(4711, host="g01"),)
        runs = [
            run_record(f"run{n}", config={"lr": lr, "data": {"path": "x"}}, heartbeat_at=now, jobs=jobs, **told)
            for n, lr in enumerate((0.1, 0.2))
        ]
        small = MemoryProject([sweep_record(config=CONFIG, method="grid", expected_runs=2)], runs)
        small.agents = {"swp1": [agent_record()]}
        small.jobs = {run.run_id: jobs[0] for run in runs}
        small.histories = {run.run_id: {"loss": [(0.0, 1.0), (1.0, run.config["lr"])]} for run in runs}
        many = [run_record(f"seed{n:06d}", sweep_id="", heartbeat_at=now - timedelta(minutes=n)) for n in range(1200)]
        self.projects = {SMALL: small, LARGE: MemoryProject(runs=many)}

    def source(self, key: str = KEY) -> SweepSource:
        return MemorySource(self.projects, api_key=key, valid_key=KEY)

    def failing(self, status: int) -> SweepSource:
        source = MemorySource(self.projects)
        source.fail(Transient(f"W&B fails with HTTP {status}."))
        return source


class Sandbox:
    """The real client's source, against the sandbox server."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        said = server.run(script=WRITE, SLURM_JOB_ID="4711")
        self.sweep = json.loads(said.rpartition("answer")[2])
        server.seed(project="large", runs=1200)

    def source(self, key: str = KEY) -> SweepSource:
        return WandbApiSource(base_url=self.server.url, api_key=key, timeout=5)

    def failing(self, status: int) -> SweepSource:
        source = self.source()
        self.server.fault("status", status=status, retry_after=0.1)
        return source


@pytest.fixture(scope="module", params=["memory", "wandb_api"])
def world(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Memory | Sandbox]:
    if request.param == "memory":
        yield Memory()
        return
    with running_sandbox(tmp_path_factory.mktemp("source"), api_key=KEY) as server:
        yield Sandbox(server)


@pytest.fixture
def at(world: Memory | Sandbox) -> Iterator[Memory | Sandbox]:
    yield world
    if isinstance(world, Sandbox):
        world.server.clear_faults()


@pytest.fixture
def source(at: Memory | Sandbox) -> Iterator[SweepSource]:
    made = at.source()
    yield made
    made.close()


def test_sweeps_are_told_with_their_config(at: Memory | Sandbox, source: SweepSource) -> None:
    (sweep,) = source.sweeps(SMALL)
    assert (sweep.sweep_id, sweep.method, sweep.expected_runs) == (at.sweep, "grid", 2)
    assert sweep.state == sweep.state.upper()
    assert sweep.config["metric"] == {"name": "loss", "goal": "minimize"}
    assert sweep.url.startswith("http")


def test_runs_are_told_whole(at: Memory | Sandbox, source: SweepSource) -> None:
    runs = {run.config["lr"]: run for run in source.runs(SMALL)}
    assert set(runs) == {0.1, 0.2}
    run = runs[0.1]
    assert (run.state, run.sweep_id, tuple(run.tags), run.notes) == ("finished", at.sweep, ("fast",), "by hand")
    assert run.config["data"] == {"path": "x"}
    assert run.summary["epoch"] == 3
    assert run.heartbeat_at is not None
    assert run.heartbeat_at.utcoffset() == timedelta(0)


def test_numbers_that_are_none_arrive_as_words(source: SweepSource) -> None:
    for run in source.runs(SMALL):
        assert (run.summary["bad"], run.summary["worse"]) == ("NaN", "-Infinity")


def test_runs_come_oldest_heartbeat_first_and_since_leaves_older_ones_out(source: SweepSource) -> None:
    beats = [run.heartbeat_at for run in source.runs(LARGE)]
    assert len(beats) == 1200
    assert beats == sorted(beats)  # type: ignore[type-var]
    middle = beats[600]
    assert middle is not None
    # W&B's filter counts whole seconds.
    since = middle.replace(microsecond=0)
    assert len(list(source.runs(LARGE, since))) == sum(beat is not None and beat >= since for beat in beats)
    assert list(source.runs(LARGE, datetime.now(UTC) + timedelta(hours=1))) == []


def test_named_runs_come_along_and_those_that_are_gone_are_left_out(source: SweepSource) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    found = source.runs(LARGE, tomorrow, ["seed000003", "seed000700", "nobody"])
    assert sorted(run.run_id for run in found) == ["seed000003", "seed000700"]


def test_more_names_than_fit_into_one_request_are_found_all_the_same(source: SweepSource) -> None:
    tomorrow = datetime.now(UTC) + timedelta(days=1)
    names = [f"seed{number:06d}" for number in range(1150)]
    assert {run.run_id for run in source.runs(LARGE, tomorrow, names)} == set(names)


def test_the_ids_of_a_project_are_told(source: SweepSource) -> None:
    assert source.run_ids(LARGE) == {f"seed{number:06d}" for number in range(1200)}


def test_agents_come_along_with_the_sweeps_that_are_named(at: Memory | Sandbox, source: SweepSource) -> None:
    (sweep,) = source.sweeps(SMALL, [at.sweep, "nobody"])
    assert sweep.agents is not None
    (agent,) = sweep.agents
    assert agent.agent_id
    assert agent.total_runs == 2
    assert agent.state == agent.state.upper()
    (sweep,) = source.sweeps(SMALL)
    assert not sweep.agents


def test_what_runs_logged_is_sampled(source: SweepSource) -> None:
    rate = {run.run_id: run.config["lr"] for run in source.runs(SMALL)}
    told = source.history(SMALL, [*rate, "nobody"], "loss", 10)
    assert told == {run_id: [(0.0, 1.0), (1.0, lr)] for run_id, lr in rate.items()}
    assert all(len(points) == 1 for points in source.history(SMALL, list(rate), "loss", 1).values())
    assert not any(source.history(SMALL, list(rate), "never logged", 10).values())


def test_the_slurm_job_of_a_run_is_told_with_the_run(source: SweepSource) -> None:
    for run in source.runs(SMALL):
        assert [job.raw_id for job in run.jobs] == [4711]


def test_the_slurm_job_in_a_runs_metadata_file_is_told(source: SweepSource) -> None:
    run = next(iter(source.runs(SMALL)))
    job = source.job_of(SMALL, run.run_id)
    assert job is not None
    assert job.raw_id == 4711
    assert source.job_of(LARGE, "seed000003") is None


def test_an_unknown_project_is_permanent_with_a_sentence(source: SweepSource) -> None:
    with pytest.raises(Permanent, match="does not know"):
        source.sweeps("sandbox/nothing")
    with pytest.raises(Permanent, match="does not know"):
        list(source.runs("sandbox/nothing"))


def test_a_wrong_key_is_permanent_with_a_sentence(at: Memory | Sandbox) -> None:
    with pytest.raises(Permanent, match="refuses the key"):
        at.source(WRONG_KEY).sweeps(SMALL)


@pytest.mark.parametrize("status", [429, 500])
def test_a_server_in_trouble_does_not_look_like_a_wrong_key(at: Memory | Sandbox, status: int) -> None:
    if isinstance(at, Sandbox):
        at.server.fault("status", status=status, retry_after=0.1)
    with pytest.raises(Transient):
        (at.failing(status) if isinstance(at, Memory) else at.source()).sweeps(SMALL)


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_server_in_trouble_is_transient_and_soon(at: Memory | Sandbox, status: int) -> None:
    source, started = at.failing(status), time.monotonic()
    for ask in (lambda: source.sweeps(SMALL), lambda: list(source.runs(SMALL)), lambda: source.job_of(SMALL, "run0")):
        with pytest.raises(Transient):
            ask()
    assert time.monotonic() - started < 30


def test_twelve_hundred_runs_cost_three_requests(at: Memory | Sandbox, source: SweepSource) -> None:
    before = source.requests
    if isinstance(at, Sandbox):
        at.server.reset_requests()
    assert len(list(source.runs(LARGE))) == 1200
    assert source.requests - before == 3
    if isinstance(at, Sandbox):
        assert sum(at.server.requests().values()) - at.server.requests().get("/_requests", 0) <= 4


def test_a_dead_server_is_transient_in_bounded_time() -> None:
    started = time.monotonic()
    with pytest.raises(SweepboardError) as raised:
        WandbApiSource(base_url="http://127.0.0.1:9", api_key=KEY, timeout=3).sweeps(SMALL)
    assert isinstance(raised.value, Transient)
    assert time.monotonic() - started < 30
