"""The supervisor of one local job: ``python -m apps.slurm.adapters.local_runner JOBDIR SLOTS KILL_WAIT``.

It starts the job, watches the time limit and what people ask for, ends it, and records how it ended.
"""

import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

from apps.slurm.adapters import local_store as table
from apps.slurm.adapters.local import LocalScheduler
from apps.slurm.adapters.local_memory import Memory
from apps.slurm.adapters.local_process import adopt_orphans, end_descendants, kill_descendants, leader_name

_POLL = 0.1
_ENDINGS = {"cancel": "CANCELLED", "requeue": "REQUEUED", "preempt": "PREEMPTED"}
_CAUSES = {"timeout": " DUE TO TIME LIMIT", "preempt": " DUE TO PREEMPTION", "requeue": " DUE TO JOB REQUEUE"}


def main(folder: Path, slots: int, kill_wait: float) -> None:
    """Run the attempt whose folder is given until it has ended, then start what waits for its slot."""
    adopt_orphans()
    store = table.LocalStore(folder.parents[1])
    row = store.select("key = ?", (int(folder.name),))[0]
    memory = Memory()
    status, cause = _run(store, row, folder / "poke", kill_wait, memory)
    _record(store, row["key"], status, cause, memory.peak_bytes())
    LocalScheduler(store.folder, slots=slots, kill_wait=kill_wait).tick()


def _run(store: table.LocalStore, row: table.Row, poke: Path, kill_wait: float, memory: Memory) -> tuple[int, str]:
    """Return (status as Popen gives it, why we ended the job: "", timeout, cancel, requeue, preempt)."""
    try:
        with _open_log(row["stdout"], row) as out, _open_log(row["stderr"], row) as err:
            process = _start(row, out, err)
            with store.transaction() as db:
                table.update(db, row["key"], leader=leader_name(process.pid))
            cause = _watch(store, row, process, poke, memory)
            if cause:
                _note(err, row, cause)
                end_descendants(kill_wait)
            # What the script left running in the background ends with it, as under Slurm.
            status = process.wait()
            kill_descendants()
            return status, cause
    except OSError as error:
        sys.stderr.write(f"the job could not be started: {error}\n")
        return 1, ""


def _watch(
    store: table.LocalStore, row: table.Row, process: subprocess.Popen[bytes], poke: Path, memory: Memory
) -> str:
    limit = row["limit_seconds"]
    deadline = None if limit is None else time.monotonic() + limit
    while True:
        try:
            process.wait(_POLL)
        except subprocess.TimeoutExpired:
            memory.look()
            if poke.exists() and (want := _wanted(store, row)):
                return want
            if deadline is not None and time.monotonic() > deadline:
                return "timeout"
        else:
            return ""


def _wanted(store: table.LocalStore, row: table.Row) -> str:
    """Return what was asked for; "" while whoever asks has not committed it yet: then we look again."""
    with store.transaction() as db:
        return str(table.select(db, "key = ?", (row["key"],))[0]["want"] or "")


def _start(row: table.Row, out: IO[bytes], err: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        json.loads(row["argv"]),
        stdin=subprocess.DEVNULL,
        stdout=out,
        stderr=err,
        cwd=row["work_dir"],
        env={**json.loads(row["environment"]), **_variables(row)},
        start_new_session=True,
    )


def _variables(row: table.Row) -> dict[str, str]:
    variables = {
        "SLURM_JOB_ID": str(row["raw_id"]),
        "SLURM_JOB_NAME": row["name"],
        "SLURM_JOB_PARTITION": "local",
        "SLURM_JOB_NODELIST": "localhost",
        "SLURM_SUBMIT_DIR": row["work_dir"],
        "SLURM_CLUSTER_NAME": "local",
        "SLURM_RESTART_COUNT": str(row["requeue_count"]),
    }
    if row["array_id"] is not None:
        variables["SLURM_ARRAY_JOB_ID"] = str(row["array_id"])
        variables["SLURM_ARRAY_TASK_ID"] = str(row["task_id"])
    return variables


def _open_log(path: str, row: table.Row) -> IO[bytes]:
    Path(path).parent.mkdir(parents=True, exist_ok=True)
    # Like Slurm's default: a new attempt begins its log anew, unless --open-mode=append.
    if not row["append"]:
        Path(path).write_bytes(b"")
    return Path(path).open("ab", buffering=0)


def _note(err: IO[bytes], row: table.Row, cause: str) -> None:
    # In Slurm's words, since who reads logs looks for those.
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S")
    line = f"local: error: *** JOB {row['raw_id']} ON localhost CANCELLED AT {now}{_CAUSES.get(cause, '')} ***\n"
    err.write(line.encode())


def _record(store: table.LocalStore, key: int, status: int, cause: str, max_rss: int | None) -> None:
    with store.transaction() as db:
        row = table.select(db, "key = ?", (key,))[0]
        # Asked for at the last moment, when the job had just ended by itself: a requeue still counts.
        wanted = cause or (row["want"] if row["want"] != "cancel" else "")
        ended = "COMPLETED" if status == 0 else "FAILED"
        state = "TIMEOUT" if cause == "timeout" else _ENDINGS.get(wanted, ended)
        code, number = (status, 0) if status >= 0 else (0, -status)
        now = time.time()
        table.update(db, key, state=state, end_at=now, exit_code=code, exit_signal=number, max_rss=max_rss)
        if wanted in {"requeue", "preempt"}:
            table.insert_next_attempt(db, row, now)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]))
