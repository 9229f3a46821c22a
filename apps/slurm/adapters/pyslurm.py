"""Slurm through pyslurm, which is quick, but never inside this process.

pyslurm holds the interpreter's lock during calls (a dead controller would stop every thread for 20
seconds), ends the process when it is imported without a slurm.conf, and changes how later extensions are
loaded. So each call is a child process (``pyslurm_child``) that is killed when its time is over.
Whatever pyslurm cannot do faithfully (history, array tasks, most options) goes to Slurm's own clients.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.core.errors import Permanent, Transient
from apps.slurm.adapters import slurm_text as text
from apps.slurm.adapters.batch_script import directives
from apps.slurm.adapters.slurm_cli import SlurmCli, of_cluster
from apps.slurm.ports import ENDED_STATES, GpuType, JobAttempt, Scheduler, Submission

_PROJECT = Path(__file__).resolve().parents[3]
_SPOKEN = {
    "job-name": "name",
    "output": "standard_output",
    "time": "time_limit",
    "gpus": "gpus",
    "mem": "memory_per_node",
    "array": "array",
    "partition": "partitions",
    "comment": "comment",
    "chdir": "working_directory",
}


class PySlurm(Scheduler):
    """One cluster. ``environment`` replaces the inherited one; ``seconds`` is each call's time-out.

    ``python`` is the interpreter that has pyslurm, this process's own unless told otherwise. ``cluster`` and
    ``conf`` are as for the clients; a cluster that has no ``conf`` of its own is theirs alone, since pyslurm
    talks to the one cluster of its slurm.conf.
    """

    kind = "pyslurm"

    def __init__(
        self,
        environment: Mapping[str, str] | None = None,
        *,
        seconds: float = 20,
        python: str = sys.executable,
        cluster: str = "",
        conf: str = "",
    ) -> None:
        if cluster and not conf:
            raise Permanent(
                f"pyslurm cannot ask the cluster '{cluster}' by its name: set `conf` of its [[slurm.cluster]]."
            )
        inherited = os.environ if environment is None else environment
        self._environment = of_cluster(inherited, conf) if cluster else dict(inherited)
        self._seconds = seconds
        self._python = python
        self._cli = SlurmCli(environment, seconds=seconds, cluster=cluster, conf=conf)

    def cluster(self) -> str:
        return self._cli.cluster()

    def version(self) -> str:
        return self._cli.version()

    def queue(self, users: Sequence[str] = ()) -> list[JobAttempt]:
        cluster = self.cluster()
        jobs = (job for job in self._ask("queue") if not users or job["user"] in users)
        live = [job for job in jobs if text.state_name(job["state"]) not in ENDED_STATES]
        # pyslurm tells the GPUs that were asked for by node, and is silent on those of --gpus.
        gpus = self._cli.gpus_of_live_jobs() if live else {}
        return [attempt for job in live for attempt in _attempts({**job, "gpus": gpus.get(job["raw_id"], 0)}, cluster)]

    def history(self, since: datetime, users: Sequence[str] = ()) -> list[JobAttempt]:
        # pyslurm's database calls keep only the last attempt of each job.
        return self._cli.history(since, users)

    def attempts_of(self, job_ids: Sequence[str], since: datetime) -> list[JobAttempt]:
        return self._cli.attempts_of(job_ids, since)

    def gpu_types(self) -> list[GpuType]:
        return self._cli.gpu_types()  # asked seldom, and told in the same words whatever pyslurm's release

    def submit(self, submission: Submission) -> str:
        path = Path(submission.work_dir, submission.script).absolute()
        description = _description(submission, path)
        if description is None:
            return self._cli.submit(submission)
        # Always sent: without it some releases send none, and the controller refuses the job.
        kept = {name: value for name, value in self._environment.items() if name not in submission.without}
        environment = {**kept, **submission.environment}
        return str(self._ask("submit", description={**description, "environment": environment}))

    def requeue(self, job_id: str) -> None:
        self._act("requeue", job_id)

    def hold(self, job_id: str) -> None:
        self._act("hold", job_id)

    def release(self, job_id: str) -> None:
        self._act("release", job_id)

    def cancel(self, job_id: str) -> None:
        self._act("cancel", job_id)

    def _act(self, verb: str, job_id: str) -> None:
        # pyslurm knows raw ids only, which pending array tasks do not have yet.
        if "_" in text.check_job_id(job_id) or self._ask(verb, job_id=int(job_id)) == "array":
            getattr(self._cli, verb)(job_id)

    def _ask(self, call: str, **values: Any) -> Any:
        answer = ask_child(
            {"call": call, **values},
            python=self._python,
            environment=self._environment,
            seconds=self._seconds,
        )
        if "answer" in answer:
            return answer["answer"]
        failure = Transient if answer.get("transient") else Permanent
        raise failure(str(answer.get("sentence", "pyslurm failed and said nothing.")))


def ask_child(
    request: Mapping[str, Any], *, python: str, environment: Mapping[str, str], seconds: float
) -> dict[str, Any]:
    """Send one request to a fresh child and return its reply: ``answer``, or ``sentence`` and ``transient``.

    Raises ``Transient`` when the child does not end in time or dies without a word.
    """
    try:
        done = subprocess.run(
            [python, "-m", "apps.slurm.adapters.pyslurm_child"],
            input=json.dumps(request).encode() + b"\n",
            capture_output=True,
            timeout=seconds,
            check=False,
            env=dict(environment),
            cwd=_PROJECT,
        )
    except subprocess.TimeoutExpired:
        raise Transient(f"pyslurm did not answer within {seconds:g} seconds.") from None
    except OSError as error:
        raise Transient(f"pyslurm's process could not be started: {error.strerror}.") from None
    try:
        reply: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        said = done.stderr.decode(errors="replace").strip()[-300:]
        raise Transient(f"pyslurm's process ended with {done.returncode}: {said or 'no word'}.") from None
    return reply


def _description(submission: Submission, path: Path) -> dict[str, Any] | None:
    """Return the arguments of JobSubmitDescription; None when sbatch has to do it.

    pyslurm does not read a script's #SBATCH lines by itself, so they are put together with the options
    here; anything beyond the arguments that we have seen work is left to sbatch.
    """
    try:
        options = {**directives(path.read_text()), **submission.options}
    except (OSError, ValueError):
        return None  # sbatch says what is wrong with the script
    named = {"job-name": submission.name, "comment": submission.comment, "chdir": submission.work_dir}
    options |= {name: value for name, value in named.items() if value}
    options.setdefault("job-name", path.name)
    options.setdefault("chdir", str(Path.cwd()))
    if submission.args or not options.keys() <= _SPOKEN.keys():
        return None
    return {_SPOKEN[name]: value for name, value in options.items()} | {"script": str(path)}


def _attempts(job: Mapping[str, Any], cluster: str) -> Iterator[JobAttempt]:
    """Yield the attempt of one record, or one for each pending task of an array's shared record."""
    array, task = job["array_id"], job["array_task_id"]
    if array and task is None and job["waiting"]:
        for number in text.task_numbers(job["waiting"]):
            yield _attempt(job, cluster, array, number, None)
    elif array:
        # pyslurm says None where it means task 0.
        yield _attempt(job, cluster, array, task or 0, job["raw_id"])
    else:
        yield _attempt(job, cluster, None, None, job["raw_id"])


def _attempt(job: Mapping[str, Any], cluster: str, array: int | None, task: int | None, raw: int | None) -> JobAttempt:
    job_id = str(raw) if array is None else f"{array}_{task}"
    pending = job["state"] == "PENDING"
    letters = text.log_values(job_id, raw, job["name"], job["user"], job["nodes"])
    # The shared record of pending tasks has a path filled in for none of them.
    stdout, stderr = ("", "") if array and raw is None else (job["stdout"], job["stderr"])
    return JobAttempt(
        cluster=cluster,
        job_id=job_id,
        submit_at=datetime.fromtimestamp(job["submitted"], UTC),
        state=text.state_name(job["state"]),
        raw_id=raw,
        array_job_id=array,
        array_task_id=task,
        name=job["name"],
        user=job["user"],
        partition=job["partition"],
        reason=text.words(job["reason"]),
        start_at=None if pending or not job["started"] else datetime.fromtimestamp(job["started"], UTC),
        elapsed_seconds=job["run_time"],
        time_limit_seconds=job["time_limit_minutes"] and job["time_limit_minutes"] * 60,
        nodes=job["nodes"],
        gpus=job["gpus"],
        comment=job["comment"],
        work_dir=job["work_dir"],
        stdout_path=text.log_path(stdout, job["work_dir"], letters),
        stderr_path=text.log_path(stderr, job["work_dir"], letters),
        command=job["command"],
        requeue_count=job["requeue_count"],
    )
