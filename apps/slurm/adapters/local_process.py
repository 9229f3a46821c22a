"""Names and ends the processes of local jobs, without mistaking another process for one of them."""

import ctypes
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

_PR_SET_CHILD_SUBREAPER = 36


def leader_name(pid: int) -> str:
    """Return a name for process ``pid`` that no later process with the same number has."""
    return f"{pid}:{_started(pid)}:{_boot()}"


def kill_leader(name: str) -> None:
    """Kill the process group whose leader is called ``name``, if that very process is still there."""
    pid = name.partition(":")[0]
    if pid.isdigit() and _started(int(pid)) and leader_name(int(pid)) == name:
        signal_group(int(pid), signal.SIGKILL)


def signal_group(pid: int, number: signal.Signals) -> None:
    """Send a signal to a process group; that it has gone is no error."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, number)


def adopt_orphans() -> None:
    """Make this process the parent of every orphan below it, so that no process of a job gets away (Linux).

    An agent starts each training in a session of its own: its process group alone does not reach it.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def signal_descendants(number: signal.Signals) -> list[psutil.Process]:
    """Send a signal to every process below this one and return those that were there."""
    below = psutil.Process().children(recursive=True)
    for process in below:
        with suppress(psutil.NoSuchProcess):
            process.send_signal(number)
    return below


def end_descendants(seconds: float) -> None:
    """End every process below this one: SIGTERM, then SIGKILL after ``seconds``."""
    signal_descendants(signal.SIGCONT)  # a stopped process hears SIGTERM only when it goes on
    signal_descendants(signal.SIGTERM)
    _wait_until_gone(seconds)
    kill_descendants()


def kill_descendants(seconds: float = 5) -> None:
    """Kill every process below this one; what they start meanwhile too."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _alive():
        signal_descendants(signal.SIGKILL)
        _wait_until_gone(0.5)


def _wait_until_gone(seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and _alive():
        time.sleep(0.05)


def _alive() -> list[psutil.Process]:
    """The processes below this one that still do something; whoever started them takes their status."""
    found = []
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.NoSuchProcess):
            if process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _started(pid: int) -> str:
    # Field 22 of /proc/<pid>/stat, counted behind the command's name, which may hold blanks.
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return ""
