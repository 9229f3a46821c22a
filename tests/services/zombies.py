"""Real trainings that are killed without a word, and everything that the sandbox server then holds of their runs."""

import json
import signal
import sqlite3
import time
from pathlib import Path
from typing import Any

import psutil

from tests.services.sandbox import SandboxServer

# In a file of its own, as people train: the client notes program, host and folder of it.
TRAIN = """
import math, sys, time, wandb
def train(run_id=None):
    run = wandb.init(project="few", id=run_id, config={"lr": 0.1, "net": {"depth": 2}}, notes="n", tags=["a"],
                     settings=wandb.Settings(host="g07", x_file_stream_transmit_interval=0.2))
    for epoch in range(3):
        run.log({"loss": 1 / (epoch + 1), "epoch": epoch, "bad": math.nan})
    print("ready", run.id, flush=True)
    time.sleep(600)
if sys.argv[1] == "sweep":
    wandb.agent(sys.argv[2], train, project="few", count=1)
else:
    train(sys.argv[1])
"""
SWEEP = """
import wandb
print(wandb.sweep({"method": "random", "parameters": {"x": {"values": [1]}}}, entity="sandbox", project="few"))
"""
GO_ON = """
import wandb
run = wandb.init()
print("start", run.starting_step)
run.log({"loss": 0.01, "epoch": 3})
run.finish()
"""


def killed_training(sandbox: SandboxServer, *arguments: str) -> str:
    """Let a training log three epochs in Slurm job 4711, kill -9 it with all that it started; return its run's id."""
    script = Path(sandbox.work) / "train.py"
    script.write_text(TRAIN)
    process = sandbox.popen("python", str(script), *arguments, SLURM_JOB_ID="4711", SLURM_JOB_NODELIST="g07")
    assert process.stdout is not None
    run_id = next(line.split()[1] for line in process.stdout if line.startswith("ready"))
    _wait_for_history(sandbox, run_id)
    family = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    for one in family:
        one.send_signal(signal.SIGKILL)
    psutil.wait_procs(family, timeout=10)
    process.communicate()
    return run_id


def _wait_for_history(sandbox: SandboxServer, run_id: str) -> None:
    deadline = time.monotonic() + 30
    while (held := rows_of(sandbox, run_id))["lines"].get("history", 0) < 3 or "epoch" not in held["summary"]:
        assert time.monotonic() < deadline, held
        time.sleep(0.1)


def killed_sweep_run(sandbox: SandboxServer) -> str:
    """The same for a run that a sweep's agent pulled."""
    return killed_training(sandbox, "sweep", sandbox.run(script=SWEEP).split()[-1])


class Zombies:
    """Runs of one server whose trainings were killed. One of each kind is really killed; later it is put back.

    Killing costs seconds, and what the server holds of the run is all that is left of it.
    """

    def __init__(self, sandbox: SandboxServer) -> None:
        self._sandbox = sandbox
        self._made: dict[bool, tuple[str, dict[str, Any]]] = {}

    def one(self, *, in_sweep: bool) -> str:
        """Return the id of a run that W&B calls running, and whose processes were killed."""
        if in_sweep not in self._made:
            run_id = killed_sweep_run(self._sandbox) if in_sweep else killed_training(self._sandbox, "plain1")
            self._made[in_sweep] = (run_id, self._raw(run_id))
        run_id, raw = self._made[in_sweep]
        self._put_back(raw)
        return run_id

    def _raw(self, run_id: str) -> dict[str, Any]:
        with sqlite3.connect(self._sandbox.database, timeout=20) as db:
            db.row_factory = sqlite3.Row
            return dict(db.execute("SELECT * FROM runs WHERE name = ?", [run_id]).fetchone())

    def _put_back(self, raw: dict[str, Any]) -> None:
        columns = [name for name in raw if name != "id"]
        values = [raw[name] for name in columns]
        with sqlite3.connect(self._sandbox.database, timeout=20) as db:
            db.execute(
                f"UPDATE runs SET {', '.join(f'{name} = ?' for name in columns)} WHERE id = ?", [*values, raw["id"]]
            )
            db.execute("DELETE FROM lines WHERE run_id = ? AND number > 2", [raw["id"]])
            db.execute("DELETE FROM files WHERE run_id = ? AND name != 'wandb-metadata.json'", [raw["id"]])


def rows_of(sandbox: SandboxServer, run_id: str) -> dict[str, Any]:
    """Return everything that the server holds of a run, straight from its database."""
    with sqlite3.connect(f"file:{sandbox.database}?mode=ro", uri=True, timeout=20) as db:
        db.row_factory = sqlite3.Row
        run = dict(db.execute("SELECT * FROM runs WHERE name = ?", [run_id]).fetchone())
        files = db.execute("SELECT name, md5 FROM files WHERE run_id = ? ORDER BY name", [run["id"]]).fetchall()
        lines = db.execute("SELECT stream, count(*) FROM lines WHERE run_id = ? GROUP BY stream", [run["id"]])
        run["files"] = [tuple(row) for row in files]
        run["lines"] = dict(map(tuple, lines.fetchall()))
    run["config"] = _bare(json.loads(run["config"] or "{}"))
    run["summary"] = json.loads(run["summary"] or "{}")
    return run


def _bare(config: dict[str, Any]) -> dict[str, Any]:
    """Return the config's values: whether an empty description stands beside one says nothing."""
    return {key: wrapped["value"] for key, wrapped in config.items()}
