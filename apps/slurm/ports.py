"""The scheduler as Sweepboard sees it: one contract for every adapter.

- Every call has a time-out of its own and raises only ``Transient`` (the scheduler does not answer;
  nothing is known) or ``Permanent`` (it answered no) from ``apps.core.errors``.
- An empty queue is an answer. "No such job" may be concluded only from calls that returned.
- Slurm keeps no record of a pending array task that was cancelled by itself: it is then in neither answer.
- Times are aware UTC datetimes; durations are whole seconds.
- An *attempt* is one life of a job: (cluster, job_id, submit_at). Slurm gives a requeued or
  preempted job a new submit time under the same id, so one job may have several attempts.
- ``job_id`` is the id people use: ``12345``, or ``12345_7`` for an array task.
- Arguments are lists all the way down; nothing is ever passed through a shell.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

ENDED_STATES = frozenset(
    {
        "BOOT_FAIL",
        "CANCELLED",
        "COMPLETED",
        "DEADLINE",
        "FAILED",
        "NODE_FAIL",
        "OUT_OF_MEMORY",
        "PREEMPTED",
        "REVOKED",
        "TIMEOUT",
    }
)


@dataclass(frozen=True, slots=True)
class JobAttempt:
    """One attempt of one job or array task, as the scheduler tells it.

    ``state`` is Slurm's long name in capitals, its first word only (``CANCELLED by 0`` is
    ``CANCELLED``); names that we have never heard of pass through unchanged. A requeued attempt is
    reported by accounting as ``REQUEUED``, ``PREEMPTED`` or ``NODE_FAIL``.
    ``raw_id`` is Slurm's own number, which is what a job sees as SLURM_JOB_ID; for array tasks it
    differs from the array's id. None where it is not known yet (pending array tasks).
    ``gpus`` counts allocated GPUs, or requested ones while pending.
    ``exit_code`` and ``exit_signal`` are both None until the attempt has ended and accounting knows how, then
    both numbers: 3 and 0 for ``3:0``, 0 and 9 for ``0:9``. Log paths are absolute, "" while unknown: pending
    array tasks, and on a Slurm whose accounting keeps none (22.05) jobs that the controller has forgotten.
    ``requeue_count`` is told by the queue, and by history only where accounting knows it; else it is 0.
    ``elapsed_seconds`` of a live attempt grows from call to call; of an ended one it is final.
    ``max_rss_bytes`` is the most memory that one step of the attempt held at a time, as far as it was
    sampled. History tells it of ended attempts; None while nobody knows it, which is not 0.
    """

    cluster: str
    job_id: str
    submit_at: datetime
    state: str
    raw_id: int | None = None
    array_job_id: int | None = None
    array_task_id: int | None = None
    name: str = ""
    user: str = ""
    partition: str = ""
    reason: str = ""
    start_at: datetime | None = None
    end_at: datetime | None = None
    elapsed_seconds: int = 0
    time_limit_seconds: int | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    nodes: str = ""
    gpus: int = 0
    comment: str = ""
    work_dir: str = ""
    stdout_path: str = ""
    stderr_path: str = ""
    command: str = ""
    requeue_count: int = 0
    max_rss_bytes: int | None = None

    @property
    def ended(self) -> bool:
        return self.state in ENDED_STATES or self.state == "REQUEUED"


@dataclass(frozen=True, slots=True)
class GpuType:
    """One type of GPU that a cluster has, as its administrators named it; empty where they named none."""

    name: str
    gpus: int
    nodes: int


@dataclass(frozen=True, slots=True)
class Submission:
    """What to run. ``script`` is the path of a batch script, ``args`` its arguments.

    A relative ``script`` is looked for in ``work_dir``, which is the caller's own folder when empty.

    ``environment`` is added to the environment that the job would get anyway, which is the submitter's; of that,
    the variables named in ``without`` do not reach the job.
    ``options`` are further scheduler options by their long sbatch name, such as
    ``{"gpus": "1", "array": "0-3", "exclude": "g07"}``; the value "" means a bare flag.
    """

    script: str
    args: Sequence[str] = ()
    name: str = ""
    work_dir: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    without: Sequence[str] = ()
    comment: str = ""
    options: Mapping[str, str] = field(default_factory=dict)


class Scheduler(Protocol):
    """One scheduler. See the module's docstring for what every method promises."""

    kind: str  # "slurm_cli", "pyslurm", "local" or "memory"

    def cluster(self) -> str:
        """The cluster's name, ``local`` for the local adapter."""

    def version(self) -> str:
        """The scheduler's version as it says it, such as ``22.05.8``."""

    def queue(self, users: Sequence[str] = ()) -> list[JobAttempt]:
        """Every job that is pending, running, suspended or completing; array tasks one by one."""

    def history(self, since: datetime, users: Sequence[str] = ()) -> list[JobAttempt]:
        """Every attempt that was alive at or after ``since``, earlier attempts of requeued jobs too."""

    def attempts_of(self, job_ids: Sequence[str], since: datetime) -> list[JobAttempt]:
        """Every attempt of exactly these jobs that accounting knows and that was alive at or after ``since``.

        For jobs that ``history`` should have told and did not: accounting may hear of a job's end long
        after it, and then no later window of time holds it. Ids that it does not know are left out.
        """

    def gpu_types(self) -> list[GpuType]:
        """The GPUs of the cluster's nodes by their type, those of nodes that are down as well; empty where none are."""

    def submit(self, submission: Submission) -> str:
        """Submit and return the job id; for an array, the array's id.

        A ``Transient`` leaves open whether the job exists: look for its comment before trying again.
        """

    def requeue(self, job_id: str) -> None:
        """Put a running or ended job back into the queue under its own id."""

    def hold(self, job_id: str) -> None:
        """Keep a pending job from starting."""

    def release(self, job_id: str) -> None:
        """Let a held job start again."""

    def cancel(self, job_id: str) -> None:
        """Cancel exactly this job. ``Permanent`` when it is unknown or has ended."""
