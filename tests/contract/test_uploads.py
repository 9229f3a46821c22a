"""The client's own upload of a run folder, against the sandbox server: it arrives once, and failures say why."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core.errors import Permanent, SweepboardError, Transient
from apps.sweeps.adapters.wandb_local import WandbRunFolders
from apps.sweeps.adapters.wandb_sync import WandbSync
from tests.services.sandbox import SandboxServer, running_sandbox

KEY = "local" * 8
TRAIN = """
import os, sys, wandb
run = wandb.init(project=os.environ.get("TRAIN_PROJECT"), mode="offline", config={"lr": 0.1})
for epoch in range(1, 4):
    run.log({"loss": 1 / epoch, "epoch": epoch})
run.finish()
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("wandb"), api_key=KEY) as running:
        yield running


@pytest.fixture
def sandbox(server: SandboxServer) -> Iterator[SandboxServer]:
    yield server
    server.clear_faults()


@pytest.fixture
def folder(sandbox: SandboxServer, tmp_path: Path) -> Path:
    return trained(sandbox, tmp_path, TRAIN_PROJECT="glue")


def trained(sandbox: SandboxServer, tmp_path: Path, **variables: str) -> Path:
    script = tmp_path / "train.py"
    script.write_text(TRAIN)
    sandbox.run(sys.executable, str(script), WANDB_DIR=str(tmp_path), **variables)
    (stamp,) = WandbRunFolders().list(tmp_path)
    return stamp.path


def upload(
    sandbox: SandboxServer, folder: Path, *, key: str = KEY, url: str = "", seconds: float = 60, project: str = ""
) -> list[str]:
    said: list[str] = []
    WandbSync(base_url=url or sandbox.url, api_key=key, seconds=seconds).upload(folder, said.append, project)
    return said


def lines_of(sandbox: SandboxServer, folder: Path) -> list[int]:
    run_id = folder.name.rpartition("-")[2]
    found: list[int] = sandbox.ask(f"[row['epoch'] for row in api.run('sandbox/glue/{run_id}').scan_history()]")
    return found


def test_a_folder_arrives_whole_and_its_progress_is_told(sandbox: SandboxServer, folder: Path) -> None:
    said = upload(sandbox, folder)
    assert any("Finished syncing" in line for line in said)
    assert lines_of(sandbox, folder) == [1, 2, 3]
    assert WandbRunFolders().list(folder.parents[1])[0].synced


def test_a_folder_that_names_no_project_arrives_in_the_one_that_it_belongs_to(
    sandbox: SandboxServer, tmp_path: Path
) -> None:
    # As a sweep's run on a node without internet does: only its environment knew the sweep, and nobody the project.
    folder = trained(sandbox, tmp_path)
    assert WandbRunFolders().read(folder).project == "uncategorized"
    upload(sandbox, folder, project="sandbox/glue")
    assert lines_of(sandbox, folder) == [1, 2, 3]


def test_uploading_twice_changes_nothing(sandbox: SandboxServer, folder: Path) -> None:
    upload(sandbox, folder)
    upload(sandbox, folder)
    # As after a worker that died before it could note the end: the client's mark is not there yet.
    next(folder.glob("*.synced")).unlink()
    upload(sandbox, folder)
    assert lines_of(sandbox, folder) == [1, 2, 3]


def test_a_wrong_key_is_permanent_with_the_clients_own_words(sandbox: SandboxServer, folder: Path) -> None:
    with pytest.raises(Permanent, match="not logged in"):
        upload(sandbox, folder, key="wrong" * 8)


def test_a_dead_server_is_transient(sandbox: SandboxServer, folder: Path) -> None:
    with pytest.raises(Transient, match="did not upload"):
        upload(sandbox, folder, url="http://127.0.0.1:9", seconds=20)


def test_an_upload_that_takes_too_long_is_ended(sandbox: SandboxServer, folder: Path) -> None:
    sandbox.fault("slow", seconds=20)
    with pytest.raises(Transient, match="took more than 3 seconds"):
        upload(sandbox, folder, seconds=3)
    sandbox.clear_faults()
    upload(sandbox, folder)
    assert lines_of(sandbox, folder) == [1, 2, 3]


def test_a_folder_that_is_gone_is_an_error(sandbox: SandboxServer, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(SweepboardError):
        upload(sandbox, tmp_path / "offline-run-20261101_000000-gone1")
