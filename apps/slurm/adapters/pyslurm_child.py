"""The one process that imports pyslurm: ``python -m apps.slurm.adapters.pyslurm_child``.

It reads one JSON request from its input, writes one JSON reply, and ends. The reply is
``{"answer": …}`` or ``{"sentence": …, "transient": bool}``. Its parent is ``pyslurm.PySlurm``.
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from apps.core.errors import SweepboardError, Transient
from apps.slurm.adapters.command import classify
from apps.slurm.ports import ENDED_STATES

_CONFS = ("/etc/slurm/slurm.conf", "/run/slurm/conf/slurm.conf", "/etc/slurm-llnl/slurm.conf")
_COMMUNICATION = range(1800, 2000)  # Slurm's error numbers for 'the controller cannot be talked to'


def main() -> None:
    """Answer the one request on standard input."""
    request = json.loads(sys.stdin.readline())
    # Slurm's library may write to standard output; the reply keeps that channel to itself.
    reply_to = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    reply_to.write(json.dumps(_reply(request)) + "\n")
    reply_to.flush()
    # Threads of Slurm's library have been seen to hang at an orderly exit.
    os._exit(0)


def _reply(request: dict[str, Any]) -> dict[str, Any]:
    if not _conf_exists():
        # Importing pyslurm now would retry for a minute and then end the process.
        return _failure("There is no slurm.conf: set SLURM_CONF to its path.", transient=False)
    try:
        import pyslurm
    except Exception as error:
        return _failure(f"pyslurm cannot be imported: {error}.", transient=False)
    try:
        return {"answer": _CALLS[request["call"]](pyslurm, request)}
    except (ValueError, TypeError) as error:
        return _failure(f"pyslurm refused: {error}.", transient=False)
    except Exception as error:
        return _slurm_failure(error)


def _conf_exists() -> bool:
    named = os.environ.get("SLURM_CONF")
    return any(Path(path).is_file() for path in ([named] if named else _CONFS))


def _slurm_failure(error: Exception) -> dict[str, Any]:
    number = getattr(error, "errno", None)
    said = classify("pyslurm", str(getattr(error, "msg", None) or error), 1)
    lost = isinstance(said, Transient) or number in _COMMUNICATION
    sentence: SweepboardError | str = said
    if number is not None:
        sentence = f"{str(said).rstrip('.')} (Slurm error {number})."
    return _failure(str(sentence), transient=lost)


def _failure(sentence: str, *, transient: bool) -> dict[str, Any]:
    return {"sentence": sentence, "transient": transient}


def _version(pyslurm: Any, request: dict[str, Any]) -> str:
    return str(getattr(pyslurm, "__version__", "") or "unknown")


def _queue(pyslurm: Any, request: dict[str, Any]) -> list[dict[str, Any]]:
    return [_plain(int(number), job) for number, job in dict(pyslurm.Jobs.load()).items()]


def _submit(pyslurm: Any, request: dict[str, Any]) -> int:
    return int(pyslurm.JobSubmitDescription(**request["description"]).submit())


def _requeue(pyslurm: Any, request: dict[str, Any]) -> str:
    return _on_job(pyslurm, request, "requeue", may_have_ended=True)


def _hold(pyslurm: Any, request: dict[str, Any]) -> str:
    return _on_job(pyslurm, request, "hold")


def _release(pyslurm: Any, request: dict[str, Any]) -> str:
    return _on_job(pyslurm, request, "release")


def _cancel(pyslurm: Any, request: dict[str, Any]) -> str:
    return _on_job(pyslurm, request, "cancel")


def _on_job(pyslurm: Any, request: dict[str, Any], verb: str, *, may_have_ended: bool = False) -> str:
    """Do ``verb``, or return "array" for what is no plain job; unknown and ended jobs are errors."""
    number = request["job_id"]
    # Asked first: cancel() of an unknown or ended job says nothing.
    job = pyslurm.Job.load(number)
    if job.array_id:
        return "array"
    if not may_have_ended and str(job.state).split()[0] in ENDED_STATES:
        raise ValueError(f"job {number} has ended ({job.state})")
    getattr(pyslurm.Job(number), verb)()
    return "done"


def _plain(number: int, job: Any) -> dict[str, Any]:
    """Return a job as JSON: seconds, minutes and text; attributes that a release lacks are empty."""

    def get(name: str, otherwise: Any) -> Any:
        value = getattr(job, name, None)
        return otherwise if value is None else value

    limit = get("time_limit", None)
    return {
        "raw_id": number,
        "array_id": get("array_id", 0),
        "array_task_id": get("array_task_id", None),
        "waiting": _joined(get("array_tasks_waiting", "")),
        "state": str(get("state", "UNKNOWN")),
        "reason": str(get("state_reason", "")),
        "name": str(get("name", "")),
        "user": str(get("user_name", "")),
        "partition": str(get("partition", "")),
        "submitted": int(get("submit_time", 0)),
        "started": int(get("start_time", 0)),
        "run_time": int(get("run_time", 0)),
        "time_limit_minutes": limit if isinstance(limit, int) else None,
        "nodes": str(get("allocated_nodes", "")),
        "comment": str(get("comment", "")),
        "work_dir": str(get("working_directory", "")),
        "stdout": str(get("standard_output", "")),
        "stderr": str(get("standard_error", "")),
        "command": str(get("command", "")),
        "requeue_count": int(get("requeue_count", 0)),
    }


def _joined(waiting: Any) -> str:
    return waiting if isinstance(waiting, str) else ",".join(str(task) for task in waiting)


_CALLS = {
    "version": _version,
    "queue": _queue,
    "submit": _submit,
    "requeue": _requeue,
    "hold": _hold,
    "release": _release,
    "cancel": _cancel,
}

if __name__ == "__main__":
    main()
