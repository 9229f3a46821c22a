"""What integration tests share: Sweepboard configured over an in-memory W&B and an in-memory scheduler."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.test import Client

from apps.api import limits
from apps.core.permissions import Role
from apps.slurm.ports import Submission
from apps.sweeps.ports import RunJob
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import current_config
from apps.workspaces.services import apply_config
from tests.factories.moments import NOW, before
from tests.factories.people import UserFactory
from tests.factories.records import run_record, sweep_record
from tests.services.memory import WORLD, World

CONFIG = """
[wandb]
projects = ["team/glue"]
[slurm]
adapter = "local"
[[workspace]]
name = "glue"
root = "{root}"
projects = ["team/glue"]
[workspace.policy]
note = "the shared checkout"
"""


@pytest.fixture
def world(settings: Any, tmp_path: Path, workspace_root: Path, redis_server: str) -> Iterator[World]:
    """W&B and Slurm in memory, named in settings, with one workspace in `sweepboard.toml`."""
    WORLD.reset()
    config = tmp_path / "sweepboard.toml"
    config.write_text(CONFIG.format(root=workspace_root))
    settings.CONFIG_FILE = str(config)
    settings.WANDB_API_KEY = "key"
    settings.SWEEP_SOURCES = {"wandb_api": "tests.services.memory.source"}
    settings.SCHEDULERS = {"local": "tests.services.memory.scheduler"}
    yield WORLD
    WORLD.reset()


@pytest.fixture
def glue(world: World, db: None) -> Workspace:
    """The workspace of `world`, in the database."""
    return apply_config(config=current_config())[0]


@pytest.fixture(autouse=True)
def _nobody_was_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tokens of one number are in many tests; what one test asked must not use up the limit of the next."""
    monkeypatch.setattr(limits, "COUNTERS", limits.Counters())


def client_of(role: Role | None) -> Client:
    client = Client()
    if role is not None:
        client.force_login(UserFactory(role=role), backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def viewer(db: None) -> Client:
    return client_of(Role.VIEWER)


@pytest.fixture
def operator(db: None) -> Client:
    return client_of(Role.OPERATOR)


@pytest.fixture
def noon() -> object:
    with time_machine.travel(NOW, tick=True):
        yield


@pytest.fixture
def training(world: World, glue: Workspace) -> str:
    """One run that trains on one job, with its log and a checkpoint; return the job's id."""
    script = glue.path / "agent.sbatch"
    script.write_text("#!/bin/bash\n#SBATCH --output=logs/train_%j.out\n#SBATCH --gpus=1\ntrue\n")
    job_id = world.scheduler.submit(Submission(str(script), work_dir=str(glue.path)))
    world.scheduler.now = before(hours=5)
    world.scheduler.start(job_id)
    world.scheduler.now = NOW
    (glue.path / "logs" / f"train_{job_id}.out").write_text(
        "Sweep ID: swp1\nwandb: Agent Starting Run: aaa with config:\nEpoch 4/10 step 400 loss 0.3\n"
    )
    folder = glue.path / "outputs" / "aaa" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "step_400.pt").write_bytes(b"weights")
    world.glue.sweeps = [sweep_record()]
    world.glue.runs = [run_record("aaa", jobs=(RunJob(int(job_id)),))]
    return job_id
