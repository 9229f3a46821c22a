"""Reading what was appended to logs, on a real filesystem."""

import os
from pathlib import Path

import pytest

from apps.joblogs.adapters.filesystem import FilesystemLogStore
from apps.joblogs.models import LogFile, LogTrace
from apps.joblogs.services import read_logs
from apps.slurm.models import Job
from apps.workspaces.config import WorkspaceConfig
from apps.workspaces.models import Workspace
from tests.factories.rows import JobFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
START = "wandb: Agent Starting Run: {} with config:\n"


class CountingStore(FilesystemLogStore):
    """Counts the bytes that are read."""

    bytes_read = 0

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        chunk = super().read(path, offset, limit)
        self.bytes_read += len(chunk)
        return chunk


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train_12.out"


@pytest.fixture
def job(log: Path) -> Job:
    return JobFactory(stdout_path=str(log), stderr_path=str(log.with_suffix(".err")))


def read(*jobs: Job, store: FilesystemLogStore | None = None, workspaces: list[Workspace] | None = None) -> set[str]:
    changed = read_logs(jobs=jobs, store=store or FilesystemLogStore(), workspaces=workspaces or [])
    return {job_id for _, job_id in changed}


def trace(run_id: str) -> LogTrace:
    return LogTrace.objects.get(run_id=run_id)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def test_what_a_log_says_of_a_run_is_stored(job: Job, log: Path) -> None:
    log.write_text("Sweep ID: swp1\n" + START.format("aaa111") + "Epoch 3/10 step 400 loss 0.31\n")
    assert read(job) == {job.job_id}
    found = trace("aaa111")
    assert (found.sweep_id, found.epoch, found.step, found.target_epochs) == ("swp1", 3.0, 400, 10.0)


def test_a_log_is_read_on_and_no_byte_twice(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 1/10\n")
    store = CountingStore()
    read(job, store=store)
    append(log, "Epoch 2/10\n")
    assert read(job, store=store) == {job.job_id}
    assert trace("aaa111").epoch == 2.0
    assert read(job, store=store) == set()
    assert store.bytes_read == log.stat().st_size


def test_a_line_that_was_caught_half_written_is_read_whole(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 4/1")
    read(job)
    append(log, "0 step 9\n")
    read(job)
    assert (trace("aaa111").epoch, trace("aaa111").target_epochs, trace("aaa111").step) == (4.0, 10.0, 9)


def test_a_log_that_was_cut_short_is_read_from_its_beginning(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 9/10\n")
    read(job)
    log.write_text(START.format("bbb222"))
    read(job)
    assert list(LogTrace.objects.values_list("run_id", flat=True)) == ["bbb222"]


def test_a_log_that_was_replaced_is_read_from_its_beginning(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111"))
    read(job)
    fresh = log.with_suffix(".new")
    fresh.write_text(START.format("bbb222") + "Epoch 1/10\n" * 20)
    fresh.replace(log)
    read(job)
    assert trace("bbb222").epoch == 1.0
    assert not LogTrace.objects.filter(run_id="aaa111").exists()


def test_output_and_errors_are_two_logs_of_one_job(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 1/10\n")
    log.with_suffix(".err").write_text("ValueError: no\n")
    read(job)
    assert {(row.log.path, row.run_id) for row in LogTrace.objects.select_related("log")} == {
        (str(log), "aaa111"),
        (str(log.with_suffix(".err")), ""),
    }


def test_what_is_no_text_and_what_is_no_file_do_no_harm(job: Job, log: Path, tmp_path: Path) -> None:
    log.write_bytes(b"\xff\xfe\x00\x00" + START.format("aaa111").encode()[:4] + b"\xe2\x96\nEpoch 2/10\n")
    os.mkfifo(tmp_path / "pipe")
    pipe = JobFactory(stdout_path=str(tmp_path / "pipe"), stderr_path=str(tmp_path))
    assert read(job, pipe) == {job.job_id}
    assert trace("").epoch == 2.0


def test_a_log_that_cannot_be_looked_at_leaves_the_others_to_be_read(job: Job, log: Path, tmp_path: Path) -> None:
    log.write_text(START.format("aaa111"))
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    unreadable = JobFactory(stdout_path=str(loop / "x.out"))
    assert read(unreadable, job) == {job.job_id}


def workspace(root: Path) -> Workspace:
    config = WorkspaceConfig(name="glue", root=root).model_dump(mode="json", exclude={"name", "root"})
    return WorkspaceFactory(root=str(root), config=config)


def test_a_job_that_names_no_log_is_looked_for_by_the_workspaces_patterns(workspace_root: Path) -> None:
    (workspace_root / "logs" / "train_77_3.out").write_text(START.format("aaa111"))
    (workspace_root / "logs" / "train_77_4.out").write_text(START.format("bbb222"))
    (workspace_root / "slurm-88.out").write_text(START.format("ccc333"))
    task = JobFactory(job_id="77_3", array_job_id=77, array_task_id=3)
    whole = JobFactory(job_id="88")
    assert read(task, whole, workspaces=[workspace(workspace_root)]) == {"77_3", "88"}
    owners = {row.run_id: row.log.job_id for row in LogTrace.objects.select_related("log")}
    assert owners == {"aaa111": "77_3", "ccc333": "88"}


def test_a_links_that_lead_out_or_to_themselves_are_not_followed(workspace_root: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret_9.out"
    secret.write_text(START.format("aaa111"))
    (workspace_root / "logs" / "x_9.out").symlink_to(secret)
    (workspace_root / "logs" / "y_9.out").symlink_to("y_9.out")
    assert read(JobFactory(job_id="9"), workspaces=[workspace(workspace_root)]) == set()
    assert LogFile.objects.count() == 0


def test_a_large_log_is_caught_up_with_over_several_passes(
    job: Job, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from apps.joblogs import services

    monkeypatch.setattr(services, "CHUNK", 7)
    monkeypatch.setattr(services, "MAX_BYTES_PER_PASS", 50)
    log.write_text(START.format("aaa111") + "Epoch 5/10\n" * 20)
    store = CountingStore()
    read(job, store=store)
    assert store.bytes_read == 50
    for _ in range(10):
        read(job, store=store)
    assert trace("aaa111").epoch == 5.0
    assert store.bytes_read == log.stat().st_size
