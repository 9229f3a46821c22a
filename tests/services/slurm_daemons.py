"""Daemons of a test as children of the test: started, watched and stopped by their process id."""

import ctypes
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

MARK = "SWEEPBOARD_TEST_CLUSTER"
_PR_SET_PDEATHSIG = 1


class DaemonFailed(RuntimeError):
    """A daemon ended or did not become ready; the message carries the end of its log."""


def wait_until(ready: Callable[[], bool], seconds: float, what: str) -> None:
    """Return as soon as ``ready()`` is true, or raise ``DaemonFailed`` after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not ready():
        if time.monotonic() > deadline:
            raise DaemonFailed(f"waited {seconds:g} s for {what}")
        time.sleep(0.05)


class Daemons:
    """A few named processes. Every one of them also dies when this process is killed."""

    def __init__(self, logs: Path, environment: Mapping[str, str]) -> None:
        self._logs = logs
        self._environment = dict(environment)
        self._running: dict[str, subprocess.Popen[bytes]] = {}

    def start(self, name: str, command: Sequence[str]) -> None:
        """Start ``command`` in the foreground, its output in ``<name>.out`` of the log folder."""
        with (self._logs / f"{name}.out").open("ab") as output:
            self._running[name] = subprocess.Popen(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
                preexec_fn=_die_with_parent,
            )

    def wait_ready(self, name: str, ready: Callable[[], bool], seconds: float = 20) -> None:
        """Wait for ``ready()``; a daemon that ends meanwhile is an error at once, with its log."""

        def ready_or_dead() -> bool:
            if self._running[name].poll() is not None:
                raise DaemonFailed(f"{name} ended with {self._running[name].returncode}\n{self._tail(name)}")
            return ready()

        try:
            wait_until(ready_or_dead, seconds, name)
        except DaemonFailed as error:
            raise DaemonFailed(f"{error}\n{self._tail(name)}") from None

    def stop(self, name: str, *, kill_now: bool = False, patience: float = 3) -> None:
        """Stop one daemon and reap it; with SIGKILL at once, or after ``patience`` seconds."""
        process = self._running.pop(name, None)
        if process is None:
            return
        process.send_signal(signal.SIGKILL if kill_now else signal.SIGTERM)
        try:
            process.wait(patience)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(5)

    def names(self) -> list[str]:
        """Return the running daemons, in the order in which they were started."""
        return list(self._running)

    def _tail(self, name: str) -> str:
        files = (self._logs / f"{name}.log", self._logs / f"{name}.out")
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in files if path.exists())


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def marked_processes(mark: str) -> list[int]:
    """Return the processes that were started with ``SWEEPBOARD_TEST_CLUSTER=<mark>``."""
    wanted = f"{MARK}={mark}".encode()
    return [pid for pid in _pids() if wanted in _read(pid, "environ").split(b"\0")]


def with_descendants(roots: Iterable[int]) -> list[int]:
    """Return ``roots`` and every process below them, whatever session it has moved to."""
    children: dict[int, list[int]] = {}
    for pid in _pids():
        after_name = _read(pid, "stat").rpartition(b")")[2].split()
        if len(after_name) > 1:
            children.setdefault(int(after_name[1]), []).append(pid)
    found, todo = [], list(roots)
    while todo:
        pid = todo.pop()
        if pid not in found:
            found.append(pid)
            todo.extend(children.get(pid, []))
    return found


def kill_all(pids: Iterable[int]) -> None:
    """Kill exactly these processes; those that have gone meanwhile are no error."""
    for pid in pids:
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            continue


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
