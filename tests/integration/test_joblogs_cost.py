"""What a pass over job logs asks of the database and of the filesystem."""

import os
from collections import Counter
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.joblogs.adapters import filesystem
from apps.joblogs.adapters.filesystem import FilesystemLogStore
from apps.joblogs.models import LogFile
from apps.joblogs.ports import FileStamp
from apps.joblogs.services import read_logs
from apps.slurm.models import Job
from apps.workspaces.config import WorkspaceConfig
from tests.factories.rows import JobFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
ENTRIES = 50_000


class CountingStore(FilesystemLogStore):
    """Counts what is asked of the filesystem."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: Counter[str] = Counter()

    def stamp(self, path: Path) -> FileStamp | None:
        self.asked["stamp"] += 1
        return super().stamp(path)

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        self.asked["read"] += 1
        return super().read(path, offset, limit)


def jobs_with_logs(folder: Path, count: int) -> list[Job]:
    jobs = [JobFactory(stdout_path=str(folder / f"train_{n}.out")) for n in range(count)]
    for job in jobs:
        Path(job.stdout_path).write_text(f"Run: run{job.job_id}\nEpoch 1/10\n")
    return jobs


def queries_of(jobs: list[Job], store: FilesystemLogStore) -> int:
    with CaptureQueriesContext(connection) as asked:
        read_logs(jobs=jobs, store=store, workspaces=[])
    return len(asked)


def test_unchanged_logs_cost_one_look_each_and_a_fixed_number_of_queries(tmp_path: Path) -> None:
    jobs = jobs_with_logs(tmp_path, 200)
    read_logs(jobs=jobs, store=FilesystemLogStore(), workspaces=[])
    one, many = CountingStore(), CountingStore()
    assert queries_of(jobs[:1], one) == queries_of(jobs, many) == 2, "the logs, and whether trouble is over"
    assert (one.asked, many.asked) == ({"stamp": 1}, {"stamp": 200})


def test_among_many_logs_only_the_one_that_grew_is_read(tmp_path: Path) -> None:
    jobs = jobs_with_logs(tmp_path, 50)
    read_logs(jobs=jobs, store=FilesystemLogStore(), workspaces=[])
    with Path(jobs[7].stdout_path).open("a") as file:
        file.write("Epoch 2/10\n")
    store = CountingStore()
    assert read_logs(jobs=jobs, store=store, workspaces=[]) == {("memory", jobs[7].job_id)}
    assert store.asked == {"stamp": 50, "read": 2}, "what was appended, and a few bytes before it"


def test_a_shared_log_costs_one_query_more_however_many_share_it(tmp_path: Path) -> None:
    log = tmp_path / "train.out"
    log.write_text("Run: aaa111\nEpoch 1/10\n")
    jobs = [JobFactory(stdout_path=str(log)) for _ in range(40)]
    read_logs(jobs=jobs, store=FilesystemLogStore(), workspaces=[])
    store = CountingStore()
    assert queries_of(jobs, store) == 3
    assert store.asked == {"stamp": 1}


def test_a_folder_with_fifty_thousand_entries_is_listed_once(
    workspace_root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = workspace_root / "logs"
    for number in range(ENTRIES):
        os.close(os.open(logs / f"other_{number}.out", os.O_CREAT | os.O_WRONLY))
    config = WorkspaceConfig(name="glue", root=workspace_root).model_dump(mode="json", exclude={"name", "root"})
    workspace = WorkspaceFactory(root=str(workspace_root), config=config)
    jobs = [JobFactory(job_id=str(900_000 + n)) for n in range(20)]
    tasks = [JobFactory(job_id=f"800000_{n}", array_job_id=800_000, array_task_id=n) for n in range(20)]
    for job in [*jobs, *tasks]:
        (logs / f"train_{job.job_id}.out").write_text(f"Run: run{job.job_id}\n")
    listed: Counter[str] = Counter()
    scandir = os.scandir

    def counting(path: Path) -> object:
        listed[str(path)] += 1
        return scandir(path)

    monkeypatch.setattr(filesystem.os, "scandir", counting)
    store = CountingStore()
    changed = read_logs(jobs=[*jobs, *tasks], store=store, workspaces=[workspace])
    assert len(changed) == LogFile.objects.count() == 40
    assert listed == {str(logs): 1, str(workspace_root): 1}
    assert store.asked["stamp"] == 40
