"""Whole answers of Slurm, recorded from a real cluster of version 22.05 (paths and hosts replaced)."""

from pathlib import Path

import pytest

from apps.core.errors import Permanent
from apps.slurm.adapters.slurm_rows import (
    SACCT_FIELDS,
    STEP_FIELDS,
    LiveJobs,
    history_attempts,
    lacking,
    live_jobs,
    most_memory,
    queue_attempts,
    rows,
)
from apps.slurm.ports import JobAttempt

RECORDED = Path(__file__).parents[1] / "recorded" / "slurm"
MARK = "\x1f"


def recorded(name: str) -> str:
    return (RECORDED / name).read_text()


def told(output: str, live: LiveJobs | None = None) -> list[JobAttempt]:
    return history_attempts(list(rows(output, SACCT_FIELDS, MARK)), live or {})


def history() -> dict[str, JobAttempt]:
    live = live_jobs(recorded("scontrol-show-job.txt"))
    return {x.job_id: x for x in told(recorded("sacct.txt"), live)}


def sacct_row(**told: str) -> str:
    return "".join(told.get(name, "") + MARK for name in SACCT_FIELDS) + "\n"


def half_a_row(raw_id: str) -> str:
    told = {"JobID": raw_id, "JobIDRaw": raw_id, "Submit": "1795474944", "State": "FAILED", "Cluster": "c"}
    told |= {"JobName": "allocation", "ExitCode": "3:0", "End": "1795474945", "NodeList": "n1"}
    return sacct_row(**told)


def test_the_queue_is_read() -> None:
    attempts = {x.job_id: x for x in queue_attempts(recorded("squeue.txt"), "sweeptest", MARK)}
    assert attempts["22"].reason == "JobHeldUser"
    assert attempts["4"].name == "a/b c"
    requeued = attempts["23"]
    assert (requeued.state, requeued.requeue_count, requeued.time_limit_seconds) == ("PENDING", 1, 3600)
    assert requeued.start_at is None
    assert requeued.stdout_path == "/srv/logs/j.sh_23_4294967294.out"


def test_an_empty_queue_is_an_answer() -> None:
    assert queue_attempts("", "c", MARK) == []


def test_history_is_read() -> None:
    failed = history()["18"]
    assert (failed.name, failed.comment) == ("net|a", "sweepboard:run=abc|def")
    assert (failed.gpus, failed.exit_code, failed.time_limit_seconds) == (2, 3, 93_600)
    assert failed.stdout_path == "/home/ada/sweeps/slurm-18.out"


def test_out_of_memory_is_told_from_a_kill() -> None:
    attempt = history()["20"]
    assert (attempt.state, attempt.exit_code, attempt.exit_signal) == ("OUT_OF_MEMORY", 0, 125)
    assert attempt.time_limit_seconds is None


def test_a_comment_may_hold_a_newline() -> None:
    attempt = history()["21"]
    assert (attempt.state, attempt.comment) == ("CANCELLED", "two\nlines")
    assert attempt.stdout_path.endswith("_21_4294967294.out")


def test_an_arrays_last_task_keeps_the_arrays_number() -> None:
    attempts = history()
    assert [attempts[f"19_{task}"].raw_id for task in range(4)] == [24, 25, 26, 19]
    assert attempts["19_0"].exit_signal == 53
    assert attempts["19_0"].array_task_id == 0


def test_half_a_row_is_completed_by_what_the_controller_remembers() -> None:
    live = live_jobs(recorded("scontrol-show-job.txt"))
    (attempt,) = told(half_a_row("24"), live)
    assert (attempt.job_id, attempt.raw_id, attempt.name) == ("19_0", 24, "j.sh")
    assert (attempt.partition, attempt.work_dir) == ("batch", "/home/ada/sweeps")
    assert (attempt.time_limit_seconds, attempt.gpus) == (3600, 1)


def test_half_a_row_of_a_forgotten_job_is_left_for_later() -> None:
    assert told(half_a_row("999")) == []


@pytest.mark.parametrize(
    ("state", "told_code", "pair"),
    [
        ("FAILED", "0:0", (None, None)),  # accounting knows the state a moment before the code
        ("FAILED", "4:0", (4, 0)),
        ("FAILED", "0:9", (0, 9)),
        ("COMPLETED", "0:0", (0, 0)),
        ("TIMEOUT", "0:0", (0, 0)),
        ("RUNNING", "0:0", (None, None)),
    ],
)
def test_a_failure_is_never_told_with_exit_code_0(state: str, told_code: str, pair: tuple[int, int]) -> None:
    values = {"JobID": "28", "JobIDRaw": "28", "Submit": "1795474944", "Cluster": "c", "JobName": "j"}
    (attempt,) = told(sacct_row(**values, State=state, ExitCode=told_code))
    assert (attempt.exit_code, attempt.exit_signal) == pair


def test_a_task_that_started_is_not_told_again_by_its_arrays_shared_record() -> None:
    # Seen when an array is cancelled as its first task starts: the shared record lists that task too.
    values = {"Submit": "1795474944", "State": "CANCELLED by 0", "Cluster": "c", "JobName": "j", "ExitCode": "0:0"}
    started = sacct_row(JobID="20_0", JobIDRaw="21", Start="1795474945", NodeList="n1", **values)
    shared = sacct_row(JobID="20_[0-1%1]", JobIDRaw="20", **values)
    for output in (started + shared, shared + started):
        attempts = told(output)
        assert sorted((x.job_id, x.raw_id) for x in attempts) == [("20_0", 21), ("20_1", None)]


def test_an_answer_of_another_shape_is_not_guessed_at() -> None:
    with pytest.raises(Permanent):
        list(rows(f"1{MARK}2{MARK}3{MARK}\n", ("a", "b"), MARK))


def test_only_jobs_that_are_asked_for_are_read_from_the_controllers_answer() -> None:
    assert set(live_jobs(recorded("scontrol-show-job.txt"), {18, 24})) == {18, 24}


def test_the_controller_is_asked_for_what_accounting_lacks_of_ended_jobs() -> None:
    ended = sacct_row(JobID="7", JobIDRaw="7", State="COMPLETED")
    told_already = sacct_row(JobID="8", JobIDRaw="8", State="RUNNING")
    assert lacking(rows(ended + told_already + half_a_row("9"), SACCT_FIELDS, MARK)) == {7, 9}


def test_steps_belong_to_the_attempt_that_they_follow() -> None:
    steps = [
        ("7", "100", ""), ("7.batch", "101", "2048K"), ("7.0", "102", "3145728"),
        ("7", "200", ""), ("7.batch", "201", "1M"),
        ("8", "300", ""), ("8.batch", "301", "0"), ("8.extern", "301", ""),
    ]  # fmt: skip
    output = "".join("".join(value + MARK for value in step) + "\n" for step in steps)
    found = most_memory(rows(output, STEP_FIELDS, MARK))
    assert found == {("7", "100"): 3 << 20, ("7", "200"): 1 << 20}


def test_how_often_a_job_was_requeued_is_told_of_its_last_attempt_only() -> None:
    live = live_jobs(recorded("scontrol-show-job.txt").replace("Restarts=0", "Restarts=2"))
    (last,) = told(sacct_row(JobID="18", JobIDRaw="18", State="FAILED", Submit="1795474944"), live)
    (earlier,) = told(sacct_row(JobID="18", JobIDRaw="18", State="REQUEUED", Submit="1795474000"), live)
    assert (last.requeue_count, earlier.requeue_count) == (2, 0)
    assert last.stdout_path == earlier.stdout_path == "/home/ada/sweeps/slurm-18.out"


def test_ten_thousand_ended_jobs_are_read_in_one_go() -> None:
    output = "".join(recorded("sacct.txt") for _ in range(1_300))
    attempts = told(output)
    assert len(attempts) >= 10_000
