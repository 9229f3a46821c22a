"""Runs every layer of tests, on SQLite and on PostgreSQL: `make test` calls it.

It installs the system packages that the layers need when it may (root or passwordless sudo, apt); otherwise it
names every layer that is left out, and with CI=true a left-out layer is a failure.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

ROOT = Path(__file__).parents[1]
PACKAGES = [
    *("slurmctld", "slurmd", "slurmdbd", "slurm-client", "slurm-wlm-basic-plugins", "slurm-wlm-mysql-plugin", "munge"),
    *("mariadb-server", "redis-server", "postgresql", "chromium"),
]
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "squeue", "munged", "mariadbd", "redis-server", "chromium")
WORKERS = ("-n", "2", "--dist", "loadscope")
# How a page looks does not hang on the database: on PostgreSQL those tests are left to the other half.
NOT_LOOKS = ("-k", "not wcag and not runs_out and not sideways")
# These layers wait for servers, schedulers and polls far more than they compute.
WAITING = ("-n", "4", "--dist", "loadscope")


def say(text: str) -> None:
    sys.stdout.write(f"\n=== {text}\n")
    sys.stdout.flush()


def missing_programs() -> list[str]:
    path = f"{os.environ.get('PATH', '')}:/usr/local/sbin:/usr/sbin:/sbin"
    missing = [name for name in PROGRAMS if shutil.which(name, path=path) is None]
    from tests.services import postgres

    return missing if postgres.binaries() else [*missing, "postgresql"]


def install_packages() -> None:
    """Install what is missing where we may; say so where we may not."""
    missing = missing_programs()
    if not missing:
        return
    say(f"Missing for some layers: {', '.join(missing)}")
    rights = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if shutil.which("apt-get") is None or (rights and subprocess.run([*rights, "true"], check=False).returncode):
        say("They cannot be installed here (no apt, or no right to). The layers that need them are left out.")
        return
    # Packages must not start services: tests bring up their own.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *PACKAGES],
    ):
        subprocess.run(
            [*rights, *(["env"] if rights else []), *command], env=environment, check=False, stdout=subprocess.DEVNULL
        )


@dataclass(frozen=True)
class Layer:
    """One command, and what it needs in its environment beside ours."""

    title: str
    command: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def layer(title: str, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> Layer:
    return Layer(title, [sys.executable, "-m", "pytest", "-q", "-rs", *arguments], environment or {})


class Layers:
    """Runs layers and remembers how each ended."""

    def __init__(self) -> None:
        self.results: list[tuple[str, int, float]] = []

    def side_by_side(self, shown: Sequence[Layer], behind: Sequence[Layer]) -> None:
        """Run two lanes at once, each one layer after the other: what waits in one leaves the cores to the other.

        What the layers of ``behind`` say is kept and shown afterwards.
        """
        with tempfile.TemporaryFile() as kept:
            other = threading.Thread(target=self._lane, args=(behind, kept))
            other.start()
            self._lane(shown, None)
            other.join()
            kept.seek(0)
            sys.stdout.buffer.write(kept.read())
            sys.stdout.flush()

    def _lane(self, layers: Sequence[Layer], output: IO[bytes] | None) -> None:
        for one in layers:
            if output is None:
                say(one.title)
            else:
                output.write(f"\n=== {one.title}\n".encode())
                output.flush()
            began = time.monotonic()
            done = subprocess.run(
                one.command, cwd=ROOT, env={**os.environ, **one.environment}, check=False, stdout=output, stderr=output
            )
            self.results.append((one.title, done.returncode, time.monotonic() - began))

    def report(self) -> int:
        say("Layers")
        for title, code, seconds in self.results:
            sys.stdout.write(f"{'ok    ' if code == 0 else 'FAILED'} {seconds:7.1f} s  {title}\n")
        left_out = missing_programs()
        if left_out:
            sys.stdout.write(f"LEFT OUT: what needs {', '.join(left_out)}\n")
        failed = [title for title, code, _ in self.results if code]
        if left_out and os.environ.get("CI"):
            failed.append("left-out layers")
        sys.stdout.write(f"{len(self.results) - len(failed)} passed, {len(failed)} failed\n")
        return 1 if failed else 0


def main() -> int:
    install_packages()
    layers = Layers()
    layers.side_by_side([layer("unit and guards", ["tests/unit", "tests/guards", *WORKERS])], [])
    shown = [layer("browser and end to end, on SQLite and the embedded Redis", ["tests/browser", *WORKERS])]
    behind = [
        layer("contract", ["tests/contract", *WAITING]),
        layer("integration, on SQLite and the embedded Redis", ["tests/integration", *WORKERS]),
        Layer("benchmarks, smoke run", [sys.executable, "-m", "benchmarks", "--smoke"]),
    ]
    with ExitStack() as services:
        if environment := _servers(services):
            shown += [
                layer("integration, on PostgreSQL and Redis", ["tests/integration", *WORKERS], environment),
                layer("browser and end to end, on PostgreSQL and Redis", ["tests/browser", *WORKERS, *NOT_LOOKS],
                      environment),
            ]  # fmt: skip
        layers.side_by_side(shown, behind)
    return layers.report()


def _servers(services: ExitStack) -> dict[str, str]:
    """Bring up PostgreSQL and Redis for the second half; empty where this machine has no PostgreSQL or Redis."""
    from tests.services import postgres
    from tests.services.redis import running_redis

    binary = shutil.which("redis-server")
    if not postgres.available()[0] or binary is None:
        return {}
    return {
        "DATABASE_URL": services.enter_context(postgres.running_postgres()),
        "REDIS_URL": services.enter_context(running_redis(binary)),
    }


if __name__ == "__main__":
    sys.exit(main())
