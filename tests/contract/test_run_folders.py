"""Run folders that the real client wrote without a server, read by the real client; and held in memory."""

import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from apps.core.errors import Permanent, Transient
from apps.sweeps.adapters.memory_folders import MemoryRunFolders
from apps.sweeps.adapters.wandb_local import WandbRunFolders
from apps.sweeps.ports import FolderStamp, LocalRun, RunFolders, RunJob
from tests.factories.records import run_record
from tests.services.sandbox import SandboxServer, running_sandbox

TRAIN = """
import os, sys, time, wandb
run = wandb.init(project="glue", entity="team", mode="offline", config={"epochs": 5, "lr": 0.1})
for epoch in range(1, 6):
    run.log({"loss": 1 / epoch, "epoch": epoch, "global_step": 10 * epoch})
print(f"answer {run.id}", flush=True)
if len(sys.argv) > 1:
    for epoch in range(6, 3000):
        run.log({"loss": 1 / epoch, "epoch": epoch})  # enough that the client writes some of it
    time.sleep(3)
    os._exit(9)
run.finish()
"""


class Written:
    """One finished and one killed run below ``root``, with the reader of this kind."""

    def __init__(self, root: Path, folders: RunFolders, finished: str, killed: str) -> None:
        self.root, self.folders, self.finished, self.killed = root, folders, finished, killed

    def stamp(self, run_id: str) -> FolderStamp:
        return next(stamp for stamp in self.folders.list(self.root) if stamp.run_id == run_id)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("wandb")) as running:
        yield running


@pytest.fixture(scope="module", params=["wandb_local", "memory"])
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Written:
    root = tmp_path_factory.mktemp("workspace")
    if request.param == "memory":
        return _in_memory(root)
    sandbox: SandboxServer = request.getfixturevalue("sandbox")
    environment = {"WANDB_DIR": str(root), "SLURM_JOB_ID": "4711"}
    script = sandbox.work / "train.py"
    script.write_text(TRAIN)
    finished = sandbox.run(sys.executable, str(script), **environment).rpartition("answer ")[2].split()[0]
    killed = sandbox.run(sys.executable, str(script), "die", exitcode=9, **environment)
    return Written(root, WandbRunFolders(), finished, killed.rpartition("answer ")[2].split()[0])


def _in_memory(root: Path) -> Written:
    folders, now = MemoryRunFolders(), datetime.now(UTC)
    for run_id, state in (("done1", "finished"), ("dead1", "running")):
        stamp = FolderStamp(root / "wandb" / f"offline-run-{run_id}", run_id, True, 2000, now, False)
        record = run_record(
            run_id, state=state, config={"epochs": 5, "lr": 0.1}, summary={"epoch": 5, "global_step": 50},
            jobs=(RunJob(4711),), heartbeat_at=now, sweep_id="",
        )  # fmt: skip
        folders.folders[stamp] = LocalRun(record, "team", "glue", 4)
    return Written(root, folders, "done1", "dead1")


def test_every_folder_is_listed_with_its_stamp(written: Written) -> None:
    stamps = written.folders.list(written.root)
    assert {stamp.run_id for stamp in stamps} == {written.finished, written.killed}
    for stamp in stamps:
        assert stamp.offline
        assert not stamp.synced
        assert stamp.size > 0
        assert datetime.now(UTC) - stamp.modified_at < timedelta(minutes=5)
    assert stamps == sorted(stamps, key=lambda stamp: stamp.modified_at, reverse=True)


def test_a_finished_run_tells_what_it_trained_and_in_which_job(written: Written) -> None:
    local = written.folders.read(written.stamp(written.finished).path)
    assert (local.entity, local.project, local.step) == ("team", "glue", 4)
    record = local.record
    assert (record.run_id, record.state) == (written.finished, "finished")
    assert record.config["lr"] == 0.1
    assert (record.summary["epoch"], record.summary["global_step"]) == (5, 50)
    assert [job.raw_id for job in record.jobs] == [4711]
    assert record.heartbeat_at is not None
    assert record.heartbeat_at.utcoffset() == timedelta(0)


def test_a_run_that_was_killed_has_no_end(written: Written) -> None:
    local = written.folders.read(written.stamp(written.killed).path)
    assert local.record.state == "running"
    assert local.record.summary["epoch"] > 1


def test_a_run_that_was_killed_in_its_first_seconds_left_its_name(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "offline-run-20261101_000000-short1")
    (folder / "run-short1.wandb").write_bytes(bytes.fromhex("3a572642e1be00"))  # the log's own head, and nothing more
    local = WandbRunFolders().read(folder)
    assert (local.record.run_id, local.record.state, local.step) == ("short1", "running", None)


def test_a_folder_that_holds_no_run_is_permanent_with_a_sentence(written: Written, tmp_path: Path) -> None:
    with pytest.raises(Permanent, match="cannot read"):
        written.folders.read(tmp_path / "offline-run-20261101_000000-gone1")


def test_a_workspace_without_run_folders_has_none(written: Written, tmp_path: Path) -> None:
    assert written.folders.list(tmp_path) == []


def folder_of(root: Path, name: str, log: str = "") -> Path:
    folder = root / "wandb" / name
    folder.mkdir(parents=True)
    (folder / (log or f"run-{name.rpartition('-')[2]}.wandb")).write_bytes(b"rubbish" * 100)
    return folder


def test_what_only_looks_like_a_run_folder_is_left_out(tmp_path: Path) -> None:
    folder_of(tmp_path, "offline-run-20261101_000000-real1")
    folder_of(tmp_path, "offline-run-20261101_000000-empty1", log="debug.log")
    folder_of(tmp_path, "sweep-abc")
    (tmp_path / "wandb" / "latest-run").symlink_to(tmp_path / "wandb" / "offline-run-20261101_000000-real1")
    pipe = tmp_path / "wandb" / "offline-run-20261101_000000-pipe1"
    pipe.mkdir()
    os.mkfifo(pipe / "run-pipe1.wandb")
    assert [stamp.run_id for stamp in WandbRunFolders().list(tmp_path)] == ["real1"]


def test_rubbish_in_a_log_is_permanent_and_names_the_folder(tmp_path: Path) -> None:
    folder = folder_of(tmp_path, "offline-run-20261101_000000-real1")
    with pytest.raises(Permanent, match="real1"):
        WandbRunFolders().read(folder)


def test_a_folder_that_we_may_not_enter_is_listed_and_not_taken_for_gone() -> None:
    user = os.geteuid()
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        root = Path(name)
        root.chmod(0o755)
        folder = folder_of(root, "offline-run-20261101_000000-shut1")
        folder.chmod(0)
        os.seteuid(65534 if user == 0 else user)
        try:
            (stamp,) = WandbRunFolders().list(root)
        finally:
            os.seteuid(user)
            folder.chmod(0o755)
    assert (stamp.run_id, stamp.offline, stamp.synced) == ("shut1", True, False)


def test_run_folders_behind_a_link_that_leads_nowhere_are_away_and_not_gone(tmp_path: Path) -> None:
    (tmp_path / "wandb").symlink_to(tmp_path / "scratch" / "wandb")
    with pytest.raises(Transient, match="mounted"):
        WandbRunFolders().list(tmp_path)


def test_a_filesystem_that_is_away_is_transient(tmp_path: Path) -> None:
    with pytest.raises(Transient, match="mounted"):
        WandbRunFolders().list(tmp_path / "nowhere")


def test_a_reader_that_does_not_end_is_stopped(written: Written) -> None:
    if not isinstance(written.folders, WandbRunFolders):
        pytest.skip("Memory starts no process.")
    with pytest.raises(Transient, match=r"more than 0\.05 seconds"):
        WandbRunFolders(seconds=0.05).read(written.stamp(written.finished).path)


def test_the_clients_own_mark_says_that_a_folder_is_uploaded(written: Written, tmp_path: Path) -> None:
    stamp = written.stamp(written.finished)
    if isinstance(written.folders, MemoryRunFolders):
        folders = MemoryRunFolders()
        folders.folders[replace(stamp, path=tmp_path / "wandb" / stamp.path.name, synced=True)] = next(
            iter(written.folders.folders.values())
        )
    else:
        copy = tmp_path / "wandb" / stamp.path.name
        shutil.copytree(stamp.path, copy)
        (copy / f"run-{stamp.run_id}.wandb.synced").touch()
        folders = written.folders  # type: ignore[assignment]  # either kind will do
    assert [one.synced for one in folders.list(tmp_path)] == [True]
