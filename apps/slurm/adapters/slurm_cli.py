"""Slurm by its own command-line clients: works with every version, needs nothing but them."""

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from apps.core.errors import Permanent, Transient
from apps.slurm.adapters import slurm_rows
from apps.slurm.adapters.command import reading_environment, run_command
from apps.slurm.adapters.slurm_text import check_job_id
from apps.slurm.ports import JobAttempt, Scheduler, Submission

# With a start alone sacct looks at the time at which a job became eligible, which stays 0 for array
# tasks behind a throttle and for held jobs: their attempts would be lost. Naming states avoids it.
_ALL_STATES = "BF,CA,CD,DL,F,NF,OOM,PD,PR,R,RQ,RS,RV,S,TO"
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?")


class SlurmCli(Scheduler):
    """One cluster, the one that ``SLURM_CONF`` of ``environment`` (or the machine) names.

    ``environment`` replaces the inherited one for every client; ``seconds`` is each call's time-out.
    """

    kind = "slurm_cli"

    def __init__(self, environment: Mapping[str, str] | None = None, *, seconds: float = 20) -> None:
        self._environment = None if environment is None else dict(environment)
        self._seconds = seconds
        self._config: tuple[str, str] | None = None
        self._history_fields: tuple[str, ...] = ()

    def cluster(self) -> str:
        return self._identity()[0]

    def version(self) -> str:
        return self._identity()[1]

    def queue(self, users: Sequence[str] = ()) -> list[JobAttempt]:
        cluster, mark = self.cluster(), _new_mark()
        command = ["squeue", "-r", "-h", "-O", slurm_rows.squeue_format(mark), *_users(users)]
        return slurm_rows.queue_attempts(self._read(command), cluster, mark)

    def history(self, since: datetime, users: Sequence[str] = ()) -> list[JobAttempt]:
        fields, mark = self._fields(), _new_mark()
        start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
        command = ["sacct", "-X", "-D", "-n", "-p", f"--delimiter={mark}", f"--format={','.join(fields)}"]
        # Until tomorrow, in case our clock is ahead of Slurm's; without an end, states mean "just then".
        command += [f"--starttime={start}", "--endtime=now+1day", f"--state={_ALL_STATES}"]
        output = self._read([*command, *(_users(users) or ["--allusers"])])
        live = self._live_jobs() if output.strip() else {}
        return slurm_rows.history_attempts(output, fields, mark, live)

    def submit(self, submission: Submission) -> str:
        command = ["sbatch", "--parsable", *_options(submission), _script(submission), *submission.args]
        environment = self._job_environment(submission.environment)
        output = self._run(command, environment, submission.work_dir or None)
        job_id = output.strip().split("\n")[-1].partition(";")[0]
        if not job_id.isdigit():
            raise Permanent(f"sbatch answered {output.strip()!r} where a job id was expected.")
        return job_id

    def requeue(self, job_id: str) -> None:
        self._read(["scontrol", "requeue", check_job_id(job_id)])

    def hold(self, job_id: str) -> None:
        self._read(["scontrol", "hold", check_job_id(job_id)])

    def release(self, job_id: str) -> None:
        self._read(["scontrol", "release", check_job_id(job_id)])

    def cancel(self, job_id: str) -> None:
        # scancel says nothing of an unknown or ended job, so the queue is asked first.
        queued = self._read(["squeue", "-h", "-r", "-j", check_job_id(job_id), "-o", "%i"])
        if not queued.strip():
            raise Permanent(f"Job {job_id} has ended or is unknown: there is nothing to cancel.")
        self._read(["scancel", job_id])

    def _identity(self) -> tuple[str, str]:
        if self._config is None:
            output = self._read(["scontrol", "show", "config"])
            name = slurm_rows.config_value(output, "ClusterName")
            self._config = name, slurm_rows.config_value(output, "SLURM_VERSION")
        return self._config

    def _fields(self) -> tuple[str, ...]:
        if not self._history_fields:
            offered = set(self._read(["sacct", "--helpformat"]).split())
            newer = (name for name in slurm_rows.SACCT_NEWER_FIELDS if name in offered)
            self._history_fields = (*slurm_rows.SACCT_FIELDS, *newer)
        return self._history_fields

    def _live_jobs(self) -> slurm_rows.LiveJobs:
        try:
            return slurm_rows.live_jobs(self._read(["scontrol", "show", "job", "-o", "-a"]))
        except (Transient, Permanent):
            return {}  # an extra: accounting has answered, which is what was asked

    def _job_environment(self, extra: Mapping[str, str]) -> dict[str, str] | None:
        if self._environment is None and not extra:
            return None
        return {**(os.environ if self._environment is None else self._environment), **extra}

    def _read(self, command: Sequence[str]) -> str:
        return self._run(command, reading_environment(self._environment), None)

    def _run(self, command: Sequence[str], environment: dict[str, str] | None, folder: str | None) -> str:
        return run_command(command, seconds=self._seconds, environment=environment, folder=folder)


def _new_mark() -> str:
    # Drawn for every call: nobody can put it into a job's name or comment beforehand.
    return f"\x1f{secrets.token_hex(6)}\x1f"


def _users(users: Sequence[str]) -> list[str]:
    for user in users:
        if not _USER.fullmatch(user):
            raise Permanent(f"{user!r} is not a user name.")
    return [f"--user={','.join(users)}"] if users else []


def _script(submission: Submission) -> str:
    path = Path(submission.work_dir, submission.script).absolute()
    if not path.is_file():
        raise Permanent(f"The batch script {path} does not exist.")
    return str(path)


def _options(submission: Submission) -> list[str]:
    options = dict(submission.options)
    for name in options:
        if not _OPTION.fullmatch(name):
            raise Permanent(f"{name!r} is not the long name of an sbatch option.")
    named = {"job-name": submission.name, "comment": submission.comment, "chdir": submission.work_dir}
    options |= {name: value for name, value in named.items() if value}
    if submission.environment:
        options.setdefault("export", "ALL")  # a script's own --export=NONE would drop what we add
    return [f"--{name}={value}" if value else f"--{name}" for name, value in options.items()]
