"""Several long-running processes under one foreground process: started, watched, restarted, stopped together."""

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from apps.core.children import ends_with_parent

RESTARTS, WITHIN = 5, 60.0  # a process that dies more often than this is not worth restarting
STOP_SECONDS = 15.0


@dataclass
class Watched:
    """One process. ``once`` marks one that may end by itself; the others are started again."""

    name: str
    command: Sequence[str]
    once: bool = False
    stop_seconds: float = STOP_SECONDS
    process: "subprocess.Popen[str] | None" = None
    deaths: deque[float] = field(default_factory=lambda: deque(maxlen=RESTARTS))


class Supervisor:
    """Runs processes until one Ctrl-C, or until one of them cannot be kept alive.

    ``environment`` is what the processes started from now on get.
    """

    def __init__(self, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
        self.environment = dict(environment)
        self._say = say
        self._watched: list[Watched] = []
        self.stopping = threading.Event()

    def start(self, watched: Watched) -> None:
        """Start a process; its output comes out line by line under its name."""
        watched.process = subprocess.Popen(
            list(watched.command),
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            # A group of its own: Ctrl-C reaches only us, and we stop the others in order.
            start_new_session=True,
            preexec_fn=ends_with_parent(signal.SIGTERM),  # noqa: PLW1509 - no thread holds a lock yet
        )
        threading.Thread(target=self._relay, args=(watched, watched.process), daemon=True).start()
        if watched not in self._watched:
            self._watched.append(watched)

    def _relay(self, watched: Watched, process: "subprocess.Popen[str]") -> None:
        for line in process.stdout or ():
            self._say(f"{watched.name:8} | {line.rstrip()}")

    def watch(self) -> int:
        """Wait until asked to stop; return the exit status: 0, or 1 when a process kept dying."""
        while not self.stopping.wait(0.3):
            for watched in self._watched:
                if watched.process is not None and watched.process.poll() is not None and not self._revive(watched):
                    return 1
        return 0

    def _revive(self, watched: Watched) -> bool:
        """Start a dead process again; False when it dies too often."""
        assert watched.process is not None  # noqa: S101 - watch() looked
        code = watched.process.returncode
        if watched.once:
            watched.process = None
            return True
        now = time.monotonic()
        if len(watched.deaths) == RESTARTS and now - watched.deaths[0] < WITHIN:
            self._say(f"{watched.name} ended {RESTARTS} times within a minute (last status {code}); giving up.")
            return False
        watched.deaths.append(now)
        self._say(f"{watched.name} ended with status {code}; starting it again.")
        time.sleep(min(2.0, 0.3 * len(watched.deaths)))
        self.start(watched)
        return True

    def stop(self) -> None:
        """Stop every process, the last started first, and wait for each."""
        for watched in reversed(self._watched):
            process = watched.process
            if process is None or process.poll() is not None:
                continue
            process.terminate()
            try:
                process.wait(watched.stop_seconds)
            except subprocess.TimeoutExpired:
                self._say(f"{watched.name} does not stop; killing it.")
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(process.pid, signal.SIGKILL)
                process.wait()
