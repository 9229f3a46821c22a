"""A PostgreSQL server of our own for tests: own folder, own port, loopback only."""

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

USER = "sweepboard"


def binaries() -> Path | None:
    """Return the folder of the newest installed PostgreSQL server; None where there is none."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"), key=lambda path: int(path.parts[-3]))
    if found:
        return found[-1].parent
    onpath = shutil.which("postgres")
    return Path(onpath).resolve().parent if onpath and shutil.which("initdb") else None


def available() -> tuple[bool, str]:
    """Return whether a server can be started, and a sentence that names what is missing."""
    if binaries() is None:
        return False, "PostgreSQL cannot be started here: missing postgres."
    if os.geteuid() == 0 and _server_account() is None:
        return False, "PostgreSQL cannot be started here: it refuses to run as root, and there is no other account."
    return True, "PostgreSQL can be started here."


def _server_account() -> str | None:
    """PostgreSQL refuses to run as root."""
    for name in ("postgres", "nobody"):
        try:
            pwd.getpwnam(name)
        except KeyError:
            continue
        return name
    return None


@contextmanager
def running_postgres() -> Iterator[str]:
    """Start a server and yield a DATABASE_URL of an empty database; everything is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="swb-pg-"))
    account = _server_account() if os.geteuid() == 0 else None
    if account:
        shutil.chown(folder, account)
    port = _free_port()
    process = None
    try:
        _run([*_tool("initdb"), "-D", str(folder / "data"), "-U", USER, "--auth=trust", "-E", "UTF8"], account)
        process = subprocess.Popen(
            _as(account, [*_tool("postgres"), "-D", str(folder / "data"), *_options(folder, port)]),
            stdout=subprocess.DEVNULL,
            stderr=(folder / "log").open("wb"),
        )
        url = f"postgres://{USER}@127.0.0.1:{port}/postgres"
        _wait(url, process, folder / "log")
        yield url
    finally:
        if process is not None:
            process.terminate()
            process.wait(20)
        shutil.rmtree(folder, ignore_errors=True)


def _tool(name: str) -> list[str]:
    folder = binaries()
    assert folder is not None
    return [str(folder / name)]


def _options(folder: Path, port: int) -> list[str]:
    settings = {"listen_addresses": "127.0.0.1", "port": port, "unix_socket_directories": folder, "fsync": "off"}
    settings["random_page_cost"] = "1.1"  # as docker-compose.yml has it
    settings["autovacuum"] = "off"  # it sees no rows of an open transaction, and would tell the planner so
    return [part for key, value in settings.items() for part in ("-c", f"{key}={value}")]


def _as(account: str | None, command: list[str]) -> list[str]:
    # setpriv runs the command itself, so its pid is the server's own.
    if account is None:
        return command
    return ["setpriv", f"--reuid={account}", f"--regid={account}", "--clear-groups", *command]


def _run(command: list[str], account: str | None) -> None:
    subprocess.run(_as(account, command), check=True, capture_output=True, timeout=60)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(url: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + 30
    while True:
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            if time.monotonic() > deadline or process.poll() is not None:
                raise RuntimeError(f"PostgreSQL did not start: {log.read_text()[-2000:]}") from None
            time.sleep(0.1)
        else:
            return


def new_database(url: str, name: str) -> str:
    """Create a database beside the one in ``url`` and return its URL."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'DROP DATABASE IF EXISTS "{name}"')
        connection.execute(f'CREATE DATABASE "{name}"')
    return f"{url.rsplit('/', 1)[0]}/{name}"
