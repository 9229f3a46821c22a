"""Starts pending local jobs while there are free slots, and finds those whose supervisor was killed."""

import fcntl
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from apps.slurm.adapters import local_store as table
from apps.slurm.adapters.local_process import kill_leader

_PROJECT = Path(__file__).resolve().parents[3]


def bury_dead(store: table.LocalStore, db: sqlite3.Connection) -> None:
    """Record every running job whose supervisor has gone without a word as NODE_FAIL."""
    for row in table.select(db, "state = 'RUNNING'"):
        lock = _take_lock(store.attempt_folder(row["key"]))
        if lock is None:
            continue
        os.close(lock)
        kill_leader(row["leader"])
        table.update(db, row["key"], state="NODE_FAIL", reason="NodeDown", end_at=time.time())
        if row["want"] in {"requeue", "preempt"}:
            table.insert_next_attempt(db, row, time.time())


def claim(store: table.LocalStore, db: sqlite3.Connection, slots: int) -> list[tuple[int, int]]:
    """Mark as many pending jobs as running as there are free slots; say why the others wait.

    Returns (key, lock) of each: the lock is held from before the commit, so nobody takes them for dead.
    """
    running = table.select(db, "state = 'RUNNING'")
    claimed: list[tuple[int, int]] = []
    arrays = [row["array_id"] for row in running if row["array_id"]]
    for row in table.select(db, "state = 'PENDING'"):
        reason = _why_waiting(row, arrays, slots - len(running) - len(claimed))
        lock = None if reason else _take_lock(store.attempt_folder(row["key"]))
        if lock is None:
            if row["reason"] != (reason or "Resources"):
                table.update(db, row["key"], reason=reason or "Resources")
            continue
        table.update(db, row["key"], state="RUNNING", reason="None", start_at=time.time())
        arrays.append(row["array_id"])
        claimed.append((row["key"], lock))
    return claimed


def launch(store: table.LocalStore, key: int, lock: int, slots: int, kill_wait: float) -> "subprocess.Popen[bytes]":
    """Start the supervisor of a claimed attempt and hand it the lock, which it keeps until it dies."""
    folder = store.attempt_folder(key)
    command = [sys.executable, "-m", "apps.slurm.adapters.local_runner", str(folder)]
    try:
        # A supervisor that cannot start leaves its lock free, and the next tick says NODE_FAIL.
        with (folder / "runner.log").open("ab") as log:
            return subprocess.Popen(
                [*command, str(slots), str(kill_wait)],
                cwd=_PROJECT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=(lock,),
            )
    finally:
        os.close(lock)


def _why_waiting(row: table.Row, arrays: Sequence[int | None], free: int) -> str:
    if row["held"]:
        return "JobHeldUser"
    if row["at_once"] and arrays.count(row["array_id"]) >= row["at_once"]:
        return "JobArrayTaskLimit"
    return "" if free > 0 else "Resources"


def _take_lock(folder: Path) -> int | None:
    """Return the attempt's lock as a file descriptor, or None while its supervisor lives."""
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(lock)
        return None
    return lock
