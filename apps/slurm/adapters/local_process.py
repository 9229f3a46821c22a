"""Names and ends the processes of local jobs, without mistaking another process for one of them."""

import os
import signal
from contextlib import suppress
from pathlib import Path


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
