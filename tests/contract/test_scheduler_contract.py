"""One contract, kept by every scheduler adapter: real Slurm by its clients and by pyslurm, local, memory."""

import time
from datetime import UTC, timedelta
from pathlib import Path

import pytest

from apps.core.errors import Permanent, Transient
from apps.slurm.ports import GpuType, Submission
from tests.contract.conftest import REAL_SLURM
from tests.services.slurm_harness import (
    Harness,
    LocalHarness,
    SlurmHarness,
)

pytestmark = pytest.mark.starts_first

EATS_MEMORY = "exec python3 -c 'x = bytearray(b\"x\") * (400 << 20); import time; time.sleep(20)'"


# Where pyslurm only passes the question on to the clients, one of the two is enough.
on_slurm = pytest.mark.parametrize("at", REAL_SLURM[:1], indirect=True)


def test_it_names_its_cluster_and_version(at: Harness) -> None:
    assert at.scheduler.cluster()
    assert at.scheduler.version()
    assert at.scheduler.kind in {"slurm_cli", "pyslurm", "local", "memory"}


@on_slurm
def test_the_gpus_of_its_nodes_are_told_by_type_once_for_each_node(at: Harness) -> None:
    """Each node is in two partitions, and counted once."""
    assert at.scheduler.gpu_types() == [GpuType("a100", gpus=6, nodes=3)]


def test_a_job_that_ends_well_is_completed(at: Harness) -> None:
    job_id = at.submit("echo out-$COLOUR-$SLURM_JOB_ID", name="paint", environment={"COLOUR": "a b,c=d"})
    at.play(job_id, "COMPLETED")
    (attempt,) = at.wait_past(job_id, "COMPLETED")
    assert (attempt.exit_code, attempt.exit_signal) == (0, 0)
    assert attempt.name == "paint"
    assert attempt.cluster == at.scheduler.cluster()
    assert attempt.ended
    if at.runs_programs:
        assert Path(attempt.stdout_path).read_text() == f"out-a b,c=d-{attempt.raw_id}\n"


def test_what_a_submission_goes_without_does_not_reach_the_job(at: Harness) -> None:
    """The submitter's own variables do; the tests' have a SECRET_KEY."""
    body = "echo ${SECRET_KEY-gone} ${DJANGO_SETTINGS_MODULE-gone} $COLOUR"
    job_id = at.submit(body, environment={"COLOUR": "red"}, without=["SECRET_KEY"])
    at.play(job_id, "COMPLETED")
    (attempt,) = at.wait_past(job_id, "COMPLETED")
    assert attempt.ended
    if at.runs_programs:
        assert Path(attempt.stdout_path).read_text() == "gone apps.config.settings red\n"


def test_times_are_aware_and_in_order(at: Harness) -> None:
    job_id = at.submit("true")
    at.play(job_id, "COMPLETED")
    (attempt,) = at.wait_past(job_id, "COMPLETED")
    assert attempt.start_at is not None
    assert attempt.end_at is not None
    assert attempt.submit_at.utcoffset() == timedelta(0)
    assert attempt.submit_at <= attempt.start_at <= attempt.end_at
    later = at.scheduler.history(attempt.end_at.astimezone(UTC) + timedelta(hours=1))
    assert job_id not in [x.job_id for x in later]


def test_a_job_that_exits_3_is_failed_3_0(at: Harness) -> None:
    job_id = at.submit("exit 3")
    at.play(job_id, "FAILED", 3)
    at.wait_past(job_id, "FAILED")
    at.wait_exit(job_id, 3)


def test_a_job_killed_by_a_signal_names_the_signal(at: Harness) -> None:
    job_id = at.submit("kill -9 $$")
    at.play(job_id, "FAILED", 0, 9)
    at.wait_past(job_id, "FAILED")
    at.wait_exit(job_id, 0, 9)


def test_a_job_over_its_memory_says_so(at: Harness) -> None:
    if isinstance(at, LocalHarness):
        pytest.skip("The local adapter sets no memory limit.")
    job_id = at.submit(EATS_MEMORY, options={"mem": "50"})
    at.play(job_id, "OUT_OF_MEMORY", 0, 125)
    # Without memory cgroups slurmstepd kills the job itself, and its log is the only evidence.
    limited = not isinstance(at, SlurmHarness) or at.slurm.layout.memory_cgroups
    at.wait_past(job_id, "OUT_OF_MEMORY" if limited else "FAILED")
    attempt = at.wait_exit(job_id, 0, 125 if limited else 9)
    if at.runs_programs:
        log = Path(attempt.stdout_path).read_text()
        assert ("oom" if limited else "exceeded memory limit") in log


def test_a_cancelled_job_is_cancelled_once(at: Harness) -> None:
    job_id = at.submit("exec sleep 60")
    at.run(job_id)
    at.scheduler.cancel(job_id)
    at.wait_past(job_id, "CANCELLED")
    with pytest.raises(Permanent):
        at.scheduler.cancel(job_id)


def test_a_preempted_job_keeps_both_attempts_apart(at: Harness) -> None:
    job_id = at.submit("sleep 60", options=at.preemptible, comment="sweepboard:run=abc")
    at.run(job_id)
    at.preempt(job_id)
    first = next(x for x in at.past(job_id) if x.state == "PREEMPTED")
    at.run(job_id)
    again = at.queued(job_id)
    assert again is not None
    assert (again.cluster, again.job_id) == (first.cluster, first.job_id)
    assert again.submit_at > first.submit_at
    assert again.requeue_count == 1
    assert first.comment == again.comment == "sweepboard:run=abc"
    assert [x.submit_at for x in at.wait_past(job_id, "PREEMPTED", "RUNNING")][1] == again.submit_at


def test_an_array_shows_its_tasks_one_by_one(at: Harness) -> None:
    array = at.submit("sleep 1; exit $((SLURM_ARRAY_TASK_ID == 1 ? 4 : 0))", options={"array": "0-2%1"})
    waiting = [x for x in at.scheduler.queue() if x.array_job_id == int(array)]
    assert sorted(x.job_id for x in waiting) == [f"{array}_0", f"{array}_1", f"{array}_2"]
    assert sorted(x.array_task_id for x in waiting if x.array_task_id is not None) == [0, 1, 2]
    for task in range(3):
        bad = task == 1
        at.play(f"{array}_{task}", "FAILED" if bad else "COMPLETED", 4 if bad else 0)
    (good,) = at.wait_past(f"{array}_0", "COMPLETED")
    (failed,) = at.wait_past(f"{array}_1", "FAILED")
    (last,) = at.wait_past(f"{array}_2", "COMPLETED")
    at.wait_exit(f"{array}_1", 4)
    assert len({good.raw_id, failed.raw_id, last.raw_id}) == 3
    if at.runs_programs:
        assert failed.stdout_path == str(at.folder / f"slurm-{array}_1.out")


def test_one_task_of_an_array_is_cancelled_alone_and_then_the_rest(at: Harness) -> None:
    array = at.submit("exec sleep 60", options={"array": "0-2%1"})
    at.run(f"{array}_0")
    at.scheduler.cancel(f"{array}_2")
    at.wait(lambda: at.queued(f"{array}_2") is None, "the task to go", [])
    # Slurm itself keeps no record of a pending task that is cancelled alone, so none is asked for here.
    assert at.queued(f"{array}_0") is not None
    assert at.queued(f"{array}_1") is not None
    at.scheduler.cancel(array)
    for task in range(2):
        at.wait_past(f"{array}_{task}", "CANCELLED")


def test_a_pending_job_says_why_it_waits(at: Harness) -> None:
    job_id = at.submit_waiting()
    at.wait_queued(job_id, "PENDING")
    attempt = at.queued(job_id)
    assert attempt is not None
    assert attempt.start_at is None
    assert attempt.end_at is None
    assert attempt.exit_code is None
    assert attempt.reason in {"BeginTime", "Resources", "Priority"}


def test_a_running_job_can_be_requeued(at: Harness) -> None:
    job_id = at.submit("sleep 60")
    at.run(job_id)
    at.scheduler.requeue(job_id)
    at.run(job_id)
    first, second = at.wait_past(job_id, "REQUEUED", "RUNNING")
    assert second.submit_at > first.submit_at


def test_an_ended_job_can_be_requeued(at: Harness) -> None:
    # Not at once: what is requeued before accounting heard of its start loses its exit code there.
    job_id = at.submit("sleep 1; exit 5")
    at.play(job_id, "FAILED", 5)
    at.wait_past(job_id, "FAILED")
    at.wait_exit(job_id, 5)
    at.scheduler.requeue(job_id)
    at.wait(lambda: at.queued(job_id) is not None or len(at.past(job_id)) > 1, "the second attempt", [])
    assert at.past(job_id)[0].exit_code == 5
    again = at.queued(job_id)
    assert again is None or again.requeue_count == 1


def test_a_held_job_waits_until_it_is_released(at: Harness) -> None:
    job_id = at.submit("sleep 60", options={"hold": ""})
    at.scheduler.hold(job_id)
    assert at.wait_queued(job_id, "PENDING").reason.startswith("JobHeld")
    at.scheduler.release(job_id)
    at.run(job_id)


@pytest.mark.parametrize("verb", ["cancel", "requeue", "hold", "release"])
@pytest.mark.parametrize("job_id", ["999999", "999999_7", "all", "1-5", "--user=root"])
def test_a_job_that_nobody_knows_is_refused(at: Harness, verb: str, job_id: str) -> None:
    with pytest.raises(Permanent):
        getattr(at.scheduler, verb)(job_id)


def test_a_partition_that_does_not_exist_is_refused(at: Harness) -> None:
    with pytest.raises(Permanent):
        at.submit("true", options={"partition": "nowhere"})


def test_a_script_that_does_not_exist_is_refused(at: Harness) -> None:
    with pytest.raises(Permanent, match=r"nothing\.sh"):
        at.scheduler.submit(Submission("nothing.sh", work_dir=str(at.folder)))


def test_a_file_that_is_no_batch_script_is_refused(at: Harness) -> None:
    (at.folder / "notes.txt").write_text("just words\n")
    with pytest.raises(Permanent):
        at.scheduler.submit(Submission("notes.txt", work_dir=str(at.folder)))


def test_a_comment_with_any_sign_in_it_is_kept(at: Harness) -> None:
    comment = "sweepboard:run=x|y, 'z' \"q\" $HOME ü"
    job_id = at.submit("sleep 1", comment=comment, name="a|b")
    at.run(job_id)
    running = at.queued(job_id)
    assert running is not None
    assert (running.comment, running.name) == (comment, "a|b")
    at.play(job_id, "COMPLETED")
    (attempt,) = at.wait_past(job_id, "COMPLETED")
    assert (attempt.comment, attempt.name) == (comment, "a|b")


def test_the_log_of_a_running_job_is_known(at: Harness) -> None:
    job_id = at.submit("echo here; sleep 60", name="net", options={"output": "logs-%x_%j.out"})
    at.run(job_id)
    running = at.queued(job_id)
    assert running is not None
    assert running.stdout_path == str(at.folder / f"logs-net_{running.raw_id}.out")
    if at.runs_programs:
        log = Path(running.stdout_path)
        at.wait(lambda: log.exists() and log.read_text() == "here\n", "the log", [])


def test_a_job_of_another_user_can_be_left_out(at: Harness) -> None:
    job_id = at.submit("sleep 60")
    at.run(job_id)
    mine = at.queued(job_id)
    assert mine is not None
    assert job_id in [x.job_id for x in at.scheduler.queue([mine.user])]
    assert at.scheduler.queue(["nobody"]) == []


@pytest.mark.parametrize("at", [*REAL_SLURM, "memory"], indirect=True)
def test_a_dead_controller_is_transient_and_soon(at: Harness) -> None:
    job_id = at.submit("sleep 60")
    at.run(job_id)
    with at.dead_controller():  # type: ignore[attr-defined]
        began = time.monotonic()
        with pytest.raises(Transient):
            at.scheduler.queue()
        assert time.monotonic() - began < 30
    assert at.queued(job_id) is not None


@on_slurm
def test_a_dead_accounting_leaves_the_queue_readable(at: SlurmHarness) -> None:
    job_id = at.submit("sleep 60")
    at.run(job_id)
    with at.dead_accounting():
        with pytest.raises(Transient):
            at.past(job_id)
        assert at.queued(job_id) is not None
    at.wait_past(job_id, "RUNNING")


@on_slurm
def test_a_dead_node_is_told_as_node_failure(at: SlurmHarness) -> None:
    job_id = at.submit("sleep 60", options={"no-requeue": "", "nodelist": "n2"})
    at.run(job_id)
    at.slurm.node_down("n2")
    try:
        at.wait_past(job_id, "NODE_FAIL")
    finally:
        at.slurm.node_resume("n2")


def test_a_job_over_its_time_limit_is_a_timeout(at: Harness) -> None:
    at.wait_past(at.job_over_its_limit(), "TIMEOUT")
