"""All of Sweepboard as people start it: `manage.py up` in a process of its own, against given services."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class RunningSweepboard:
    """A started Sweepboard; ``password`` is the admin's, as it was printed."""

    def __init__(self, process: "subprocess.Popen[str]", url: str, output: Path, environment: dict[str, str]) -> None:
        self.process, self.url, self.output, self.environment = process, url, output, environment

    @property
    def said(self) -> str:
        return self.output.read_text(errors="replace")

    @property
    def password(self) -> str:
        found = re.search(r"with the password  (\S+)", self.said)
        assert found, self.said
        return found[1]

    def manage(self, *arguments: str, check: bool = True) -> str:
        """Run a management command beside it and return what it printed."""
        done = subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert not check or done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def wait_for(self, check: object, seconds: float, what: str) -> None:
        """Wait until ``check()`` is true; fail with ``what`` and what was printed."""
        deadline = time.monotonic() + seconds
        while not check():  # type: ignore[operator]  # any callable
            assert self.process.poll() is None, f"Sweepboard ended: {self.said[-3000:]}"
            assert time.monotonic() < deadline, f"{what} within {seconds} s.\n{self.said[-3000:]}"
            time.sleep(0.3)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def running_sweepboard(folder: Path, environment: Mapping[str, str]) -> Iterator[RunningSweepboard]:
    """Start it in ``folder``, wait until it answers, and stop it with one Ctrl-C."""
    port = free_port()
    clean = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("WANDB", "SLURM", "SWEEPBOARD")) and name not in ("DATABASE_URL", "REDIS_URL")
    }
    full = {**clean, **environment, "SWEEPBOARD_HOME": str(folder / "home"), "PORT": str(port), "HOST": "127.0.0.1"}
    output = folder / "sweepboard.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "manage.py", "up"], cwd=ROOT, env=full, stdout=log, stderr=log, text=True
        )
    running = RunningSweepboard(process, f"http://127.0.0.1:{port}/", output, full)
    try:
        running.wait_for(lambda: _answers(f"{running.url}healthz"), 60, "it should answer")
        running.wait_for(lambda: "Stop with Ctrl-C" in running.said, 30, "it should greet")
        yield running
    finally:
        process.send_signal(signal.SIGINT)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False
