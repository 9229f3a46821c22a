"""Making the sample's situations by really making them: jobs that train, are killed, stopped and preempted."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from apps.core.errors import SweepboardError
from apps.sandbox.sample.layout import PROJECT
from apps.slurm.adapters.local import LocalScheduler
from apps.slurm.ports import Submission

CLIENT_SETTINGS = {"WANDB_ERROR_REPORTING": "false", "WANDB_CONSOLE": "off", "WANDB_DISABLE_GIT": "true"}


class SampleDriver:
    """Runs the sample in ``root`` against the W&B server that the environment names."""

    def __init__(self, root: Path, scheduler: LocalScheduler, environment: Mapping[str, str]) -> None:
        self.root = root
        self.scheduler = scheduler
        self.environment = {
            **environment,
            **CLIENT_SETTINGS,
            "WANDB_DIR": str(root),
            "PATH": _path(environment),
        }
        self.jobs: list[str] = []
        self.stopping = False

    def create_sweep(self, name: str) -> str:
        """Create a sweep from ``experiments/<name>.yaml`` with the client's own command; return its id."""
        said = self.run_wandb("sweep", "--project", PROJECT.split("/")[1], f"experiments/{name}.yaml")
        found = re.search(r"sweep with ID: (\S+)", said)
        if not found:
            raise SweepboardError(f"wandb sweep said: {said[-400:]}")
        return found[1]

    def run_wandb(self, *arguments: str) -> str:
        """Run the client's command line in the workspace; return what it said, without colours."""
        done = subprocess.run(
            [sys.executable, "-m", "wandb", *arguments],
            cwd=self.root,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return re.sub(r"\x1b\[[0-9;]*m", "", done.stdout + done.stderr)

    def submit_agents(self, sweep_id: str, count: int, runs_each: int | None = None, **options: str) -> str:
        """Submit an array of agents and return its job id; ``options`` as sbatch names them."""
        job_id = self.scheduler.submit(
            Submission(
                script="experiments/agent.sbatch",
                args=[f"{PROJECT}/{sweep_id}", *([str(runs_each)] if runs_each else [])],
                work_dir=str(self.root),
                environment=self.environment,
                options={"array": f"0-{count - 1}", **options},
            )
        )
        self.jobs += [f"{job_id}_{task}" for task in range(count)]
        return job_id

    def submit(self, script: str, sweep_id: str) -> None:
        """Submit one plain job for a sweep."""
        arguments = Submission(
            script=script, args=[f"{PROJECT}/{sweep_id}"], work_dir=str(self.root), environment=self.environment
        )
        self.jobs.append(self.scheduler.submit(arguments))

    def wait_for_log(self, job_id: str, pattern: str, seconds: float = 60) -> bool:
        """Wait until the log of one array task matches ``pattern``."""
        path = self.root / "logs" / f"agent_{job_id}.out"
        return self._wait(lambda: path.is_file() and re.search(pattern, path.read_text(errors="replace")), seconds)

    def signal_job(self, job_id: str, number: signal.Signals, *, everything: bool = True) -> None:
        """Send a signal to the processes of a job, as a node that dies or hangs would stop them."""
        for pid in processes_of(job_id, self.root, "" if everything else "train.py"):
            try:
                os.kill(pid, number)
            except ProcessLookupError:
                continue

    def _wait(self, check: Callable[[], object], seconds: float) -> bool:
        deadline = time.monotonic() + seconds
        while not self.stopping and time.monotonic() < deadline:
            if check():
                return True
            time.sleep(0.3)
        return False

    def cancel_all(self) -> None:
        """Cancel every job of the sample's own scheduler, each by its id; a press may have made some."""
        resumed = [one.job_id for one in self.scheduler.queue() if one.job_id not in self.jobs]
        for job_id in [*self.jobs, *resumed]:
            self.signal_job(job_id, signal.SIGCONT)
            try:
                self.scheduler.cancel(job_id)
            except SweepboardError:
                continue  # it has ended by itself
        self.stopping = False
        self._wait(lambda: not self.scheduler.queue(), 25)


def processes_of(job_id: str, root: Path, containing: str = "") -> list[int]:
    """Return the processes whose environment says that they belong to this job of this workspace.

    The number alone would hit another cluster's job of the same number. Linux only, elsewhere none.
    """
    array, _, task = job_id.partition("_")
    marks = {f"SLURM_ARRAY_JOB_ID={array}".encode(), f"SLURM_ARRAY_TASK_ID={task}".encode()}
    marks.add(f"SLURM_SUBMIT_DIR={root}".encode())
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            variables = set((folder / "environ").read_bytes().split(b"\0"))
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except OSError:
            continue
        if marks <= variables and containing in command and int(folder.name) != os.getpid():
            found.append(int(folder.name))
    return found


def _path(environment: Mapping[str, str]) -> str:
    """The jobs' `python` is the one that runs Sweepboard."""
    return f"{Path(sys.executable).parent}{os.pathsep}{environment.get('PATH', os.defpath)}"
