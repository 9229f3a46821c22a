"""The real web server as `make run` starts it: gunicorn with uvicorn's worker, over the test's own database."""

import os
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from django.conf import settings
from django.db import connection

ROOT = Path(__file__).parents[2]


def environment() -> dict[str, str]:
    """What a process needs to see the database and the Redis of this test; its workspaces are in the database."""
    held = connection.settings_dict
    if connection.vendor == "sqlite":
        url = f"sqlite:///{held['NAME']}"
    else:
        host = f"{held['HOST']}:{held['PORT']}"
        url = f"postgres://{held['USER']}:{held['PASSWORD']}@{host}/{held['NAME']}"
    told = {"DATABASE_URL": url, "WANDB_API_KEY": "key", "REDIS_URL": settings.REDIS_URL}
    return {**os.environ, **told}


@contextmanager
def running_web(more: Mapping[str, str] | None = None) -> Iterator[str]:
    """Start the server on a free port, wait until it answers, and stop it afterwards; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [
        *(sys.executable, "-m", "gunicorn", "apps.config.asgi:application", "--bind", f"127.0.0.1:{port}"),
        *("--worker-class", "uvicorn_worker.UvicornWorker", "--workers", "1", "--log-level", "warning"),
    ]
    url = f"http://127.0.0.1:{port}"
    # A file and no pipe: a server that says much would wait for somebody to read.
    with tempfile.TemporaryFile("w+") as said:
        process = subprocess.Popen(
            command, cwd=ROOT, env={**environment(), **(more or {})}, stdout=said, stderr=subprocess.STDOUT
        )
        try:
            _wait(url, process, said)
            yield url
        finally:
            process.terminate()
            process.wait(20)


def _wait(url: str, process: "subprocess.Popen[bytes]", said: IO[str]) -> None:
    deadline = time.monotonic() + 60
    while True:
        try:
            with urllib.request.urlopen(f"{url}/healthz", timeout=5):
                return
        except OSError as error:
            if process.poll() is not None or time.monotonic() > deadline:
                said.seek(0)
                raise RuntimeError(f"The web server did not start: {said.read()}") from error
            time.sleep(0.1)
