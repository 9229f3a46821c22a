"""Closing a run whose process is gone: one contract for memory and for the real client against the sandbox server."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psutil
import pytest

from apps.core.errors import Permanent, Transient
from apps.sweeps.adapters.memory import MemoryProject
from apps.sweeps.adapters.memory_closer import MemoryCloser
from apps.sweeps.adapters.wandb_api import WandbApiSource
from apps.sweeps.adapters.wandb_close import WandbCloser
from apps.sweeps.ports import Closed, RunCloser, RunJob, RunRecord
from tests.factories.records import run_record
from tests.services.sandbox import SandboxServer, running_sandbox
from tests.services.zombies import GO_ON, SWEEP, Zombies, rows_of

pytestmark = pytest.mark.starts_first

KEY = "local" * 8
PROJECT = "sandbox/few"
SLOW = 8  # seconds; more than the 6 that a closing is given here


class Memory:
    """Runs in memory that nobody drives any more."""

    def __init__(self) -> None:
        self.project = MemoryProject()

    def zombie(self, *, in_sweep: bool) -> str:
        run_id = f"run{len(self.project.runs)}"
        beat = datetime.now(UTC) - timedelta(hours=1)
        record = run_record(run_id, sweep_id="swp1" if in_sweep else "", heartbeat_at=beat, jobs=(RunJob(4711),))
        self.project.runs.append(record)
        return run_id

    def closer(self) -> RunCloser:
        return MemoryCloser({PROJECT: self.project})

    def record(self, run_id: str) -> RunRecord:
        return next(run for run in self.project.runs if run.run_id == run_id)


class Sandbox:
    """Real trainings that were killed, and the real client."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self._zombies = Zombies(server)

    def zombie(self, *, in_sweep: bool) -> str:
        return self._zombies.one(in_sweep=in_sweep)

    def closer(self) -> RunCloser:
        return WandbCloser(base_url=self.server.url, api_key=KEY)

    def record(self, run_id: str) -> RunRecord:
        source = WandbApiSource(base_url=self.server.url, api_key=KEY, timeout=10)
        try:
            far = datetime.now(UTC) + timedelta(days=1)
            return next(iter(source.runs(PROJECT, far, [run_id])))
        finally:
            source.close()


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("wandb"), api_key=KEY, crash_after=86_400) as running:
        yield Sandbox(running)


@pytest.fixture
def wandb(real: Sandbox) -> Iterator[Sandbox]:
    yield real
    real.server.clear_faults()


@pytest.fixture(params=["memory", "wandb"])
def at(request: pytest.FixtureRequest) -> Memory | Sandbox:
    made: Memory | Sandbox = Memory() if request.param == "memory" else request.getfixturevalue("wandb")
    return made


@pytest.mark.parametrize("in_sweep", [False, True])
def test_a_zombie_is_failed_afterwards_and_what_w_and_b_was_told_of_it_stays(
    at: Memory | Sandbox, in_sweep: bool
) -> None:
    run_id = at.zombie(in_sweep=in_sweep)
    before = at.record(run_id)
    assert before.state == "running"
    assert [job.raw_id for job in before.jobs] == [4711]
    closed = at.closer().close(PROJECT, run_id)
    after = at.record(run_id)
    assert closed == Closed("failed", acted=True, moved_heartbeat=in_sweep)
    assert (after.state, after.config, after.summary, after.jobs) == (
        "failed", before.config, before.summary, before.jobs,
    )  # fmt: skip
    assert (after.heartbeat_at == before.heartbeat_at) is not in_sweep


def test_closing_twice_changes_nothing_and_says_so(at: Memory | Sandbox) -> None:
    run_id = at.zombie(in_sweep=True)
    at.closer().close(PROJECT, run_id)
    once = at.record(run_id)
    assert at.closer().close(PROJECT, run_id) == Closed("failed", acted=False)
    assert at.record(run_id) == once


def test_a_run_that_w_and_b_no_longer_knows_is_permanent(at: Memory | Sandbox) -> None:
    at.zombie(in_sweep=False)
    with pytest.raises(Permanent, match="no longer knows run nothere"):
        at.closer().close(PROJECT, "nothere")


@pytest.mark.parametrize("in_sweep", [False, True])
def test_not_a_line_a_file_or_a_word_of_the_run_is_changed(wandb: Sandbox, in_sweep: bool) -> None:
    run_id = wandb.zombie(in_sweep=in_sweep)
    before = rows_of(wandb.server, run_id)
    assert (before["host"], before["config"]["_wandb"]["e"]) != ("", {})
    wandb.closer().close(PROJECT, run_id)
    after = rows_of(wandb.server, run_id)
    moved = {name for name, value in before.items() if after[name] != value}
    assert moved == ({"state", "exitcode", "heartbeat_at"} if in_sweep else {"state"})
    assert after["lines"] == {"history": 3}


def test_the_run_goes_on_where_it_stopped_when_a_job_resumes_it(wandb: Sandbox) -> None:
    run_id = wandb.zombie(in_sweep=True)
    wandb.closer().close(PROJECT, run_id)
    said = wandb.server.run(script=GO_ON, WANDB_RUN_ID=run_id, WANDB_RESUME="must", WANDB_PROJECT="few")
    assert "start 3" in said
    after = rows_of(wandb.server, run_id)
    assert (after["state"], after["lines"]["history"], after["summary"]["epoch"]) == ("finished", 4, 3)


def test_the_client_itself_is_refused_for_a_run_of_a_sweep(wandb: Sandbox) -> None:
    run_id = wandb.zombie(in_sweep=True)
    with pytest.raises(RuntimeError, match="sweep"):
        wandb.server.ask(f"api.run('{PROJECT}/{run_id}').update_state('failed')")
    assert rows_of(wandb.server, run_id)["state"] == "running"


def test_what_the_caller_has_in_its_environment_leads_nobody_astray(
    wandb: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    run_id = wandb.zombie(in_sweep=True)
    before = rows_of(wandb.server, run_id)
    other = wandb.server.run(script=SWEEP).split()[-1]
    leftovers = {
        "WANDB_SWEEP_ID": other, "WANDB_RUN_ID": "somebodyelse", "WANDB_MODE": "offline", "WANDB_NOTES": "oops",
        "WANDB_TAGS": "oops", "WANDB_NAME": "oops", "SLURM_JOB_ID": "99", "SLURM_JOB_NODELIST": "head1",
    }  # fmt: skip
    for name, value in leftovers.items():
        monkeypatch.setenv(name, value)
    wandb.closer().close(PROJECT, run_id)
    after = rows_of(wandb.server, run_id)
    moved = {name for name, value in before.items() if after[name] != value}
    assert (after["state"], moved) == ("failed", {"state", "exitcode", "heartbeat_at"})


def test_a_server_that_cannot_set_a_state_is_closed_by_going_on_with_the_run(wandb: Sandbox) -> None:
    run_id = wandb.zombie(in_sweep=False)
    before = wandb.record(run_id)
    wandb.server.fault("status", status=400, match="UpdateRunState")
    assert wandb.closer().close(PROJECT, run_id) == Closed("failed", acted=True, moved_heartbeat=True)
    after = wandb.record(run_id)
    assert (after.state, after.jobs, after.summary) == ("failed", before.jobs, before.summary)


def test_a_server_that_fails_for_now_is_transient_and_nothing_is_tried_in_another_way(wandb: Sandbox) -> None:
    run_id = wandb.zombie(in_sweep=False)
    wandb.server.fault("status", status=503, match="UpdateRunState")
    with pytest.raises(Transient, match="HTTP 503"):
        wandb.closer().close(PROJECT, run_id)
    assert wandb.record(run_id).state == "running"


def test_a_wrong_key_is_permanent(wandb: Sandbox) -> None:
    with pytest.raises(Permanent, match="refuses the key that ends in 'rong'"):
        WandbCloser(base_url=wandb.server.url, api_key="wrong" * 8).close(PROJECT, "any")


def test_a_dead_server_is_transient() -> None:
    with pytest.raises(Transient):
        WandbCloser(base_url="http://127.0.0.1:9", api_key=KEY, seconds=30).close(PROJECT, "any")


def clients() -> set[int]:
    """The processes of W&B's client, its side process among them."""
    found = set()
    for process in psutil.process_iter(["pid", "name", "environ"]):
        environ = process.info["environ"] or {}
        if "sweepboard-close-" in environ.get("WANDB_DIR", ""):
            found.add(process.info["pid"])
    return found


@pytest.mark.parametrize("operation", ["Run", "UpsertBucket", "file_stream"])
def test_a_server_that_hangs_is_given_up_and_leaves_no_process(wandb: Sandbox, operation: str) -> None:
    run_id = wandb.zombie(in_sweep=True)
    before = clients()
    wandb.server.fault("slow", seconds=SLOW, match=operation)
    with pytest.raises(Transient, match=f"run {run_id} be closed within 6 seconds"):
        WandbCloser(base_url=wandb.server.url, api_key=KEY, seconds=6).close(PROJECT, run_id)
    assert clients() <= before
    wandb.server.clear_faults()
    time.sleep(SLOW + 1)  # what the server was slow to do, it does after its client is gone
    jobs = wandb.record(run_id).jobs
    assert [job.raw_id for job in jobs] == [4711]  # whatever moment it was ended in
    assert wandb.closer().close(PROJECT, run_id).state == "failed"


CALLER = """
import sys
from apps.sweeps.adapters.wandb_close import WandbCloser
WandbCloser(base_url=sys.argv[1], api_key=sys.argv[2]).close("sandbox/few", sys.argv[3])
"""


def test_a_worker_that_is_killed_leaves_no_process_and_no_damage(wandb: Sandbox, tmp_path: Path) -> None:
    run_id = wandb.zombie(in_sweep=True)
    before = rows_of(wandb.server, run_id)
    wandb.server.fault("slow", seconds=SLOW, match="file_stream", count=2)
    root = Path(__file__).parents[2]
    worker = subprocess.Popen(
        [sys.executable, "-c", CALLER, wandb.server.url, KEY, run_id],
        cwd=root,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    wait_for(lambda: rows_of(wandb.server, run_id)["heartbeat_at"] != before["heartbeat_at"])  # it has attached
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    wait_for(lambda: not clients())
    wandb.server.clear_faults()
    time.sleep(SLOW + 1)
    between = rows_of(wandb.server, run_id)
    assert between["config"]["_wandb"]["e"] == before["config"]["_wandb"]["e"]
    assert (between["lines"], between["files"]) == (before["lines"], before["files"])
    assert wandb.closer().close(PROJECT, run_id).state == "failed"


def wait_for(check: object, seconds: float = 40) -> None:
    deadline = time.monotonic() + seconds
    while not check():  # type: ignore[operator]  # any callable
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.1)
