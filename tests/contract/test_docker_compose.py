"""docker-compose.yml: its file parses, and its commands work when they are run by hand, without an engine."""

import os
import shlex
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.services import postgres
from tests.services.redis import running_redis
from tests.services.sandbox import running_sandbox
from tests.services.sweepboard import free_port

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.needs_postgres, pytest.mark.needs_redis]


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    loaded: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
    return loaded


def test_every_service_that_is_waited_for_exists(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert {"web", "worker", "beat", "postgres", "redis", "prepare"} == set(services)
    for service in services.values():
        assert set(service.get("depends_on", {})) <= set(services)
    named = {volume.split(":")[0] for service in services.values() for volume in service.get("volumes", ())}
    assert {name for name in named if name.isidentifier()} == set(compose["volumes"])


def test_the_image_installs_what_the_repository_pins(compose: dict[str, Any]) -> None:
    recipe = compose["services"]["web"]["build"]["dockerfile_inline"]
    assert "pip install --no-cache-dir -r requirements.txt" in recipe
    assert "slurm-client" in recipe


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The services' environment, with servers of our own in the places of the containers."""
    folder = tmp_path_factory.mktemp("compose")
    config = folder / "sweepboard.toml"
    config.write_text('[wandb]\nprojects = ["sandbox/digits"]\nsync_seconds = 2\n[slurm]\nadapter = "local"\n')
    binary = shutil.which("redis-server")
    assert binary
    with ExitStack() as services:
        sandbox = services.enter_context(running_sandbox(folder))
        yield {
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
            "SWEEPBOARD_HOME": str(folder / "home"),
            "SWEEPBOARD_CONFIG": str(config),
            "SWEEPBOARD_HOSTS": "",
            "SECRET_KEY": "x" * 50,
            "HOST": "0.0.0.0",
            "PORT": str(free_port()),
            "DATABASE_URL": services.enter_context(postgres.running_postgres()),
            "REDIS_URL": services.enter_context(running_redis(binary)),
            "WANDB_BASE_URL": sandbox.url,
            "WANDB_API_KEY": sandbox.api_key,
        }


def command_of(compose: dict[str, Any], service: str, environment: dict[str, str]) -> list[str]:
    """The service's own command, on a free port of the loopback and below a folder of ours."""
    command: str = compose["services"][service]["command"]
    command = command.replace("0.0.0.0:8000", f"127.0.0.1:{environment['PORT']}")
    return shlex.split(command.replace("/var/lib/sweepboard", environment["SWEEPBOARD_HOME"]))


def test_the_commands_run_by_hand(compose: dict[str, Any], environment: dict[str, str]) -> None:
    assert set(compose["services"]["web"]["environment"]) >= set(environment) - {"PATH"}
    prepared = subprocess.run(
        command_of(compose, "prepare", environment),
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert prepared.returncode == 0, prepared.stderr
    assert "it is shown this once" in prepared.stdout
    with ExitStack() as running:
        for service in ("worker", "web", "beat"):
            process = subprocess.Popen(command_of(compose, service, environment), cwd=ROOT, env=environment)
            running.callback(process.wait, 20)
            running.callback(process.terminate)
        said = _wait_for_readiness(f"http://127.0.0.1:{environment['PORT']}/readyz")
    assert '"wandb"' in said
    assert '"status": "ok"' in said


def _wait_for_readiness(url: str) -> str:
    """Return what /readyz says once beat has sent a pass and a worker has made it."""
    deadline, said = time.monotonic() + 60, ""
    while '"wandb"' not in said:
        assert time.monotonic() < deadline, f"no pass was made: {said}"
        with suppress(OSError), urllib.request.urlopen(url, timeout=5) as answer:
            said = answer.read().decode()
        time.sleep(0.3)
    return said
