"""Slurm by its own command-line clients: works with every version, needs nothing but them."""

import os
import re
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import structlog

from apps.core.errors import Permanent, SweepboardError
from apps.slurm.adapters import slurm_rows
from apps.slurm.adapters.command import reading_environment, run_command
from apps.slurm.adapters.slurm_text import check_job_id
from apps.slurm.ports import GpuType, JobAttempt, Scheduler, Submission

# With a start alone sacct looks at the time at which a job became eligible, which stays 0 for array
# tasks behind a throttle and for held jobs: their attempts would be lost. Naming states avoids it.
_ENDED = "BF,CA,CD,DL,F,NF,OOM,PR,RQ,RV,TO"
_ALL_STATES = f"{_ENDED},PD,R,RS,S"
_OPTION = re.compile(r"[a-z][a-z0-9-]*")
_USER = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.@-]*\$?")
log = structlog.get_logger(__name__)


class SlurmCli(Scheduler):
    """One cluster, the one that ``SLURM_CONF`` of ``environment`` (or the machine) names.

    ``environment`` replaces the inherited one for every client; ``seconds`` is each call's time-out.
    ``cluster`` is the name that the cluster must answer to. With ``conf``, the path of its slurm.conf, the
    clients run with that; without it they find the cluster by its name, as one of several that share a
    slurmdbd (``--clusters``). They then need that slurmdbd for everything, the live queue too.
    """

    kind = "slurm_cli"

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        seconds: float = 20,
        cluster: str = "",
        conf: str = "",
    ) -> None:
        self._environment = of_cluster(environment, conf) if cluster else environment
        self._seconds = seconds
        self._expected = cluster
        self._by_name = [f"--clusters={cluster}"] if cluster and not conf else []
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

    def gpus_of_live_jobs(self) -> dict[int, int]:
        """Return how many GPUs each job of the queue has, or asks for while it waits, by raw id."""
        mark = _new_mark()
        fields = ("JobID", "tres-alloc")
        output = self._read(["squeue", "-h", "-O", ",".join(f"{name}:{mark}" for name in fields)])
        return slurm_rows.gpus_by_raw_id(slurm_rows.rows(output, fields, mark))

    def gpu_types(self) -> list[GpuType]:
        mark, fields = _new_mark(), ("NodeList", "Gres")
        output = self._read(["sinfo", "-a", "-h", "-N", "-O", ",".join(f"{name}:{mark}" for name in fields)])
        return slurm_rows.gpu_types(slurm_rows.rows(output, fields, mark))

    def history(self, since: datetime, users: Sequence[str] = ()) -> list[JobAttempt]:
        return self._accounted(since, _users(users) or ["--allusers"])

    def attempts_of(self, job_ids: Sequence[str], since: datetime) -> list[JobAttempt]:
        wanted = {check_job_id(job_id) for job_id in job_ids}
        if not wanted:
            return []
        # Asked for a task that never started, sacct answers with the whole of its array.
        found = self._accounted(since, ["--allusers", f"--jobs={','.join(sorted(wanted))}"])
        return [attempt for attempt in found if attempt.job_id in wanted]

    def _accounted(self, since: datetime, whose: list[str]) -> list[JobAttempt]:
        window = _window(since)
        # Side by side: slurmdbd asks its database once for every job's steps, which takes its time.
        with ThreadPoolExecutor(max_workers=1) as pool:
            asked = pool.submit(self._memory, [*window, f"--state={_ENDED}", *whose])
            records = self._sacct(["-X", *window, f"--state={_ALL_STATES}", *whose], self._fields())
            attempts = slurm_rows.history_attempts(records, self._live_jobs(slurm_rows.lacking(records)))
            memory = asked.result()
        return [_with_memory(attempt, memory) if attempt.ended else attempt for attempt in attempts]

    def _memory(self, choice: list[str]) -> dict[tuple[str, str], int]:
        """Return what the steps of ended attempts used, by raw id and submit time."""
        try:
            return slurm_rows.most_memory(self._sacct(["--noconvert", *choice], slurm_rows.STEP_FIELDS))
        except SweepboardError as error:
            # An extra: accounting has answered, and a pass that always fails for the sake of a figure is worse.
            log.warning("slurm.memory.unknown", cluster=self._expected, error=str(error))
            return {}

    def _sacct(self, choice: list[str], fields: Sequence[str]) -> list[slurm_rows.Row]:
        mark = _new_mark()
        shape = ["-D", "-n", "-p", f"--delimiter={mark}", f"--format={','.join(fields)}"]
        return list(slurm_rows.rows(self._read(["sacct", *shape, *choice]), fields, mark))

    def submit(self, submission: Submission) -> str:
        command = ["sbatch", "--parsable", *_options(submission), _script(submission), *submission.args]
        environment = self._job_environment(submission)
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
            self._check_name(name)
            self._config = name, slurm_rows.config_value(output, "SLURM_VERSION")
        return self._config

    def _check_name(self, name: str) -> None:
        if not name:
            raise Permanent("scontrol show config names no ClusterName: its answer cannot be understood.")
        if self._expected and name != self._expected:
            raise Permanent(
                f"The cluster that is configured as '{self._expected}' calls itself '{name}'. Set `name` of this "
                "[[slurm.cluster]] to the cluster's own name, or `conf` to the slurm.conf of the cluster that you mean."
            )

    def _fields(self) -> tuple[str, ...]:
        if not self._history_fields:
            offered = set(self._read(["sacct", "--helpformat"]).split())
            newer = (name for name in slurm_rows.SACCT_NEWER_FIELDS if name in offered)
            self._history_fields = (*slurm_rows.SACCT_FIELDS, *newer)
        return self._history_fields

    def _live_jobs(self, wanted: set[int]) -> slurm_rows.LiveJobs:
        if not wanted:
            return {}
        try:
            return slurm_rows.live_jobs(self._read(["scontrol", "show", "job", "-o", "-a"]), wanted)
        except SweepboardError:
            return {}  # an extra: accounting has answered, which is what was asked

    def _job_environment(self, submission: Submission) -> dict[str, str]:
        inherited = os.environ if self._environment is None else self._environment
        kept = {name: value for name, value in inherited.items() if name not in submission.without}
        return {**kept, **submission.environment}

    def _read(self, command: Sequence[str]) -> str:
        return self._run(command, reading_environment(self._environment), None)

    def _run(self, command: Sequence[str], environment: dict[str, str] | None, folder: str | None) -> str:
        aimed = [command[0], *self._by_name, *command[1:]]
        return run_command(aimed, seconds=self._seconds, environment=environment, folder=folder)


def of_cluster(environment: Mapping[str, str] | None, conf: str) -> dict[str, str]:
    """Return the environment for a named cluster: no other one may slip in by a variable of somebody's shell."""
    inherited = os.environ if environment is None else environment
    kept = {k: v for k, v in inherited.items() if k not in {"SLURM_CLUSTERS", "SBATCH_CLUSTERS"}}
    return {**kept, "SLURM_CONF": conf} if conf else kept


def _window(since: datetime) -> list[str]:
    start = since.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    # Until tomorrow, in case our clock is ahead of Slurm's; without an end, states mean "just then".
    return [f"--starttime={start}", "--endtime=now+1day"]


def _with_memory(attempt: JobAttempt, memory: Mapping[tuple[str, str], int]) -> JobAttempt:
    used = memory.get((str(attempt.raw_id), str(int(attempt.submit_at.timestamp()))))
    return attempt if used is None else replace(attempt, max_rss_bytes=used)


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
