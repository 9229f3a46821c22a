"""A STAND-IN for pyslurm, for tests only: it is not pyslurm and holds none of its code.

It offers the names that Sweepboard calls, with the defects that were seen in real releases, and does the
work through Slurm's command-line clients against a real cluster. It exists because pyslurm builds only
beside a Slurm of exactly its own version. Defects kept: cancel() of an unknown job says nothing, task 0
of an array has ``array_task_id`` None, an import without slurm.conf hangs and then ends the process,
``submit()`` without ``environment`` fails, and #SBATCH lines are not read.
"""

import os
import re
import subprocess
import time
from pathlib import Path

__version__ = "22.5.0-standin"

if not Path(os.environ.get("SLURM_CONF", "/etc/slurm/slurm.conf")).is_file():
    time.sleep(60)
    os._exit(1)

_ERRNO = {
    "Invalid job id": 2017,
    "invalid partition": 2000,
    "Invalid partition": 2000,
    "contact slurm controller": 1800,
    "Unexpected message": 1800,
    "already finished": 2021,
    "pending execution": 2022,
}


class PyslurmError(Exception):
    """The base of pyslurm's errors."""


class RPCError(PyslurmError):
    """What the controller says no with."""

    def __init__(self, errno=-1, msg=""):
        super().__init__(msg)
        self.errno = errno
        self.msg = msg


def _client(*command, env=None):
    variables = {**os.environ, "SLURM_TIME_FORMAT": "%s", "LC_ALL": "C.UTF-8"} if env is None else env
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=variables)
    if done.returncode:
        number = next((value for words, value in _ERRNO.items() if words in done.stderr), -1)
        raise RPCError(number, done.stderr.strip())
    return done.stdout


def _seconds(clock):
    days, _, rest = clock.rpartition("-")
    hours, minutes, seconds = (int(part) for part in rest.split(":"))
    return ((int(days or 0) * 24 + hours) * 60 + minutes) * 60 + seconds


class Job:
    """One job, by its raw number."""

    def __init__(self, job_id):
        self.id = int(job_id)

    @staticmethod
    def load(job_id):
        """Return the job with everything that the controller knows, or raise RPCError 2017."""
        records = _records(_client("scontrol", "show", "job", "-o", str(job_id)))
        return records[int(job_id)] if int(job_id) in records else next(iter(records.values()))

    def _fill(self, text):
        def value(name):
            match = re.search(rf"(?:^| ){name}=(\S*)", text)
            return None if match is None or match[1] in {"(null)", "N/A", "Unknown"} else match[1]

        task = value("ArrayTaskId") or ""
        comment = re.search(r" Comment=(.*?)\s+StdErr=", text, re.DOTALL)
        self.array_id = int(value("ArrayJobId") or 0) or None
        self.array_task_id = (int(task) or None) if task.isdigit() else None
        self.array_tasks_waiting = None if task.isdigit() else task.partition("%")[0] or None
        self.state = value("JobState")
        self.state_reason = value("Reason")
        self.name = value("JobName")
        self.user_name = value("UserId").partition("(")[0]
        self.partition = value("Partition")
        self.submit_time = int(value("SubmitTime"))
        self.start_time = int(value("StartTime") or 0) or None
        self.run_time = _seconds(value("RunTime"))
        limit = value("TimeLimit")
        self.time_limit = "UNLIMITED" if limit == "UNLIMITED" else _seconds(limit) // 60
        self.allocated_nodes = value("NodeList")
        self.comment = comment[1].strip() if comment else None
        self.working_directory = value("WorkDir")
        self.standard_output = value("StdOut")
        self.standard_error = value("StdErr")
        self.command = value("Command")
        self.requeue_count = int(value("Restarts") or 0)
        code, _, signal = (value("ExitCode") or "0:0").partition(":")
        self.exit_code, self.exit_code_signal = int(code), int(signal)
        return self

    def requeue(self, hold=False):
        """Put the job back into the queue."""
        _client("scontrol", "requeuehold" if hold else "requeue", str(self.id))

    def cancel(self):
        """Cancel the job; says nothing when there is none."""
        subprocess.run(["scancel", str(self.id)], capture_output=True, check=False)

    def hold(self):
        """Keep the job from starting."""
        _client("scontrol", "hold", str(self.id))

    def release(self):
        """Let a held job start again."""
        _client("scontrol", "release", str(self.id))


def _records(output):
    texts = (x for x in re.split(r"\n(?=JobId=\d+ )", output) if x.startswith("JobId="))
    numbered = ((int(re.match(r"JobId=(\d+)", text)[1]), text) for text in texts)
    return {number: Job(number)._fill(text) for number, text in numbered}


class Jobs(dict):
    """Every job that the controller remembers, by raw number."""

    @staticmethod
    def load():
        """Return the jobs, ended ones too."""
        return Jobs(_records(_client("scontrol", "show", "job", "-o")))


class JobSubmitDescription:
    """What to submit."""

    _OPTIONS = {
        "name": "job-name",
        "working_directory": "chdir",
        "standard_output": "output",
        "time_limit": "time",
        "gpus": "gpus",
        "memory_per_node": "mem",
        "array": "array",
        "partitions": "partition",
        "comment": "comment",
    }

    def __init__(self, *, script=None, environment=None, is_requeueable=None, **values):
        unknown = values.keys() - self._OPTIONS.keys()
        if unknown:
            raise TypeError(f"unexpected arguments {sorted(unknown)}")
        self._script, self._environment, self._values = script, environment, values

    def submit(self):
        """Submit and return the job's number."""
        if not self._environment:
            raise RPCError(2019, "No environment")
        if not Path(self._script).read_text().startswith("#!"):
            raise ValueError("The script must begin with #!")
        options = [f"--{self._OPTIONS[name]}={value}" for name, value in self._values.items()]
        command = ["sbatch", "--parsable", "--ignore-pbs", "--export=ALL", *options, self._script]
        return int(_client(*command, env=self._environment).strip())
