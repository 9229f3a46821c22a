"""What the scheduler contract needs around each adapter: how to make things happen to a job there."""

import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from importlib.util import find_spec
from pathlib import Path

from apps.slurm.adapters.local import LocalScheduler
from apps.slurm.adapters.memory import MemoryScheduler
from apps.slurm.adapters.pyslurm import PySlurm
from apps.slurm.adapters.slurm_cli import SlurmCli
from apps.slurm.ports import JobAttempt, Scheduler, Submission
from tests.services.slurm import SlurmCluster
from tests.services.slurm_daemons import DaemonFailed, wait_until

STANDIN = Path(__file__).parent / "pyslurm_standin"


class Harness:
    """One adapter under test; ``folder`` is the jobs' working directory."""

    scheduler: Scheduler
    runs_programs = True
    patience = 35.0
    preemptible: Mapping[str, str] = {}

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.submitted: list[str] = []
        self.started_at = datetime.now(UTC) - timedelta(seconds=2)

    def submit(self, body: str, **values: object) -> str:
        """Submit a batch script with ``body``; ``values`` are further fields of Submission."""
        script = self.folder / "job.sh"
        script.write_text(f"#!/bin/bash\n{body}\n")
        fields = {"script": str(script), "work_dir": str(self.folder), **values}
        job_id = self.scheduler.submit(Submission(**fields))  # type: ignore[arg-type]
        self.submitted.append(job_id)
        return job_id

    def queued(self, job_id: str) -> JobAttempt | None:
        """Return the job as the queue shows it."""
        return next((x for x in self.scheduler.queue() if x.job_id == job_id), None)

    def past(self, job_id: str) -> list[JobAttempt]:
        """Return the job's attempts by accounting, oldest first."""
        attempts = self.scheduler.history(self.started_at)
        return sorted((x for x in attempts if x.job_id == job_id), key=lambda x: x.submit_at)

    def wait_queued(self, job_id: str, state: str, reason: str = "") -> JobAttempt:
        """Wait until the queue shows the job in ``state``, with ``reason`` where one is given."""
        seen: list[JobAttempt | None] = []

        def there() -> bool:
            seen.append(self.queued(job_id))
            last = seen[-1]
            return last is not None and last.state == state and (not reason or last.reason == reason)

        self.wait(there, f"{job_id} to be {state} {reason}", seen)
        assert seen[-1] is not None
        return seen[-1]

    def wait_past(self, job_id: str, *states: str) -> list[JobAttempt]:
        """Wait until accounting shows exactly these states of the job's attempts, oldest first."""
        seen: list[list[JobAttempt]] = []

        def there() -> bool:
            seen.append(self.past(job_id))
            return [x.state for x in seen[-1]] == list(states)

        self.wait(there, f"{job_id} to have been {states}", seen)
        return seen[-1]

    def wait_exit(self, job_id: str, code: int, signal: int = 0) -> JobAttempt:
        """Wait until accounting shows how the job's one attempt exited: at times a moment after its state."""
        seen: list[list[JobAttempt]] = []

        def there() -> bool:
            seen.append(self.past(job_id))
            return [(x.exit_code, x.exit_signal) for x in seen[-1]] == [(code, signal)]

        self.wait(there, f"{job_id} to have exited {code}:{signal}", seen)
        return seen[-1][0]

    def wait(self, ready: Callable[[], bool], what: str, seen: Sequence[object]) -> None:
        try:
            wait_until(ready, self.patience, what)
        except DaemonFailed as error:
            raise AssertionError(f"{error}; last seen: {seen[-1] if seen else None}") from None

    # what the adapters differ in

    def run(self, job_id: str) -> None:
        """Let the job start and wait until it runs."""
        self.wait_queued(job_id, "RUNNING")

    def play(self, job_id: str, state: str, code: int = 0, signal: int = 0, memory: int | None = None) -> None:
        """Say how a job ends that nobody runs; real jobs end by themselves."""

    def job_over_its_limit(self) -> str:
        """Return a job that reaches its time limit soon, or has done so."""
        return self.submit("exec sleep 60", options={"time": "0:02"})

    def preempt(self, job_id: str) -> None:
        """Take a running job's place away; it goes back into the queue."""
        raise NotImplementedError

    def submit_waiting(self) -> str:
        """Submit a job that cannot start yet, for a reason other than a hold."""
        raise NotImplementedError

    def close(self) -> None:
        """Cancel what is left of the test's jobs."""


class MemoryHarness(Harness):
    """Nothing runs: the harness plays the scheduler's part."""

    runs_programs = False

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.scheduler: MemoryScheduler = MemoryScheduler()

    def run(self, job_id: str) -> None:
        self.scheduler.now += timedelta(seconds=1)
        self.scheduler.start(job_id)
        super().run(job_id)

    def play(self, job_id: str, state: str, code: int = 0, signal: int = 0, memory: int | None = None) -> None:
        self.scheduler.start(job_id)
        self.scheduler.now += timedelta(seconds=1)
        self.scheduler.finish(job_id, state, code, signal, memory)

    def job_over_its_limit(self) -> str:
        job_id = super().job_over_its_limit()
        self.play(job_id, "TIMEOUT")
        return job_id

    def preempt(self, job_id: str) -> None:
        self.scheduler.preempt(job_id)

    def submit_waiting(self) -> str:
        return self.submit("true")

    @contextmanager
    def dead_controller(self) -> Iterator[None]:
        """Make the scheduler silent for a while."""
        self.scheduler.down = True
        yield
        self.scheduler.down = False


class LocalHarness(Harness):
    """Real processes on this machine."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.scheduler: LocalScheduler = LocalScheduler(folder / "state", slots=3, kill_wait=2)

    def preempt(self, job_id: str) -> None:
        self.scheduler.preempt(job_id)
        self.wait(lambda: "PREEMPTED" in [x.state for x in self.past(job_id)], "the preemption", [])

    def submit_waiting(self) -> str:
        return [self.submit("sleep 60") for _ in range(4)][-1]

    def close(self) -> None:
        for attempt in self.scheduler.queue():
            self.scheduler.cancel(attempt.job_id)
        wait_until(lambda: not self.scheduler.queue(), 10, "the local jobs to end")


class SlurmHarness(Harness):
    """A real cluster, through its clients or through the stand-in for pyslurm."""

    preemptible: Mapping[str, str] = {"nodelist": "n3", "exclusive": ""}

    def __init__(self, folder: Path, cluster: SlurmCluster, kind: str) -> None:
        super().__init__(folder)
        self.slurm = cluster
        adapters = {
            "slurm_cli": lambda: SlurmCli(cluster.env, seconds=15),
            "pyslurm": lambda: PySlurm({**cluster.env, "PYTHONPATH": _python_path()}, seconds=15),
        }
        self.scheduler = adapters[kind]()

    def job_over_its_limit(self) -> str:
        self.started_at -= timedelta(hours=1)
        return submit_job_over_its_limit(self.slurm)

    def preempt(self, job_id: str) -> None:
        urgent = self.folder / "urgent.sh"
        urgent.write_text("#!/bin/bash\nsleep 60\n")
        options = {"partition": "urgent", **self.preemptible}
        other = self.scheduler.submit(Submission(str(urgent), work_dir=str(self.folder), options=options))
        self.wait_queued(other, "RUNNING")
        self.scheduler.cancel(other)
        # Accounting hears of it later than the controller.
        self.wait(lambda: "PREEMPTED" in [x.state for x in self.past(job_id)], "the preemption in accounting", [])

    def submit_waiting(self) -> str:
        return self.submit("true", options={"begin": "now+1hour"})

    @contextmanager
    def dead_controller(self) -> Iterator[None]:
        """Stop slurmctld, and start it again afterwards."""
        self.slurm.stop_controller()
        try:
            yield
        finally:
            self.slurm.start_controller()
            self.slurm.wait_for(lambda: set(self.slurm.node_states().values()) <= {"idle", "mixed"})

    @contextmanager
    def dead_accounting(self) -> Iterator[None]:
        """Stop slurmdbd, and start it again afterwards."""
        self.slurm.stop_accounting()
        try:
            yield
        finally:
            self.slurm.start_accounting()

    def close(self) -> None:
        if self.submitted:
            self.slurm.run(["scancel", *self.submitted], check=False)


def _python_path() -> str:
    """The path on which pyslurm lies: the real one's where one is installed, else that of our stand-in."""
    inherited = os.environ.get("PYTHONPATH", "")
    # Only looked for: importing pyslurm here could end this process.
    return inherited if find_spec("pyslurm") else f"{STANDIN}{os.pathsep}{inherited}"


def submit_job_over_its_limit(cluster: SlurmCluster) -> str:
    """Return the id of the cluster's one job that runs out of time, submitted by the first caller.

    Slurm's limits are whole minutes and looked at every 30 seconds: so the job is started early, is
    shared, and its end is moved up, which is the same to the controller.
    """
    known = cluster.layout.folder / "job-over-its-limit"
    if known.exists():
        return known.read_text()
    command = ["sbatch", "--parsable", "--output=/dev/null", "--wrap=exec sleep 600"]
    job_id = cluster.run(command).strip()
    cluster.wait_for(lambda: cluster.run(["squeue", "-h", "-j", job_id, "-o", "%T"]).strip() == "RUNNING")
    end = time.strftime("%Y-%m-%dT%H:%M:%S", time.localtime(time.time() + 1))
    cluster.run(["scontrol", "update", f"jobid={job_id}", f"EndTime={end}"])
    known.write_text(job_id)
    return job_id
