"""All of Sweepboard, the real client and a training that was killed: asked for once, closed and confirmed by itself."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.sandbox import SandboxServer, running_sandbox
from tests.services.sweepboard import RunningSweepboard, running_sweepboard
from tests.services.zombies import killed_sweep_run, rows_of

pytestmark = [pytest.mark.starts_first, pytest.mark.timeout(240)]
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
ASK = """
from apps.closing.services import ask_for_closing
from apps.core.clock import utcnow
from apps.sweeps.models import Run
ask_for_closing(run=Run.objects.get(run_id="{run_id}"), actor="mia", now=utcnow())
"""


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("wandb"), crash_after=86_400) as server:
        yield server


@pytest.fixture
def board(sandbox: SandboxServer, tmp_path: Path) -> Iterator[RunningSweepboard]:
    root = tmp_path / "few"
    root.mkdir()
    (tmp_path / "sweepboard.toml").write_text(CONFIG.format(root=root))
    environment = {
        "SWEEPBOARD_CONFIG": str(tmp_path / "sweepboard.toml"),
        "WANDB_BASE_URL": sandbox.url,
        "WANDB_API_KEY": sandbox.api_key,
    }
    with running_sweepboard(tmp_path, environment) as board:
        yield board


def test_a_zombie_is_closed_by_the_workers_and_confirmed_by_the_next_pass(
    sandbox: SandboxServer, board: RunningSweepboard, tmp_path: Path
) -> None:
    run_id = killed_sweep_run(sandbox)
    said = board.manage("close_run", run_id, "--yes", check=False)
    assert rows_of(sandbox, run_id)["state"] == "running", said  # its heart has only just stopped
    with sqlite3.connect(sandbox.database, timeout=20) as db:
        db.execute("UPDATE runs SET heartbeat_at = heartbeat_at - 7200, created_at = created_at - 9000")
    before = rows_of(sandbox, run_id)

    def sql(text: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(tmp_path / "home" / "sweepboard.sqlite3", timeout=20) as db:
            return db.execute(text).fetchall()

    pair = "SELECT pair FROM flags_runstatus"
    board.wait_for(lambda: sql(pair) == [("zombie",)], 60, "the run should be found to be a zombie")
    board.manage("shell", "-c", ASK.format(run_id=run_id))
    state = "SELECT state, shows, said FROM closing_closerequest"
    board.wait_for(lambda: sql(state)[0][0] not in ("queued", "running", "closed"), 90, "the closing should end")
    assert sql(state)[0][:2] == ("verified", "failed"), sql(state)
    after = rows_of(sandbox, run_id)
    assert {name for name in before if before[name] != after[name]} == {"state", "exitcode", "heartbeat_at"}
    types = sql("SELECT type FROM audit_auditevent WHERE type LIKE 'run.close.%' ORDER BY id")
    assert types[-3:] == [("run.close.requested",), ("run.close.done",), ("run.close.verified",)]
