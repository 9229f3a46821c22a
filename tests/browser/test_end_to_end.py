"""The main job on real input: real Slurm, the real wandb client, real training, Celery workers, a real browser."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from apps.sandbox.sample.layout import TEMPLATE
from tests.services import postgres
from tests.services.sandbox import SandboxServer, running_sandbox
from tests.services.slurm import SlurmCluster, running_slurm
from tests.services.sweepboard import RunningSweepboard, running_sweepboard

pytestmark = [pytest.mark.needs_slurm, pytest.mark.needs_chromium, pytest.mark.timeout(400)]

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
clear_minutes = 0  # this story is told in seconds: what was true for one pass must not stay for minutes
dead_job_grace_minutes = 0.05
fast_completion_hours = 0.05
note = "scaled to seconds"
"""
URGENT = "#!/bin/bash\nsleep 8\n"


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    with running_slurm(tmp_path_factory.mktemp("slurm")) as running:
        yield running


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("wandb"), crash_after=600) as running:
        yield running


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample's workspace, as a team's checkout."""
    folder = tmp_path_factory.mktemp("shared") / "digits"
    shutil.copytree(TEMPLATE, folder)
    for name in ("outputs", "logs", "wandb"):
        (folder / name).mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def sweepboard(
    tmp_path_factory: pytest.TempPathFactory, cluster: SlurmCluster, sandbox: SandboxServer, root: Path
) -> Iterator[RunningSweepboard]:
    folder = tmp_path_factory.mktemp("sweepboard")
    config = folder / "sweepboard.toml"
    config.write_text(CONFIG.format(root=root))
    environment = {
        "SWEEPBOARD_CONFIG": str(config),
        "WANDB_BASE_URL": sandbox.url,
        "WANDB_API_KEY": sandbox.api_key,
        "SLURM_CONF": cluster.env["SLURM_CONF"],
    }
    if os.environ.get("DATABASE_URL"):
        environment["DATABASE_URL"] = postgres.new_database(os.environ["DATABASE_URL"], "end_to_end")
    if os.environ.get("REDIS_URL"):
        environment["REDIS_URL"] = os.environ["REDIS_URL"]
    with running_sweepboard(folder, environment) as running:
        yield running


class Team:
    """What the people of this workspace do at their terminals."""

    def __init__(self, cluster: SlurmCluster, sandbox: SandboxServer, root: Path) -> None:
        self.cluster, self.root = cluster, root
        self.env = {
            **sandbox.env,
            "SLURM_CONF": cluster.env["SLURM_CONF"],
            "WANDB_DIR": str(root),
            "WANDB_SILENT": "false",
        }
        self.env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{self.env['PATH']}"

    def run(self, *command: str) -> str:
        done = subprocess.run(
            command, cwd=self.root, env=self.env, capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout + done.stderr

    def create_sweep(self, text: str) -> str:
        path = self.root / "experiments" / "made.yaml"
        path.write_text(text)
        said = self.run(sys.executable, "-m", "wandb", "sweep", "--project", "digits", str(path))
        found = re.search(r"sweeps/(\w+)", re.sub(r"\x1b\[[0-9;]*m", "", said)) or re.search(r"ID: (\w+)", said)
        assert found, said
        return found[1]

    def submit_agents(self, sweep_id: str, count: int, *options: str) -> str:
        return self.run(
            "sbatch", "--parsable", f"--array=0-{count - 1}", "--mem=1200M", "--partition=batch", *options,
            "experiments/agent.sbatch", f"sandbox/digits/{sweep_id}", "1",
        ).strip()  # fmt: skip

    def log(self, job_id: str) -> str:
        path = self.root / "logs" / f"agent_{job_id}.out"
        return path.read_text(errors="replace") if path.is_file() else ""

    def wait_until_training(self, job_id: str, epoch: int = 3) -> str:
        """Wait until the job's run has trained some epochs; return the run's id."""
        deadline = time.monotonic() + 90
        while not re.search(rf"'epoch': ({epoch}|{epoch + 1}|{epoch + 2}|\d\d)\.", self.log(job_id)):
            assert time.monotonic() < deadline, self.log(job_id) + str(list((self.root / "logs").iterdir()))
            time.sleep(0.3)
        return re.findall(r"^Run: (\w+)", self.log(job_id), re.MULTILINE)[-1]

    def kill_hard(self, job_id: str) -> None:
        """kill -9 everything of a job, as a node that dies would."""
        from apps.sandbox.sample.driver import processes_of

        for pid in processes_of(job_id, self.root):
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue

    def leave_nothing_running(self) -> None:
        """End what this cluster's jobs started: without cgroups Slurm loses sight of an agent's children."""
        mark = f"SLURM_CONF={self.env['SLURM_CONF']}".encode()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                if mark in (folder / "environ").read_bytes() and b"train.py" in (folder / "cmdline").read_bytes():
                    os.kill(int(folder.name), signal.SIGKILL)
            except OSError:
                continue


SWEEP = """
name: {name}
program: train.py
method: grid
metric: {{name: loss, goal: minimize}}
parameters:
  seed: {{values: {seeds}}}
  epochs: {{value: {epochs}}}
  patience: {{value: {patience}}}
  lr: {{value: {lr}}}
  epoch-seconds: {{value: 0.5}}
command: ["${{interpreter}}", "${{program}}", "${{args}}"]
"""


def sweep_text(name: str, seeds: list[int], epochs: int = 300, patience: int = 1000, lr: float = 0.1) -> str:
    return SWEEP.format(name=name, seeds=seeds, epochs=epochs, patience=patience, lr=lr)


def log_in(page: Page, sweepboard: RunningSweepboard) -> None:
    page.goto(sweepboard.url)
    page.fill("#id_username", "admin")
    page.fill("#id_password", sweepboard.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator("#board")).to_be_visible()


def passes(sweepboard: RunningSweepboard) -> None:
    """Two passes over everything: what the board must need at the most."""
    for _ in range(2):
        deadline = time.monotonic() + 60
        while "ok" not in sweepboard.manage("sync", check=False):
            assert time.monotonic() < deadline


@pytest.fixture(scope="module")
def team(cluster: SlurmCluster, sandbox: SandboxServer, root: Path) -> Iterator[Team]:
    people = Team(cluster, sandbox, root)
    yield people
    people.leave_nothing_running()


@dataclass(frozen=True)
class Story:
    """What happened in this workspace: run ids by what became of them, and the job that was preempted."""

    killed: str
    preempted: str
    healthy: str
    early: str
    preempted_job: str


@pytest.fixture(scope="module")
def story(team: Team, sweepboard: RunningSweepboard) -> Story:
    """Train four runs on the cluster; kill one -9, preempt one, let one finish too early, leave one alone."""
    trouble = team.create_sweep(sweep_text("trouble", [1, 2, 3]))
    early = team.create_sweep(sweep_text("early", [4], epochs=40, patience=1, lr=3.0))
    agents, early_job = team.submit_agents(trouble, 3), team.submit_agents(early, 1)
    killed, preempted, healthy = (team.wait_until_training(f"{agents}_{task}") for task in range(3))
    _wait_for_end(team, f"{early_job}_0")
    team.kill_hard(f"{agents}_0")
    # Two agents may share a node. Were one still running for Slurm when the node is taken, it would be requeued too.
    _wait_for_end(team, f"{agents}_0")
    _preempt(team, f"{agents}_1")
    passes(sweepboard)
    return Story(killed, preempted, healthy, team.wait_until_training(f"{early_job}_0", 1), f"{agents}_1")


def test_the_board_shows_each_run_for_what_it_is(story: Story, sweepboard: RunningSweepboard, page: Page) -> None:
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
    log_in(page, sweepboard)
    for name in ("trouble", "early"):
        page.locator(".sweep .toggle", has_text=name).click()
        sweep = page.locator(".sweep", has=page.locator(".toggle", has_text=name))
        expect(sweep.locator("table.runs")).to_be_visible()
    row = {run: page.locator("table.runs tr", has_text=run) for run in (story.killed, story.preempted, story.healthy)}
    expect(row[story.killed]).to_contain_text("running")
    # Slurm needs a moment to see that a job's processes are gone, and the flag a moment of grace after that.
    expect(row[story.killed].locator(".badge.critical")).to_contain_text("zombie", timeout=60_000)
    expect(row[story.preempted].locator("td").nth(1)).to_contain_text(
        re.compile("PENDING|RUNNING|PREEMPTED"), timeout=30_000
    )
    expect(row[story.preempted].locator(".badge.critical")).to_have_count(0, timeout=30_000)
    expect(row[story.healthy]).to_contain_text("RUNNING", timeout=30_000)
    expect(row[story.healthy].locator(".badge")).to_have_count(0, timeout=30_000)
    early_row = page.locator("table.runs tr", has_text=story.early)
    expect(early_row.locator(".badge.critical")).to_contain_text("fast-completion", timeout=30_000)
    early_row.locator(".badge.critical").click()
    expect(page.locator(".tip:popover-open")).to_contain_text("at epoch 2 of 40 (log)")
    assert errors == []


def _preempt(team: Team, job_id: str) -> int:
    """Submit urgent work to the node of a job until Slurm takes the node away from it; return the attempts."""
    node = team.run("squeue", "-h", "-r", "-j", job_id, "-o", "%N").strip()
    assert node, (
        team.run("squeue", "-r")
        + team.run("sacct", "-X", "-D", "-o", "JobID,State,ExitCode,NodeList,Start,End")
        + team.log(job_id)
    )
    path = team.root / "urgent.sbatch"
    path.write_text(URGENT)
    team.run("sbatch", "--partition=urgent", f"--nodelist={node}", "--exclusive", "--output=/dev/null", str(path))
    deadline = time.monotonic() + 60
    while True:
        states = team.run("sacct", "-X", "-D", "-n", "-P", "-j", job_id, "-o", "State").split()
        if "PREEMPTED" in states:
            return len(states)
        assert time.monotonic() < deadline, states
        time.sleep(0.3)


def _wait_for_end(team: Team, job_id: str) -> None:
    """Wait until Slurm's queue lists the job no more: what it does once it has seen that the processes are gone."""
    deadline = time.monotonic() + 90
    while team.run("squeue", "-h", "-r", "-j", job_id, "-o", "%i").strip():
        assert time.monotonic() < deadline, team.run("squeue", "-r") + team.log(job_id)
        time.sleep(0.5)


def test_a_preempted_run_comes_back_under_its_own_id(team: Team, story: Story, sweepboard: RunningSweepboard) -> None:
    """The requeued job continues its run from the checkpoint; both attempts are kept apart."""
    job_id = story.preempted_job
    deadline = time.monotonic() + 90
    while "Resumed from" not in team.log(job_id):
        assert time.monotonic() < deadline, team.log(job_id)
        time.sleep(0.5)
    passes(sweepboard)
    text = sweepboard.manage("active_sweeps", "--stdout")
    history = text.split("## Preemption History")[1].split("##")[0]
    assert job_id in history
    assert f"job {job_id} (RUNNING)" in history


def test_the_report_stands_in_the_workspace_and_keeps_the_notes(
    story: Story, root: Path, sweepboard: RunningSweepboard
) -> None:
    path = root / "ACTIVE_SWEEPS.md"
    sweepboard.wait_for(path.is_file, 30, "the report should be written")
    path.write_text(path.read_text() + "\nAsk Mira about seed 3.\n")
    sweepboard.manage("active_sweeps")
    assert path.read_text().endswith("\nAsk Mira about seed 3.\n")
    headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
    assert headings == [
        "Running Sweeps", "Agent Health", "Job Details", "Failed Jobs", "Preemption History",
        "Discrepancy Log", "Source Locations", "Notes",
    ]  # fmt: skip


def test_readiness_names_every_source(story: Story, sweepboard: RunningSweepboard) -> None:
    with urllib.request.urlopen(f"{sweepboard.url}readyz", timeout=5) as answer:
        said = json.load(answer)
    assert said["status"] == "ok"
    # The slower passes (histories, folders) come by and by, and are named from their first one on.
    assert {"wandb", "slurm"} <= {source["source"] for source in said["sources"]}
    assert all(source["ok"] for source in said["sources"])
