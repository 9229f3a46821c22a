"""Reading what was appended to logs, on a real filesystem."""

import os
import random
from pathlib import Path

import pytest

from apps.joblogs import reading
from apps.joblogs.adapters.filesystem import FilesystemLogStore
from apps.joblogs.domain import MARK
from apps.joblogs.models import LogFile, LogTrace
from apps.joblogs.reading import Budget
from apps.joblogs.selectors import jobs_naming, jobs_to_catch_up_with, traces_by_job
from apps.joblogs.services import read_logs
from apps.slurm.models import Job
from apps.workspaces.config import LogsConfig, WorkspaceConfig
from apps.workspaces.models import Workspace
from tests.factories.rows import JobFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
START = "wandb: Agent Starting Run: {} with config:\n"


class CountingStore(FilesystemLogStore):
    """Counts the bytes that are read, but not the few before the offset by which a log is known again."""

    bytes_read = 0

    def read(self, path: Path, offset: int, limit: int) -> bytes:
        chunk = super().read(path, offset, limit)
        if limit != MARK:
            self.bytes_read += len(chunk)
        return chunk


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return tmp_path / "train_12.out"


@pytest.fixture
def job(log: Path) -> Job:
    return JobFactory(stdout_path=str(log), stderr_path=str(log.with_suffix(".err")))


def read(
    *jobs: Job,
    store: FilesystemLogStore | None = None,
    workspaces: list[Workspace] | None = None,
    limits: LogsConfig | None = None,
) -> set[str]:
    changed = read_logs(jobs=jobs, store=store or FilesystemLogStore(), workspaces=workspaces or [], limits=limits)
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


def test_a_link_into_a_folder_that_is_named_for_that_is_followed(workspace_root: Path, tmp_path: Path) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    (scratch / "x_9.out").write_text(START.format("aaa111"))
    (workspace_root / "logs" / "x_9.out").symlink_to(scratch / "x_9.out")
    named = workspace(workspace_root)
    named.config["links_into"] = [str(scratch)]
    assert read(JobFactory(job_id="9"), workspaces=[named]) == {"9"}


def test_a_match_for_a_jobs_number_is_no_array_tasks(workspace_root: Path) -> None:
    for name, run_id in (("train_99_12", "aaa111"), ("train_112", "bbb222"), ("train_12", "ccc333")):
        (workspace_root / "logs" / f"{name}.out").write_text(START.format(run_id))
    assert read(JobFactory(job_id="12"), workspaces=[workspace(workspace_root)]) == {"12"}
    assert list(LogTrace.objects.values_list("run_id", flat=True)) == ["ccc333"]


def test_a_job_whose_own_name_ends_in_a_number_has_its_log(workspace_root: Path) -> None:
    (workspace_root / "logs" / "glue_2024_12.out").write_text(START.format("aaa111"))
    assert read(JobFactory(job_id="12", name="glue_2024"), workspaces=[workspace(workspace_root)]) == {"12"}


def test_two_jobs_that_share_one_log_both_find_their_runs_in_it(job: Job, log: Path) -> None:
    other = JobFactory(stdout_path=str(log))
    log.write_text(START.format("aaa111") + "Epoch 3/10\n" + START.format("bbb222") + "Epoch 5/10\n")
    store = CountingStore()
    assert read(job, other, store=store) == {job.job_id, other.job_id}
    assert store.bytes_read == log.stat().st_size, "it is read once"
    keys = [("memory", job.job_id), ("memory", other.job_id)]
    found = traces_by_job(keys)
    assert [{one.run_id: one.epoch for one in found[key]} for key in keys] == [{"aaa111": 3.0, "bbb222": 5.0}] * 2
    assert jobs_naming(["bbb222"]) == {"bbb222": set(keys)}


def test_a_job_that_comes_to_a_known_log_later_shares_it(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111"))
    read(job)
    other = JobFactory(stdout_path=str(log))
    append(log, START.format("bbb222"))
    read(other)
    assert jobs_naming(["bbb222"])["bbb222"] == {("memory", job.job_id), ("memory", other.job_id)}


def test_the_last_line_of_an_ended_job_needs_no_end(log: Path) -> None:
    job = JobFactory(stdout_path=str(log))
    log.write_text(START.format("aaa111") + "Epoch 4/10\nValueError: no")
    read(job)
    assert trace("aaa111").evidence == []
    job.state = "FAILED"
    assert read(job) == {job.job_id}
    assert [item["class"] for item in trace("aaa111").evidence] == ["python-error"]
    assert read(job) == set()


def test_the_last_frame_of_a_bar_is_read_while_the_job_runs(job: Job, log: Path) -> None:
    log.with_suffix(".err").write_text("\r 45%|####5     | 450/1000 [00:12<00:15, 36.2it/s]")
    read(job)
    found = trace("")
    assert (found.step, found.total_steps, found.steps_per_second) == (450, 1000, 36.2)
    assert found.progress_at == found.log.modified_at


def test_a_large_log_is_caught_up_with_over_several_passes(job: Job, log: Path) -> None:
    log.write_text(START.format("aaa111") + "Epoch 5/10\n" * 20)
    store, limits = CountingStore(), LogsConfig(max_bytes_per_pass=50)
    read(job, store=store, limits=limits)
    assert store.bytes_read == 50
    assert jobs_to_catch_up_with() == {("memory", job.job_id)}
    for _ in range(10):
        read(job, store=store, limits=limits)
    assert trace("aaa111").epoch == 5.0
    assert store.bytes_read == log.stat().st_size
    assert jobs_to_catch_up_with() == set()


def test_what_waited_longest_is_read_first(tmp_path: Path) -> None:
    jobs = [JobFactory(stdout_path=str(tmp_path / f"train_{n}.out")) for n in range(4)]
    text = START.format("aaa111") + "x" * 100 + "\n"
    for job in jobs:
        Path(job.stdout_path).write_text(text)
    limits = LogsConfig(max_bytes_per_pass=len(text))
    read_in_turn = []
    for _ in range(8):
        for job in jobs:
            append(Path(job.stdout_path), "x" * 150 + "\n")
        before = dict(LogFile.objects.values_list("path", "offset"))
        read(*jobs, limits=limits)
        after = dict(LogFile.objects.values_list("path", "offset"))
        read_in_turn.append({path for path, offset in after.items() if offset != before.get(path, 0)})
    assert set().union(*read_in_turn[:4]) == {job.stdout_path for job in jobs}
    assert set().union(*read_in_turn[4:]) == {job.stdout_path for job in jobs}
    assert LogFile.objects.filter(behind=True).count() == len(jobs)


def test_a_pass_ends_when_its_seconds_are_over_and_the_next_goes_on(
    job: Job, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ticks = iter(range(100))
    monkeypatch.setattr(reading, "CHUNK", 40)
    monkeypatch.setattr(Budget.__init__, "__defaults__", (lambda: float(next(ticks)),))
    log.write_text(START.format("aaa111") + "Epoch 5/10\n" * 100)
    store = CountingStore()
    read(job, store=store, limits=LogsConfig(seconds_per_pass=5))
    assert store.bytes_read < log.stat().st_size
    assert LogFile.objects.get(path=str(log)).behind
    read(job, store=store, limits=LogsConfig(seconds_per_pass=90))
    assert store.bytes_read == log.stat().st_size


def test_of_a_log_that_is_too_long_head_and_tail_are_read_and_the_gap_is_noted(job: Job, log: Path) -> None:
    log.write_text(
        START.format("aaa111") + "Epoch 1/10\n" + "nothing\n" * 1000 + START.format("bbb222") + "nothing\n" * 1000
        + "Epoch 9/10\nValueError: x\n"
    )  # fmt: skip
    store = CountingStore()
    read(job, store=store, limits=LogsConfig(max_bytes_per_log=400))
    row = LogFile.objects.get()
    assert store.bytes_read == 400
    assert (row.offset, row.skipped_bytes, row.behind) == (log.stat().st_size, log.stat().st_size - 400, False)
    assert f"{row.skipped_bytes} bytes" in row.notes[0]["text"]
    assert trace("aaa111").epoch == 1.0
    assert trace("aaa111").evidence == [], "whose error it was nobody knows"
    assert (trace("").epoch, [item["class"] for item in trace("").evidence]) == (9.0, ["python-error"])
    append(log, START.format("ccc333") + "Epoch 2/10\n")
    read(job, store=store, limits=LogsConfig(max_bytes_per_log=400))
    assert trace("ccc333").epoch == 2.0


def test_a_gap_is_left_even_if_the_pass_ends_before_it(job: Job, log: Path) -> None:
    log.write_text("nothing\n" * 2000 + "Epoch 9/10\n")
    store, limits = CountingStore(), LogsConfig(max_bytes_per_log=400, max_bytes_per_pass=150)
    for _ in range(5):
        read(job, store=store, limits=limits)
    assert trace("").epoch == 9.0
    assert store.bytes_read <= 400 + 150


def test_a_line_without_end_keeps_no_more_than_its_beginning(job: Job, log: Path) -> None:
    limits = LogsConfig(max_line_bytes=100)
    log.write_text("Epoch 3/10 " + "x" * 5000)
    read(job, limits=limits)
    assert len(LogFile.objects.get().carry["rest"]) == 100
    append(log, "y" * 5000 + " Run: ccc333\nEpoch 4/10\n")
    read(job, limits=limits)
    assert (trace("").epoch, LogTrace.objects.count()) == (4.0, 1)


def test_rubbish_and_zeros_are_read_without_harm(job: Job, log: Path) -> None:
    log.write_bytes(random.Random(3).randbytes(300_000) + b"\n" + b"\x00" * 100_000 + b"\nEpoch 2/10\n\x00\x00Epo\x00")
    read(job)
    assert trace("").epoch == 2.0
    assert "\x00" not in LogFile.objects.get().carry["rest"]
