"""A scheduler for one machine without Slurm: jobs are local processes, with Slurm's states and words.

State lives in a folder, so web and workers share it and may restart; each running job has a supervisor
of its own (``local_runner``) that outlives them. A supervisor holds a lock from birth to death: whoever
can take that lock knows that the supervisor was killed, whatever has become of its process id.
"""

import getpass
import json
import os
import shlex
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from apps.core.errors import Permanent
from apps.slurm.adapters import local_slots
from apps.slurm.adapters import local_store as table
from apps.slurm.adapters.batch_script import BatchJob, read_batch_job
from apps.slurm.adapters.slurm_text import check_job_id, log_path, log_values
from apps.slurm.ports import GpuType, JobAttempt, Scheduler, Submission

_PARTITION = "local"
_children: list[subprocess.Popen[bytes]] = []


class LocalScheduler(Scheduler):
    """Jobs of one folder. At most ``slots`` run at a time (default: one per CPU), oldest first.

    ``kill_wait`` is how many seconds a job has between SIGTERM and SIGKILL. ``environment`` replaces the
    inherited one as the base of what jobs get.
    """

    kind = "local"

    def __init__(
        self,
        folder: Path,
        *,
        slots: int | None = None,
        kill_wait: float = 30,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self._store = table.LocalStore(folder.absolute())
        self._slots = slots or os.cpu_count() or 1
        self._kill_wait = kill_wait
        self._environment = environment

    def cluster(self) -> str:
        return "local"

    def version(self) -> str:
        return "local"

    def queue(self, users: Sequence[str] = ()) -> list[JobAttempt]:
        self.tick()
        return self._attempts("state IN ('PENDING', 'RUNNING')", (), users)

    def history(self, since: datetime, users: Sequence[str] = ()) -> list[JobAttempt]:
        self.tick()
        return self._attempts("(end_at IS NULL OR end_at >= ?)", (since.timestamp(),), users)

    def attempts_of(self, job_ids: Sequence[str], since: datetime) -> list[JobAttempt]:
        wanted = set(job_ids)
        return [attempt for attempt in self.history(since) if attempt.job_id in wanted]

    def gpu_types(self) -> list[GpuType]:
        return []  # nothing here tells what is in the machine

    def submit(self, submission: Submission) -> str:
        path = Path(submission.work_dir, submission.script).absolute()
        text = _read_script(path)
        job = read_batch_job(text, submission, submission.work_dir or str(Path.cwd()))
        _check_places(job, submission.options.get("partition", _PARTITION))
        with self._store.transaction() as db:
            first = table.take_numbers(db, len(job.tasks or [0]))
            copy = self._store.folder / "scripts" / f"{first}.sh"
            copy.write_text(text)
            argv = [*job.interpreter, str(copy), *submission.args]
            command = shlex.join([str(path), *submission.args])
            for row in _new_rows(job, first, argv, command, self._job_environment(submission)):
                table.insert(db, row)
        self.tick()
        return str(first)

    def requeue(self, job_id: str) -> None:
        self._end_or_restart(job_id, "requeue")

    def preempt(self, job_id: str) -> None:
        """Take a running job's slot away and put it back into the queue, as a preempting job would."""
        self._end_or_restart(job_id, "preempt")

    def hold(self, job_id: str) -> None:
        self._hold(job_id, held=True)

    def release(self, job_id: str) -> None:
        self._hold(job_id, held=False)
        self.tick()

    def cancel(self, job_id: str) -> None:
        def act(db: sqlite3.Connection, row: table.Row) -> bool:
            if row["state"] == "PENDING":
                table.update(db, row["key"], state="CANCELLED", end_at=time.time(), exit_code=0, exit_signal=0)
            elif row["state"] == "RUNNING":
                self._ask_runner(db, row, "cancel")
            return row["state"] in {"PENDING", "RUNNING"}

        self._for_each(job_id, act, "has ended: there is nothing to cancel")

    def tick(self) -> None:
        """Find jobs whose supervisor was killed, and start as many pending jobs as there are free slots."""
        _children[:] = [child for child in _children if child.poll() is None]
        if not self._store.select("state IN ('PENDING', 'RUNNING')"):
            return
        with self._store.transaction() as db:
            local_slots.bury_dead(self._store, db)
            claimed = local_slots.claim(self._store, db, self._slots)
        for key, lock in claimed:
            _children.append(local_slots.launch(self._store, key, lock, self._slots, self._kill_wait))

    def _job_environment(self, submission: Submission) -> str:
        base = os.environ if self._environment is None else self._environment
        # A variable of a job that we ourselves may run in would make this job lie about its id.
        inherited = {k: v for k, v in base.items() if not k.startswith("SLURM_") and k not in submission.without}
        return json.dumps({**inherited, **submission.environment})

    def _for_each(self, job_id: str, act: Callable[[sqlite3.Connection, table.Row], bool], refusal: str) -> None:
        """Call ``act`` on the last attempt of the job, or of each task of the array; all in one go."""
        with self._store.transaction() as db:
            local_slots.bury_dead(self._store, db)
            rows = _last_attempts(db, check_job_id(job_id))
            if not rows:
                raise Permanent(f"Job {job_id} is unknown here.")
            if not sum(act(db, row) for row in rows):
                raise Permanent(f"Job {job_id} {refusal}.")

    def _end_or_restart(self, job_id: str, want: str) -> None:
        def act(db: sqlite3.Connection, row: table.Row) -> bool:
            if row["state"] == "RUNNING":
                self._ask_runner(db, row, want)
            elif row["state"] != "PENDING" and want == "requeue":
                table.insert_next_attempt(db, row, time.time())
            else:
                return False
            return True

        self._for_each(job_id, act, "is pending" if want == "requeue" else "is not running")
        self.tick()

    def _hold(self, job_id: str, *, held: bool) -> None:
        def act(db: sqlite3.Connection, row: table.Row) -> bool:
            if row["state"] == "PENDING":
                table.update(db, row["key"], held=int(held), reason="JobHeldUser" if held else "None")
            return bool(row["state"] == "PENDING")

        self._for_each(job_id, act, "is not pending")

    def _ask_runner(self, db: sqlite3.Connection, row: table.Row, want: str) -> None:
        table.update(db, row["key"], want=want)
        (self._store.attempt_folder(row["key"]) / "poke").touch()

    def _attempts(self, condition: str, values: tuple[float, ...], users: Sequence[str]) -> list[JobAttempt]:
        rows = self._store.select(condition, values)
        return [table.to_attempt(row, _PARTITION) for row in rows if not users or row["user"] in users]


def _new_rows(
    job: BatchJob, first: int, argv: Sequence[str], command: str, environment: str
) -> Iterator[dict[str, Any]]:
    now, user = time.time(), getpass.getuser()
    for offset, task in enumerate(job.tasks or [None]):
        raw, job_id = first + offset, str(first) if task is None else f"{first}_{task}"
        letters = log_values(job_id, raw, job.name, user, "localhost")
        yield {
            "job_id": job_id,
            "raw_id": raw,
            "array_id": None if task is None else first,
            "task_id": task,
            "at_once": job.at_once,
            "held": int(job.held),
            "submit_at": now,
            "limit_seconds": job.limit_seconds,
            "name": job.name,
            "user": user,
            "gpus": job.gpus,
            "comment": job.comment,
            "work_dir": job.work_dir,
            "stdout": log_path(job.stdout, job.work_dir, letters),
            "stderr": log_path(job.stderr, job.work_dir, letters),
            "append": int(job.append),
            "command": command,
            "argv": json.dumps(list(argv)),
            "environment": environment,
        }


def _last_attempts(db: sqlite3.Connection, job_id: str) -> list[table.Row]:
    array = int(job_id) if job_id.isdigit() else -1
    rows = table.select(db, "job_id = ? OR array_id = ?", (job_id, array))
    return list({row["job_id"]: row for row in rows}.values())  # later attempts come later


def _read_script(path: Path) -> str:
    try:
        return path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Permanent(f"The batch script {path} cannot be read: {error}.") from None


def _check_places(job: BatchJob, partition: str) -> None:
    if partition != _PARTITION:
        raise Permanent(f"There is no partition {partition!r}: this machine has only {_PARTITION!r}.")
    if not Path(job.work_dir).is_dir():
        raise Permanent(f"The working directory {job.work_dir} does not exist.")
