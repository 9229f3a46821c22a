"""Five runs end on a real Slurm, each in its way; a person presses Resume in a browser; each reaches its target."""

import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from apps.sandbox.sample.layout import TEMPLATE
from tests.browser.conftest import browser_type_launch_args  # noqa: F401  # the system's Chromium
from tests.services.sandbox import SandboxServer, running_sandbox
from tests.services.slurm import SlurmCluster, running_slurm
from tests.services.sweepboard import RunningSweepboard, running_sweepboard

pytestmark = [pytest.mark.starts_first, pytest.mark.needs_slurm, pytest.mark.needs_chromium, pytest.mark.timeout(500)]
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
change = ["--{{key}}", "{{value}}"]
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
exec python train.py "$@"
"""


@dataclass(frozen=True)
class Cause:
    """How a run is submitted, what Sweepboard must call its end, and what is chosen on the page before the press."""

    sbatch: tuple[str, ...]
    train: tuple[str, ...]
    crash_class: str
    change: str = ""
    shown: str = ""  # what the page says of the change before it is submitted


# The nodes apart: urgent work takes all of n1, and n3 dies.
CAUSES = {
    "preemption": Cause(("--nodelist=n1",), ("--epochs=40", "--epoch-seconds=0.7"), "preemption"),
    "time limit": Cause(
        ("--nodelist=n2", "--time=1"), ("--epochs=45", "--epoch-seconds=2"), "time-limit", "longer-limit", "--time=0"
    ),
    "CUDA OOM": Cause(
        ("--nodelist=n2",),
        ("--epochs=30", "--epoch-seconds=0.7", "--batch-size=512", "--grow-at=12"),
        "cuda-oom",
        "oom-halve-batch",
        "batch_size = 256",
    ),
    "node failure": Cause(
        ("--nodelist=n3",), ("--epochs=40", "--epoch-seconds=0.7"), "node-failure", "exclude-node", "--exclude=n3"
    ),
    "truncated": Cause(("--nodelist=n1",), ("--epochs=40", "--epoch-seconds=0.7"), "preemption"),
}


def wait(check: Callable[[], object], seconds: float, what: Callable[[], object]) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, what()
        time.sleep(0.3)


class Team:
    """What people do at their terminals, and what Sweepboard's and W&B's databases hold."""

    def __init__(self, slurm: SlurmCluster, sandbox: SandboxServer, root: Path, folder: Path) -> None:
        self.root, self.folder, self.slurm, self.sandbox = root, folder, slurm, sandbox
        self.env = {
            **sandbox.env,
            "WANDB_PROJECT": "digits",
            "PATH": f"{Path(sys.executable).parent}:{sandbox.env['PATH']}:{slurm.env['PATH']}",
            "SLURM_CONF": slurm.env["SLURM_CONF"],
        }
        self.job: dict[str, str] = {}
        self.run_id: dict[str, str] = {}

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout.strip()

    def submit(self, name: str) -> None:
        cause = CAUSES[name]
        self.job[name] = self.run("sbatch", "--parsable", *cause.sbatch, "train.sbatch", *cause.train)

    def log(self, name: str) -> str:
        files = [self.root / "logs" / f"train_{self.job[name]}.{kind}" for kind in ("out", "err")]
        return "".join(path.read_text(errors="replace") for path in files if path.is_file())

    def wait_for_epoch(self, name: str, epoch: int) -> None:
        reached = re.compile(rf"'epoch': ({epoch}|{epoch + 1}|{epoch + 2})\.")
        wait(lambda: reached.search(self.log(name)), 120, lambda: self.log(name) + self.run("squeue"))
        self.run_id[name] = re.findall(r"^Run: (\w+)", self.log(name), re.MULTILINE)[0]

    def state(self, name: str) -> str:
        return (self.run("sacct", "-X", "-n", "-P", "-j", self.job[name], "-o", "State").split() or [""])[0]

    def wait_for_state(self, name: str, wanted: str, seconds: float) -> None:
        wait(lambda: self.state(name) not in ("RUNNING", "PENDING", ""), seconds, lambda: self.run("sinfo", "-R", "-N"))
        assert self.state(name) == wanted, self.log(name)

    def pull_the_plug(self, name: str) -> None:
        """Everything of a job and of its node's slurmd ends at once, and nobody is left to tell the controller."""
        self.slurm.stop_node("n3")
        own = self._processes_of(self.job[name])
        parents = {int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) for pid in own} - set(own)
        steps = [pid for pid in parents if b"slurmstepd" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        assert steps, parents
        for pid in [*steps, *own]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def _processes_of(self, job: str) -> list[int]:
        """The processes of a job of this cluster: another one's may have the same number."""
        marks = {f"SLURM_JOB_ID={job}".encode(), f"SLURM_SUBMIT_DIR={self.root}".encode()}
        found = []
        for folder in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if marks <= set((folder / "environ").read_bytes().split(b"\0")):
                    found.append(int(folder.name))
        return found

    def checkpoints(self, name: str) -> list[Path]:
        found = (self.root / "outputs" / self.run_id[name] / "checkpoints").glob("step-*.*")
        return sorted(found, key=lambda path: (int(re.findall(r"\d+", path.name)[0]), path.suffix))

    def ours(self, text: str) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.folder / "home" / "sweepboard.sqlite3", timeout=30) as db:
            return db.execute(text).fetchall()

    def in_wandb(self) -> dict[str, tuple[str, dict[str, float]]]:
        with sqlite3.connect(self.sandbox.database, timeout=20) as db:
            rows = db.execute("SELECT name, state, summary FROM runs").fetchall()
        return {name: (state, json.loads(told)) for name, state, told in rows}


@pytest.fixture(scope="module")
def team(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Team]:
    """Five runs that really ended: preempted twice, at the time limit, out of GPU memory, and with their node."""
    folder = tmp_path_factory.mktemp("resume")
    root = folder / "digits"
    shutil.copytree(TEMPLATE, root)
    for name in ("outputs", "logs", "wandb"):
        (root / name).mkdir(exist_ok=True)
    (root / "train.sbatch").write_text(TRAIN)
    (root / "urgent.sbatch").write_text("#!/bin/bash\nsleep 4\n")
    with (
        running_slurm(tmp_path_factory.mktemp("slurm")) as slurm,
        running_sandbox(tmp_path_factory.mktemp("wandb"), crash_after=15) as sandbox,
    ):
        people = Team(slurm, sandbox, root, folder)
        yield people


@pytest.fixture(scope="module")
def board(team: Team) -> Iterator[RunningSweepboard]:
    config = team.folder / "sweepboard.toml"
    config.write_text(CONFIG.format(root=team.root))
    environment = {
        "SWEEPBOARD_CONFIG": str(config),
        "WANDB_BASE_URL": team.sandbox.url,
        "WANDB_API_KEY": team.sandbox.api_key,
        "WANDB_SWEEP_ID": "must-not-reach-the-job",
        "SLURM_CONF": team.slurm.env["SLURM_CONF"],
        "PATH": team.env["PATH"],
    }
    with running_sweepboard(team.folder, environment) as running:
        yield running


@pytest.fixture(scope="module")
def ended(team: Team, board: RunningSweepboard) -> Team:
    """Let each run end for its cause, and wait until Sweepboard says so of every one."""
    for name in CAUSES:
        team.submit(name)
    for name in CAUSES:
        team.wait_for_epoch(name, 11 if name == "truncated" else 6)
    team.pull_the_plug("node failure")
    team.run("sbatch", "--partition=urgent", "--nodelist=n1", "--exclusive", "--output=/dev/null", "urgent.sbatch")
    for name, state, seconds in (
        ("preemption", "PREEMPTED", 60),
        ("truncated", "PREEMPTED", 60),
        ("CUDA OOM", "FAILED", 60),
        ("time limit", "TIMEOUT", 120),
        ("node failure", "NODE_FAIL", 150),
    ):
        team.wait_for_state(name, state, seconds)
    for path in team.checkpoints("truncated")[-2:]:  # both formats of the last step
        with path.open("r+b") as file:
            file.truncate(path.stat().st_size // 2)
    wanted = {team.run_id[name]: cause.crash_class for name, cause in CAUSES.items()}
    judged = "SELECT r.run_id, crash_class FROM flags_runstatus s JOIN sweeps_run r ON r.id = s.run_id"
    wait(lambda: dict(team.ours(judged)) == wanted, 90, lambda: (wanted, team.ours(judged)))
    return team


@pytest.fixture(scope="module")
def page(browser: Browser, board: RunningSweepboard) -> Iterator[Page]:
    context = browser.new_context(base_url=board.url, viewport={"width": 1440, "height": 1000})
    context.set_default_timeout(20_000)
    opened = context.new_page()
    opened.goto("/")
    opened.fill("#id_username", "admin")
    opened.fill("#id_password", board.password)
    opened.get_by_role("button", name="Log in").click()
    expect(opened.locator("#board")).to_be_visible()
    yield opened
    context.close()


def open_gate(page: Page, team: Team, name: str) -> None:
    """Open a run's resume page, where the gate is looked at by itself, and wait for its lines."""
    ((pk,),) = team.ours(f"SELECT id FROM sweeps_run WHERE run_id = '{team.run_id[name]}'")
    page.goto(f"/runs/{pk}/resume")
    expect(page.locator(".gate li").first).to_be_visible(timeout=90_000)


@pytest.fixture(scope="module")
def resumed(ended: Team, page: Page, board: RunningSweepboard) -> Team:
    """Press Resume for the four whose checkpoints are whole; nobody waits for one before pressing for the next."""
    for name, cause in CAUSES.items():
        if name == "truncated":
            continue
        open_gate(page, ended, name)
        if cause.change:
            page.check(f"#change-{cause.change}")
            page.click("#apply")
            expect(page.locator("#resume")).to_contain_text(cause.shown)
        expect(page.locator("#resume-run")).to_be_enabled()
        page.locator("#resume-run").click()
        expect(page.locator("#resume-said")).to_contain_text("will be resumed")
    asked = "SELECT r.run_id, q.state, q.said FROM resume_resumerequest q JOIN sweeps_run r ON r.id = q.run_id"
    wait(
        lambda: {row[1] for row in ended.ours(asked)} <= {"confirmed", "failed"},
        200,
        lambda: str(ended.ours(asked)) + board.said[-3000:],
    )
    return ended


@pytest.mark.parametrize("name", [name for name in CAUSES if name != "truncated"])
def test_one_press_in_the_browser_takes_the_same_run_on_to_its_target(resumed: Team, page: Page, name: str) -> None:
    run_id, target = resumed.run_id[name], int(CAUSES[name].train[0].partition("=")[2])
    asked = f"SELECT q.state, q.said, q.job_id, q.checkpoint_step, q.key FROM resume_resumerequest q JOIN sweeps_run r ON r.id = q.run_id WHERE r.run_id = '{run_id}'"  # noqa: E501
    ((state, said, job, step, key),) = resumed.ours(asked)
    log = resumed.root / "logs" / f"resume-{run_id}-{key}_{job}.out"
    assert state == "confirmed", (said, log.read_text() if log.is_file() else "no log")
    wait(lambda: f"'epoch': {target}.0" in log.read_text(), 120, log.read_text)
    assert f"Resumed from step-{step}.safetensors" in log.read_text()
    assert f"Run: {run_id}" in log.read_text()
    wait(lambda: resumed.in_wandb()[run_id][0] == "finished", 60, resumed.in_wandb)
    summary = resumed.in_wandb()[run_id][1]
    assert summary["epoch"] == target
    assert summary["global_step"] == int(re.findall(r"'global_step': (\d+)", log.read_text())[-1])
    names = resumed.run("sacct", "-X", "-n", "-P", "-o", "JobName%80", "--starttime=now-1hour").split()
    assert [one for one in names if f"resume-{run_id}" in one] == [f"resume-{run_id}-{key}"]  # one press, one job
    assert set(resumed.in_wandb()) == set(resumed.run_id.values())  # the same runs, and no other
    open_pk = resumed.ours(f"SELECT id FROM sweeps_run WHERE run_id = '{run_id}'")[0][0]
    page.goto(f"/runs/{open_pk}/resume")
    expect(page.locator("#resume")).to_contain_text("Resumed: the same run goes on")


def test_a_step_of_the_oom_ladder_reaches_the_script(resumed: Team) -> None:
    config = (resumed.root / "outputs" / resumed.run_id["CUDA OOM"] / "config.yaml").read_text()
    assert "batch_size: 256" in config
    assert "lr: 0.05" in config  # the sample knows no accumulation, so the learning rate follows the batch


def test_a_node_that_failed_is_kept_off(resumed: Team) -> None:
    nodes = resumed.run("sacct", "-X", "-n", "-P", "-o", "JobName%80,NodeList", "--starttime=now-1hour").splitlines()
    (used,) = [line.partition("|")[2] for line in nodes if f"resume-{resumed.run_id['node failure']}" in line]
    assert used in ("n1", "n2")


def test_a_truncated_newest_checkpoint_shuts_the_gate_and_the_last_good_one_is_named(ended: Team, page: Page) -> None:
    open_gate(page, ended, "truncated")
    bad, good = ended.checkpoints("truncated")[-1], ended.checkpoints("truncated")[-3]
    line = page.locator(".gate li.fail")
    expect(line).to_have_count(1)
    expect(line).to_contain_text(bad.stem)
    expect(line).to_contain_text(good.stem)
    expect(page.locator("#resume-run")).to_be_disabled()
    expect(page.locator("details.override")).to_have_count(0)  # nobody may let a corrupted one through
