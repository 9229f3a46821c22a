"""A scheduler in memory for unit tests: nothing runs, a test says what happens and when."""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from apps.core.errors import Permanent, Transient
from apps.slurm.adapters.batch_script import BatchJob, read_batch_job
from apps.slurm.adapters.slurm_text import check_job_id, log_path, log_values
from apps.slurm.ports import GpuType, JobAttempt, Scheduler, Submission

_LIVE = frozenset({"PENDING", "RUNNING", "SUSPENDED", "COMPLETING"})


class MemoryScheduler(Scheduler):
    """Jobs that stay pending until a test calls ``start``, ``finish`` or ``preempt``.

    ``down`` makes every call raise ``Transient``; ``now`` is the clock, which only the test moves;
    ``attempts`` may be filled and read freely, oldest first. ``unheard`` holds the ids of jobs that
    accounting has not heard of yet; the queue knows them while they live.
    """

    kind = "memory"

    def __init__(
        self, *, now: datetime | None = None, partitions: Sequence[str] = ("batch",), name: str = "memory"
    ) -> None:
        self.now = now or datetime.now(UTC).replace(microsecond=0)
        self.down = False
        self.attempts: list[JobAttempt] = []
        self.unheard: set[str] = set()
        self.gpus: list[GpuType] = []
        self.submissions: dict[str, Submission] = {}
        self._name = name
        self._partitions = tuple(partitions)
        self._numbers = itertools.count(1)

    def cluster(self) -> str:
        self._answer()
        return self._name

    def version(self) -> str:
        self._answer()
        return "memory"

    def queue(self, users: Sequence[str] = ()) -> list[JobAttempt]:
        self._answer()
        return [x for x in self.attempts if x.state in _LIVE and (not users or x.user in users)]

    def history(self, since: datetime, users: Sequence[str] = ()) -> list[JobAttempt]:
        return [x for x in self._accounted(since) if not users or x.user in users]

    def attempts_of(self, job_ids: Sequence[str], since: datetime) -> list[JobAttempt]:
        return [x for x in self._accounted(since) if x.job_id in job_ids]

    def gpu_types(self) -> list[GpuType]:
        self._answer()
        return list(self.gpus)

    def submit(self, submission: Submission) -> str:
        self._answer()
        path = Path(submission.work_dir, submission.script)
        if not path.is_file():
            raise Permanent(f"The batch script {path} does not exist.")
        partition = submission.options.get("partition", self._partitions[0])
        if partition not in self._partitions:
            raise Permanent(f"There is no partition {partition!r}.")
        job = read_batch_job(path.read_text(), submission, submission.work_dir or "/")
        first = next(self._numbers)
        self.attempts += self._new(job, first, partition, str(path))
        self.submissions[str(first)] = submission
        return str(first)

    def requeue(self, job_id: str) -> None:
        for attempt in self._last(job_id):
            if attempt.state == "PENDING":
                raise Permanent(f"Job {job_id} is pending.")
            if attempt.state in _LIVE:
                self.finish(attempt.job_id, "REQUEUED")
            self._again(attempt)

    def hold(self, job_id: str) -> None:
        self._set_pending(job_id, "JobHeldUser")

    def release(self, job_id: str) -> None:
        self._set_pending(job_id, "")

    def cancel(self, job_id: str) -> None:
        live = [x for x in self._last(job_id) if x.state in _LIVE]
        if not live:
            raise Permanent(f"Job {job_id} has ended: there is nothing to cancel.")
        for attempt in live:
            self.finish(attempt.job_id, "CANCELLED")

    # what a test makes happen

    def start(self, job_id: str, nodes: str = "n1") -> None:
        """Let a pending job run; a held one stays where it is."""
        for attempt in self._last(job_id):
            if attempt.state == "PENDING" and attempt.reason != "JobHeldUser":
                self._change(attempt, state="RUNNING", reason="", start_at=self.now, nodes=nodes)

    def finish(
        self,
        job_id: str,
        state: str = "COMPLETED",
        exit_code: int = 0,
        exit_signal: int = 0,
        max_rss_bytes: int | None = None,
    ) -> None:
        """End the job's last attempt, or those of the array's tasks, in ``state``."""
        for attempt in self._last(job_id):
            ran = int((self.now - attempt.start_at).total_seconds()) if attempt.start_at else 0
            ending = {"end_at": self.now, "exit_code": exit_code, "exit_signal": exit_signal}
            self._change(attempt, state=state, reason="", elapsed_seconds=ran, max_rss_bytes=max_rss_bytes, **ending)

    def preempt(self, job_id: str) -> None:
        """End a running job as PREEMPTED and put it back into the queue."""
        for attempt in self._last(job_id):
            self.finish(attempt.job_id, "PREEMPTED")
            self._again(attempt)

    def _answer(self) -> None:
        if self.down:
            raise Transient("The scheduler does not answer.")

    def _accounted(self, since: datetime) -> list[JobAttempt]:
        self._answer()
        heard = (x for x in self.attempts if x.job_id not in self.unheard)
        return [x for x in heard if x.end_at is None or x.end_at >= since]

    def _new(self, job: BatchJob, first: int, partition: str, command: str) -> Iterator[JobAttempt]:
        for offset, task in enumerate(job.tasks or [None]):
            raw = first if offset == 0 else next(self._numbers)
            job_id = str(first) if task is None else f"{first}_{task}"
            letters = log_values(job_id, raw, job.name, "tester", "n1")
            yield JobAttempt(
                cluster=self._name,
                job_id=job_id,
                submit_at=self.now,
                state="PENDING",
                raw_id=raw,
                array_job_id=None if task is None else first,
                array_task_id=task,
                name=job.name,
                user="tester",
                partition=partition,
                reason="JobHeldUser" if job.held else "Priority",
                time_limit_seconds=job.limit_seconds,
                gpus=job.gpus,
                comment=job.comment,
                work_dir=job.work_dir,
                stdout_path=log_path(job.stdout, job.work_dir, letters),
                stderr_path=log_path(job.stderr, job.work_dir, letters),
                command=command,
            )

    def _last(self, job_id: str) -> list[JobAttempt]:
        self._answer()
        array = int(check_job_id(job_id)) if job_id.isdigit() else -1
        last = {x.job_id: x for x in self.attempts if x.job_id == job_id or x.array_job_id == array}
        if not last:
            raise Permanent(f"Job {job_id} is unknown.")
        return list(last.values())

    def _set_pending(self, job_id: str, reason: str) -> None:
        for attempt in self._last(job_id):
            if attempt.state != "PENDING":
                raise Permanent(f"Job {job_id} is not pending.")
            self._change(attempt, reason=reason)

    def _change(self, attempt: JobAttempt, **changes: object) -> None:
        changed = replace(attempt, **changes)  # type: ignore[arg-type]  # names and types are ours
        self.attempts = [changed if x is attempt else x for x in self.attempts]

    def _again(self, attempt: JobAttempt) -> None:
        fresh = replace(
            attempt,
            state="PENDING",
            reason="Priority",
            submit_at=max(self.now, attempt.submit_at + timedelta(seconds=1)),
            start_at=None,
            end_at=None,
            elapsed_seconds=0,
            exit_code=None,
            exit_signal=None,
            max_rss_bytes=None,
            nodes="",
            requeue_count=attempt.requeue_count + 1,
        )
        self.attempts = [*self.attempts, fresh]
