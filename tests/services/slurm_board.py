"""Whole Slurm passes over real clusters, with runs whose jobs really run: for tests of faults and of clusters."""

import os
import shutil
import subprocess
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

from apps.audit.models import SyncPass
from apps.core.clock import utcnow
from apps.flags.models import Flag, RunStatus
from apps.ops import sync
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.factories.rows import RunFactory, SyncPassFactory
from tests.services.slurm import SlurmCluster
from tests.services.slurm_daemons import wait_until

CONFIG = """
[wandb]
projects = ["team/glue"]
[slurm]
adapter = "slurm_cli"
timeout_seconds = 4
{clusters}
[[workspace]]
name = "glue"
root = "{root}"
projects = ["team/glue"]
active_sweeps_file = ""
[workspace.policy]
dead_job_grace_minutes = 0
"""


class SlurmBoard:
    """Sweepboard over real clusters. W&B has answered and says of every run here that it runs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.programs = folder / "bin"
        self.programs.mkdir()
        self.config = folder / "sweepboard.toml"
        self._jobs: list[tuple[SlurmCluster, str]] = []
        SyncPassFactory(source="wandb", scope="team/glue", started_at=utcnow(), finished_at=utcnow())

    def configure(self, clusters: str = "") -> None:
        """Write sweepboard.toml; ``clusters`` holds its [[slurm.cluster]] tables."""
        self.config.write_text(CONFIG.format(clusters=clusters, root=self.folder))

    def run(self, cluster: SlurmCluster, body: str = "exec sleep 300", *options: str) -> Run:
        """Return a run that is carried by a job of its own, which has started."""
        long_ago = utcnow() - timedelta(minutes=10)
        run: Run = RunFactory(created_at=utcnow() - timedelta(hours=1), heartbeat_at=long_ago, sweep=None)
        script = self.folder / f"{run.run_id}.sh"
        script.write_text(f"#!/bin/bash\n{body}\n")
        told = [f"--comment=sweepboard:run={run.run_id}", f"--output={self.folder}/%x_%j.out", *options]
        job_id = cluster.run(["sbatch", "--parsable", *told, str(script)]).strip()
        self._jobs.append((cluster, job_id))
        self.wait_for_state(cluster, job_id, "RUNNING")
        return run

    def job_of(self, run: Run) -> Job:
        return Job.objects.filter(run_hint=run.run_id).latest("submit_at")

    def cancel(self, cluster: SlurmCluster, run: Run) -> None:
        """Cancel the run's job and wait until accounting knows."""
        job_id = self.job_of(run).job_id
        cluster.run(["scancel", job_id])
        self.wait_for_state(cluster, job_id, "CANCELLED")

    def wait_for_state(self, cluster: SlurmCluster, job_id: str, state: str) -> None:
        """Wait until accounting says ``state`` of the job."""
        command = ["sacct", "-X", "-n", "-P", "-j", job_id, "--format=State"]
        wait_until(lambda: cluster.run(command).startswith(state), 35, f"job {job_id} to be {state}")

    def replace_client(self, name: str, body: str) -> Callable[[], None]:
        """Put a program of ours where a client is found; {real} stands for the real one. Returns what undoes it."""
        real = shutil.which(name, path=os.environ["PATH"].replace(f"{self.programs}:", ""))
        path = self.programs / name
        path.write_text(f"#!/bin/bash\n{body.format(real=real)}\n")
        path.chmod(0o755)
        return path.unlink

    def pass_over(self) -> bool:
        """Do one whole pass, flags included, and return whether every cluster answered."""
        return sync.sync_slurm().ok

    def error(self, scope: str = "") -> str:
        """Return the sentence of the last pass, over one cluster where one is named."""
        passes = SyncPass.objects.filter(source="slurm")
        return (passes.filter(scope=scope) if scope else passes)[0].error

    def rows(self) -> list[dict[str, object]]:
        """Return every column of the jobs of this test's runs; the cluster may hold other tests' jobs too."""
        return list(Job.objects.filter(run_hint__in=Run.objects.values("run_id")).order_by("pk").values())

    def states(self) -> dict[str, str]:
        return {str(row["run_hint"]): str(row["state"]) for row in self.rows()}

    def flags(self) -> dict[str, tuple[str, bool]]:
        """Return what is flagged by run: the rule, and whether it is uncertain."""
        told = Flag.objects.open().values_list("run__run_id", "rule", "uncertain")
        return {run: (rule, uncertain) for run, rule, uncertain in told if rule != "stale-heartbeat"}

    def slurm_side(self, run: Run) -> tuple[str, str]:
        """Return the Slurm state that the board shows of a run, and what it takes the pair to mean."""
        status = RunStatus.objects.get(run=run)
        return status.slurm_state, status.pair

    def close(self) -> None:
        """Cancel the jobs."""
        for cluster, job_id in self._jobs:
            subprocess.run(["scancel", job_id], env=cluster.env, check=False, timeout=30, capture_output=True)
