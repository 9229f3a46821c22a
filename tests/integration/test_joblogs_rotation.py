"""Logs that are rotated, cut, deleted or out of reach, on a real filesystem."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from apps.audit.models import SyncPass
from apps.joblogs.adapters.filesystem import FilesystemLogStore
from apps.joblogs.models import LogFile, LogTrace
from apps.joblogs.selectors import jobs_to_catch_up_with
from apps.joblogs.services import read_logs
from apps.slurm.models import Job
from tests.factories.rows import JobFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
START = "wandb: Agent Starting Run: {} with config:\n"


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train_12.out"


@pytest.fixture
def job(log: Path) -> Job:
    return JobFactory(stdout_path=str(log))


def read(*jobs: Job, store: FilesystemLogStore | None = None) -> set[str]:
    return {job_id for _, job_id in read_logs(jobs=jobs, store=store or FilesystemLogStore(), workspaces=[])}


def trace(run_id: str) -> LogTrace:
    return LogTrace.objects.get(run_id=run_id)


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


def classes(items: list[dict[str, object]]) -> list[object]:
    return [item["class"] for item in items]


def test_the_unread_rest_of_a_renamed_log_is_read_first(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 1/10\nEpoch 2")
    read(job)
    append(log, "/10\nValueError: in the rest\nEpoch 3/10 step 30")
    log.rename(log.with_name("train_12.out.1"))
    log.write_text("Epoch 4/10\n")
    assert read(job) == {job.job_id}
    found = trace("aaa111")
    assert (found.epoch, found.step, found.starts) == (4.0, 30, 1)
    assert classes(found.evidence) == ["python-error"]
    append(log, "Epoch 5/10\n")
    read(job)
    assert (trace("aaa111").epoch, LogFile.objects.get().offset) == (5.0, log.stat().st_size)


def test_a_renamed_log_is_followed_while_its_writer_holds_it_open(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111"))
    read(job)
    with log.open("a") as file:
        log.rename(log.with_name("train_12.out-20261124"))
        for epoch in (1, 2):
            file.write(f"Epoch {epoch}/10\n")
            file.flush()
            read(job)
            assert trace("aaa111").epoch == epoch
        log.touch()
        file.write("Epoch 3/10\n")
        file.flush()
        read(job)
    assert trace("aaa111").epoch == 3.0


def test_a_log_that_was_cut_short_keeps_progress_and_its_evidence_as_an_earlier_starts(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 9/10\nValueError: x\n")
    read(job)
    os.truncate(log, 0)
    read(job)
    assert classes(trace("aaa111").evidence) == ["python-error"], "nothing new was said"
    append(log, "step 1 of Epoch 9/10\n")
    read(job)
    found = trace("aaa111")
    assert (found.epoch, found.starts, found.evidence) == (9.0, 2, [])
    assert classes(found.earlier_starts[0]["evidence"]) == ["python-error"]


def test_a_log_that_was_cut_and_grew_beyond_what_was_read_is_known_again(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 1/10\n")
    read(job)
    log.write_text("a longer beginning of another start\n" * 9 + START.format("bbb222") + "Epoch 2/10\n")
    read(job)
    assert (trace("aaa111").epoch, trace("bbb222").epoch) == (1.0, 2.0)


def test_a_hole_that_a_cut_left_is_no_new_beginning(job: Job, log: Path) -> None:
    """Whoever writes without appending goes on at his own offset; what he wrote before is a hole then."""
    with log.open("w") as file:
        file.write(START.format("aaa111") + "Epoch 1/10\n")
        file.flush()
        read(job)
        os.truncate(log, 0)
        file.write("Epoch 2/10\n")
        file.flush()
    assert log.read_bytes().startswith(b"\x00")
    read(job)
    assert (trace("aaa111").epoch, trace("aaa111").starts) == (2.0, 1)


def test_a_log_that_another_file_replaced_is_read_from_its_beginning(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 8/10\n")
    read(job)
    fresh = log.with_suffix(".new")
    fresh.write_text("Epoch 3/10\n" + START.format("bbb222") + "Epoch 1/10\n" * 20)
    fresh.replace(log)
    read(job)
    assert {row.run_id: row.epoch for row in LogTrace.objects.all()} == {"aaa111": 8.0, "": 3.0, "bbb222": 1.0}


def test_a_log_that_was_deleted_keeps_what_it_said_and_is_waited_for_no_longer(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 8/10\n")
    read(job)
    LogFile.objects.update(behind=True)
    log.unlink()
    read(job)
    assert trace("aaa111").epoch == 8.0
    assert jobs_to_catch_up_with() == set()
    assert "deleted" in LogFile.objects.get().problem


def test_a_log_that_still_grows_while_it_is_read_loses_nothing(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111"))
    script = (
        "import sys\nwith open(sys.argv[1], 'a', buffering=1) as log:\n"
        "    for step in range(20000): log.write(f'Epoch 1/10 step {step} \u00fc\\n')\n"
    )
    with subprocess.Popen([sys.executable, "-c", script, str(log)]) as writer:
        while writer.poll() is None:
            read(job)
    read(job)
    row = LogFile.objects.get()
    assert (trace("aaa111").step, row.offset, row.behind) == (19999, log.stat().st_size, False)
    assert row.carry["line"] == 20001


def test_a_pipe_in_the_place_of_a_log_is_never_opened_to_wait(job: Job, log: Path, tmp_path: Path) -> None:
    log.write_text(START.format("aaa111"))
    read(job)
    log.unlink()
    os.mkfifo(log)
    assert read(job) == set()
    assert read(JobFactory(stdout_path="/dev/zero")) == set()
    assert trace("aaa111").starts == 1


def test_a_log_that_may_not_be_read_is_told_and_read_when_it_may(job: Job, log: Path, tmp_path: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 2/10\n")
    other = JobFactory(stdout_path=str(tmp_path / "free.out"))
    Path(other.stdout_path).write_text(START.format("bbb222"))
    store = Forbidding({log})
    assert read(job, other, store=store) == {other.job_id}
    assert "Permission denied" in LogFile.objects.get(path=str(log)).problem
    told = SyncPass.objects.get(source="logs")
    assert "Permission denied" in told.error
    assert told.error_id
    assert jobs_to_catch_up_with() == {("memory", job.job_id)}
    store.forbidden.clear()
    assert read(job, other, store=store) == {job.job_id}
    assert LogFile.objects.get(path=str(log)).problem == ""
    assert SyncPass.objects.filter(source="logs").order_by("pk").last().error == ""  # type: ignore[union-attr]  # it is there


class Forbidding(FilesystemLogStore):
    """Takes the right to read some files away for as long as they are read, from root as well."""

    def __init__(self, forbidden: set[Path]) -> None:
        super().__init__()
        self.forbidden = forbidden

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        if path not in self.forbidden:
            return super().read(path, offset, limit)
        path.chmod(0)
        user = os.geteuid()
        os.seteuid(65534 if user == 0 else user)
        try:
            return super().read(path, offset, limit)
        finally:
            os.seteuid(user)
            path.chmod(0o644)


def test_a_filesystem_that_is_gone_leaves_everything_as_last_read(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    (shared / "logs").mkdir(parents=True)
    log = shared / "logs" / "train_12.out"
    job, workspace = JobFactory(stdout_path=str(log)), WorkspaceFactory(root=str(shared))
    log.write_text(START.format("aaa111") + "Epoch 2/10\n")
    store = FilesystemLogStore()
    read_logs(jobs=[job], store=store, workspaces=[workspace])
    append(log, "Epoch 3/10\n")
    shared.rename(tmp_path / "away")
    assert read_logs(jobs=[job], store=store, workspaces=[workspace]) == set()
    assert trace("aaa111").epoch == 2.0
    assert "Is its filesystem mounted?" in SyncPass.objects.get(source="logs").error
    (tmp_path / "away").rename(shared)
    assert read_logs(jobs=[job], store=store, workspaces=[workspace]) == {("memory", job.job_id)}
    assert trace("aaa111").epoch == 3.0


def test_a_filesystem_that_does_not_answer_holds_nobody_up(job: Job, log: Path, tmp_path: Path) -> None:
    stuck, asked = threading.Event(), []

    def look(folder: Path) -> bool:
        asked.append(folder)
        return folder != tmp_path / "stuck" or stuck.wait()

    store = FilesystemLogStore(seconds=0.2, look=look)
    log.write_text(START.format("aaa111"))
    lost = JobFactory(stdout_path=str(tmp_path / "stuck" / "a.out"), stderr_path=str(tmp_path / "stuck" / "a.err"))
    for _ in range(3):
        append(log, "Epoch 1/10\n")
        assert read(lost, job, store=store) == {job.job_id}
    assert asked.count(tmp_path / "stuck") == 1, "no thread waits twice for one folder"
    assert "not answer" in SyncPass.objects.filter(source="logs").first().error  # type: ignore[union-attr]  # it is there
    stuck.set()
    (tmp_path / "stuck").mkdir()
    (tmp_path / "stuck" / "a.out").write_text(START.format("bbb222"))
    while read(lost, store=store) == set():
        stuck.wait(0.01)
    assert trace("bbb222").starts == 1
