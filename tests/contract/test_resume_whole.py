"""All of Sweepboard on a real Slurm with the real client: preempted for real, resumed by one press, to its target."""

import json
import re
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.sandbox import SandboxServer, running_sandbox
from tests.services.slurm import SlurmCluster
from tests.services.sweepboard import RunningSweepboard, running_sweepboard

pytestmark = [pytest.mark.needs_slurm, pytest.mark.timeout(400)]
TARGET = 40
CONFIG = """
[wandb]
projects = ["sandbox/digits"]
sync_seconds = 3
[slurm]
adapter = "slurm_cli"
sync_seconds = 3
[[workspace]]
name = "digits"
root = "{root}"
projects = ["sandbox/digits"]
[workspace.policy]
dead_job_grace_minutes = 0.05
fast_completion_hours = 0.001
[workspace.recipe]
script = "experiments/resume.sbatch"
[workspace.recipe.options]
mem = "1200M"
"""
TRAIN = """#!/bin/bash
#SBATCH --job-name=train
#SBATCH --output=logs/%x_%j.out
#SBATCH --error=logs/%x_%j.err
#SBATCH --open-mode=append
#SBATCH --no-requeue
#SBATCH --mem=1200M
exec python train.py --epochs {target} --epoch-seconds 0.7
"""
LOOK = """
from apps.core.clock import utcnow
from apps.resume.checking import ask_for_check
from apps.sweeps.models import Run
ask_for_check(run=Run.objects.get(run_id="{run_id}"), actor="mia", now=utcnow())
"""
PRESS = """
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.resume.models import GateCheck
from apps.resume.services import ask_for_resume
from apps.sweeps.models import Run
run, now = Run.objects.get(run_id="{run_id}"), utcnow()
for person in ("mia", "ben", "mia"):
    try:
        print(ask_for_resume(run=run, check=GateCheck.objects.latest("pk"), actor=person, now=now, choices={{}}).key)
    except SweepboardError as error:
        print(type(error).__name__, error)
"""


@pytest.fixture
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("wandb"), crash_after=15) as server:
        yield server


@pytest.fixture
def root(tmp_path: Path) -> Path:
    import shutil

    from apps.sandbox.sample.layout import TEMPLATE

    folder = tmp_path / "digits"
    shutil.copytree(TEMPLATE, folder)
    for name in ("outputs", "logs", "wandb"):
        (folder / name).mkdir(exist_ok=True)
    (folder / "train.sbatch").write_text(TRAIN.format(target=TARGET))
    return folder


class Story:
    """One run on a real cluster, seen from a terminal and from Sweepboard's database."""

    def __init__(self, slurm: SlurmCluster, sandbox: SandboxServer, root: Path, folder: Path) -> None:
        self.root, self.folder = root, folder
        self.client = {
            **sandbox.env,
            "WANDB_PROJECT": "digits",
            "PATH": f"{Path(sys.executable).parent}:{sandbox.env['PATH']}:{slurm.env['PATH']}",
            "SLURM_CONF": slurm.env["SLURM_CONF"],
        }

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.root, env=self.client, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def sql(self, text: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.folder / "home" / "sweepboard.sqlite3", timeout=30) as db:
            return db.execute(text).fetchall()

    def state(self, job_id: str) -> str:
        return self.run("sacct", "-X", "-n", "-P", "-j", job_id, "-o", "State")

    def log(self, name: str, job_id: str) -> str:
        path = self.root / "logs" / f"{name}_{job_id}.out"
        return path.read_text(errors="replace") if path.is_file() else ""


def wait(check: object, seconds: float, what: object) -> None:
    deadline = time.monotonic() + seconds
    while not check():  # type: ignore[operator]  # any callable
        assert time.monotonic() < deadline, what() if callable(what) else what
        time.sleep(0.3)


def test_a_run_that_was_preempted_for_real_goes_on_from_its_checkpoint_to_its_target(
    slurm_cluster: SlurmCluster, sandbox: SandboxServer, root: Path, tmp_path: Path
) -> None:
    story = Story(slurm_cluster, sandbox, root, tmp_path)
    config = tmp_path / "sweepboard.toml"
    config.write_text(CONFIG.format(root=root))
    environment = {
        "SWEEPBOARD_CONFIG": str(config),
        "WANDB_BASE_URL": sandbox.url,
        "WANDB_API_KEY": sandbox.api_key,
        "WANDB_SWEEP_ID": "must-not-reach-the-job",
        "SLURM_CONF": slurm_cluster.env["SLURM_CONF"],
        "PATH": story.client["PATH"],
    }
    with running_sweepboard(tmp_path, environment) as board:
        job = story.run("sbatch", "--parsable", "--partition=batch", "train.sbatch")
        wait(lambda: "'epoch': 7.0" in story.log("train", job), 90, lambda: story.log("train", job) + story.state(job))
        run_id = re.findall(r"^Run: (\w+)", story.log("train", job), re.MULTILINE)[0]
        _preempt(story, job)
        _resume(story, board, run_id)
        _goes_on(story, board, sandbox, run_id)


def _preempt(story: Story, job: str) -> None:
    """Urgent work takes the node; a job that may not be requeued is cancelled by that."""
    node = story.run("squeue", "-h", "-j", job, "-o", "%N")
    (story.root / "urgent.sbatch").write_text("#!/bin/bash\nsleep 4\n")
    urgent = ("--partition=urgent", f"--nodelist={node}", "--exclusive", "--output=/dev/null")
    story.run("sbatch", *urgent, "urgent.sbatch")
    wait(lambda: story.state(job) not in ("RUNNING", "PENDING", ""), 60, lambda: story.state(job))
    assert story.state(job).split()[0] == "PREEMPTED"


def _resume(story: Story, board: RunningSweepboard, run_id: str) -> None:
    """Wait until it is judged, look at the gate, and press three times."""
    judged = f"SELECT crash_class, verdict FROM flags_runstatus s JOIN sweeps_run r ON r.id = s.run_id WHERE r.run_id = '{run_id}'"  # noqa: E501
    wait(
        lambda: story.sql(judged) == [("preemption", "resume")],
        90,
        lambda: str(story.sql("SELECT * FROM flags_runstatus")),
    )
    board.manage("shell", "-c", LOOK.format(run_id=run_id))
    looked = "SELECT state, said, lines FROM resume_gatecheck ORDER BY id DESC LIMIT 1"
    board.wait_for(lambda: story.sql(looked)[0][0] == "done", 60, "the gate should be looked at")
    lines = json.loads(str(story.sql(looked)[0][2]))
    assert {line["id"]: line["state"] for line in lines if line["state"] != "pass"} == {}, lines
    told = board.manage("shell", "-c", PRESS.format(run_id=run_id))
    assert told.count("AlreadyDone") == 2, told


def _goes_on(story: Story, board: RunningSweepboard, sandbox: SandboxServer, run_id: str) -> None:
    asked = "SELECT state, said, job_id, checkpoint_step, key FROM resume_resumerequest"
    wait(
        lambda: story.sql(asked)[0][0] in ("confirmed", "failed"),
        150,
        lambda: str(story.sql(asked)) + board.said[-3000:],
    )
    state, said, job, step, key = story.sql(asked)[0]
    assert state == "confirmed", (said, story.log("resume", str(job)), list((story.root / "logs").iterdir()))
    names = story.run("sacct", "-X", "-n", "-P", "-o", "JobName%80", "--starttime=now-1hour").split()
    assert [name for name in names if name.endswith(f"-{key}")] == [f"resume-{run_id}-{key}"]  # one press, one job
    script_log = story.root / "logs" / f"resume-{run_id}-{key}_{job}.out"
    wait(lambda: f"'epoch': {TARGET}.0" in script_log.read_text(), 90, script_log.read_text)
    assert f"Resumed from step-{step}.safetensors" in script_log.read_text()
    held = "SELECT state, summary FROM runs WHERE name = ?"

    def told() -> tuple[str, dict[str, float]]:
        with sqlite3.connect(sandbox.database, timeout=20) as db:
            row = db.execute(held, [run_id]).fetchone()
            assert db.execute("SELECT count(*) FROM runs").fetchone() == (1,)  # the same run, and no other
        return row[0], json.loads(row[1])

    wait(lambda: told()[0] == "finished", 60, told)
    assert told()[1]["epoch"] == TARGET
    assert told()[1]["global_step"] == TARGET * 12
