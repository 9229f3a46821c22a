"""Runs every layer of tests, on SQLite and on PostgreSQL: `make test` calls it.

It installs the system packages that the layers need when it may (root or passwordless sudo, apt); otherwise it
names every layer that is left out, and with CI=true a left-out layer is a failure.

Real daemons, browsers and clients share the machine with each other, and at times one of them is late. So in the
layers that need them the files of a few failed tests are run once more, alone and in their own order. What passes
only then is named at the end: it wants to be mended. What needs no daemon has one look.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGES = [
    *("slurmctld", "slurmd", "slurmdbd", "slurm-client", "slurm-wlm-basic-plugins", "slurm-wlm-mysql-plugin", "munge"),
    *("mariadb-server", "redis-server", "postgresql", "chromium"),
]
PROGRAMS = ("slurmctld", "slurmd", "slurmdbd", "squeue", "munged", "mariadbd", "redis-server", "chromium")
BY_FILE = ("--dist", "loadscope", "--no-loadscope-reorder")  # in our order: tests/conftest.py puts long files first
WORKERS = ("-n", "2", *BY_FILE)
# How a page looks, or what a reader of logs does: the first half has shown it.
SECOND_DATABASE = ("-m", "not any_database")
SLOWEST = ("--durations=8", "--durations-min=5")  # what to look at when the whole takes longer than it should
# These layers wait for servers, schedulers and polls far more than they compute.
WAITING = ("-n", "4", *BY_FILE)

TESTS_FAILED = 1  # pytest's exit status; any other one is no matter of a late daemon
MOST_LOOKED_AT_AGAIN = 3


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


@dataclass
class Result:
    """How a layer ended; ``unsteady`` are the tests that passed only when their files were run alone."""

    title: str
    code: int
    seconds: float
    unsteady: list[str] = field(default_factory=list)


class Layers:
    """Runs one layer after the other and remembers how each ended."""

    def __init__(self) -> None:
        self.results: list[Result] = []

    def run(self, title: str, command: Sequence[str], environment: Mapping[str, str] | None = None) -> Result:
        say(title)
        began = time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **(environment or {})}, check=False)
        self.results.append(Result(title, done.returncode, time.monotonic() - began))
        return self.results[-1]

    def pytest(
        self,
        title: str,
        arguments: Sequence[str],
        environment: Mapping[str, str] | None = None,
        *,
        look_again: bool = False,
    ) -> None:
        command = [sys.executable, "-m", "pytest", "-q", "-rs", *SLOWEST]
        with tempfile.NamedTemporaryFile("r", prefix="failed-") as file:
            noted = {**(environment or {}), "TESTS_THAT_FAILED": file.name}
            result = self.run(title, [*command, *arguments], noted)
            failed = sorted(set(file.read().split("\n")) - {""})
        if look_again and result.code == TESTS_FAILED and 0 < len(failed) <= MOST_LOOKED_AT_AGAIN:
            alone = [*command, "-p", "no:randomly", "-n", "0", *sorted({name.partition("::")[0] for name in failed})]
            again = self.run(f"once more, alone: {', '.join(failed)}", alone, environment)
            if again.code == 0:
                result.code, result.unsteady = 0, failed

    def report(self) -> int:
        say("Layers")
        for one in self.results:
            sys.stdout.write(f"{'FAILED' if one.code else 'ok    '} {one.seconds:7.1f} s  {one.title}\n")
            for name in one.unsteady:
                sys.stdout.write(f"       UNSTEADY: passed only when it ran alone: {name}\n")
        left_out = missing_programs()
        if left_out:
            sys.stdout.write(f"LEFT OUT: what needs {', '.join(left_out)}\n")
        failed = [one.title for one in self.results if one.code]
        if left_out and os.environ.get("CI"):
            failed.append("left-out layers")
        sys.stdout.write(f"{len(self.results) - len(failed)} passed, {len(failed)} failed\n")
        return 1 if failed else 0


def main() -> int:
    install_packages()
    layers = Layers()
    layers.pytest("unit and guards", ["tests/unit", "tests/guards", *WORKERS])
    layers.pytest("integration, on SQLite and the embedded Redis", ["tests/integration", *WORKERS])
    layers.pytest("contract", ["tests/contract", *WAITING], look_again=True)
    layers.pytest(
        "browser and end to end, on SQLite and the embedded Redis", ["tests/browser", *WORKERS], look_again=True
    )
    with ExitStack() as services:
        environment = _servers(services)
        if environment:
            layers.pytest(
                "integration, on PostgreSQL and Redis",
                ["tests/integration", *WORKERS, *SECOND_DATABASE],
                environment,
            )
            layers.pytest(
                "browser and end to end, on PostgreSQL and Redis",
                ["tests/browser", *WORKERS, *SECOND_DATABASE],
                environment,
                look_again=True,
            )
    layers.run("benchmarks, smoke run", [sys.executable, "-m", "benchmarks", "--smoke"])
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
