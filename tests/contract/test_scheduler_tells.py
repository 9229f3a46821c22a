"""What every scheduler adapter tells of a job: nodes, limits, GPUs, memory, attempts; and jobs by their ids."""

import pytest

from apps.core.errors import Permanent
from tests.services.slurm_harness import Harness, SlurmHarness

pytestmark = pytest.mark.starts_first

HOLDS_MEMORY = "exec python3 -c 'x = bytearray(b\"x\") * (60 << 20); import time; time.sleep(2.5)'"


def test_an_ended_job_tells_its_nodes_limit_time_and_command(at: Harness) -> None:
    job_id = at.submit("exec sleep 2", name="told", options={"time": "1:30:00"})
    at.run(job_id)
    running = at.queued(job_id)
    at.play(job_id, "COMPLETED")
    (attempt,) = at.wait_past(job_id, "COMPLETED")
    assert running is not None
    assert running.nodes == attempt.nodes != ""
    assert running.time_limit_seconds == attempt.time_limit_seconds == 5400
    assert running.start_at == attempt.start_at is not None
    assert attempt.elapsed_seconds >= (2 if at.runs_programs else 1)
    assert attempt.end_at is not None
    assert abs(attempt.elapsed_seconds - (attempt.end_at - attempt.start_at).total_seconds()) <= 1
    assert running.user == attempt.user != ""
    assert running.partition == attempt.partition != ""
    assert running.work_dir == attempt.work_dir == str(at.folder)
    assert "job.sh" in running.command
    assert "job.sh" in attempt.command


@pytest.mark.parametrize("asked", [{"gpus": "2"}, {"gres": "gpu:2"}])
def test_gpus_are_counted_while_it_waits_while_it_runs_and_afterwards(at: Harness, asked: dict[str, str]) -> None:
    job_id = at.submit("exec sleep 2", options={"hold": "", **asked})
    waiting = at.wait_queued(job_id, "PENDING")
    at.scheduler.release(job_id)
    at.run(job_id)
    running = at.queued(job_id)
    at.play(job_id, "COMPLETED")
    (attempt,) = at.wait_past(job_id, "COMPLETED")
    assert running is not None
    assert (waiting.gpus, running.gpus, attempt.gpus) == (2, 2, 2)


def test_a_job_without_gpus_has_none(at: Harness) -> None:
    job_id = at.submit("true")
    at.play(job_id, "COMPLETED")
    (attempt,) = at.wait_past(job_id, "COMPLETED")
    assert attempt.gpus == 0


def test_the_most_memory_of_an_ended_job_is_told(at: Harness) -> None:
    job_id = at.submit(HOLDS_MEMORY)
    at.play(job_id, "COMPLETED", memory=64 << 20)
    (attempt,) = at.wait_past(job_id, "COMPLETED")
    # The steps' figure reaches accounting with the job's end, or a moment after it.
    at.wait(lambda: at.past(job_id)[0].max_rss_bytes is not None, "the memory", [attempt])
    used = at.past(job_id)[0].max_rss_bytes
    assert used is not None
    assert 60 << 20 <= used < 120 << 20


def test_each_attempt_has_its_own_memory(at: Harness) -> None:
    body = f"test -e again && exec sleep 1; touch again; {HOLDS_MEMORY}"
    job_id = at.submit(body)
    at.play(job_id, "COMPLETED", memory=64 << 20)
    at.wait_past(job_id, "COMPLETED")
    at.wait(lambda: at.past(job_id)[0].max_rss_bytes is not None, "the memory", [])
    at.scheduler.requeue(job_id)
    at.play(job_id, "COMPLETED", memory=1 << 20)
    at.wait(lambda: [x.state for x in at.past(job_id)][1:] == ["COMPLETED"], "the second attempt", [])
    first, second = at.past(job_id)
    assert first.max_rss_bytes is not None
    assert first.max_rss_bytes >= 60 << 20
    # A short sleep may end before anybody looked.
    assert second.max_rss_bytes is None or second.max_rss_bytes < 30 << 20


def test_a_live_job_tells_no_memory_yet(at: Harness) -> None:
    job_id = at.submit("exec sleep 60")
    at.run(job_id)
    at.wait_past(job_id, "RUNNING")
    assert at.past(job_id)[0].max_rss_bytes is None


def test_jobs_can_be_asked_for_by_their_ids(at: Harness) -> None:
    one, other = (at.submit("true") for _ in range(2))
    for job_id in (one, other):
        at.play(job_id, "COMPLETED")
        at.wait_past(job_id, "COMPLETED")
    asked = [other, "999999", "999999_3"]

    def same() -> bool:  # accounting completes a job's row for a while after its end
        return at.scheduler.attempts_of(asked, at.started_at) == at.past(other)

    at.wait(same, f"both ways to tell the same of {other}", [])
    assert [x.job_id for x in at.scheduler.attempts_of(asked, at.started_at)] == [other]
    assert at.scheduler.attempts_of([], at.started_at) == []


def test_a_task_that_is_asked_for_by_its_id_comes_alone(at: Harness) -> None:
    array = at.submit("exec sleep 60", options={"array": "0-2%1"})
    at.run(f"{array}_0")
    at.wait_past(f"{array}_0", "RUNNING")
    found = at.scheduler.attempts_of([f"{array}_0", f"{array}_2"], at.started_at)
    assert {x.job_id for x in found} <= {f"{array}_0", f"{array}_2"}
    assert [x.state for x in found if x.job_id == f"{array}_0"] == ["RUNNING"]


def test_all_attempts_of_a_job_come_when_it_is_asked_for_by_its_id(at: Harness) -> None:
    job_id = at.submit("sleep 60")
    at.run(job_id)
    at.scheduler.requeue(job_id)
    at.run(job_id)
    at.wait_past(job_id, "REQUEUED", "RUNNING")
    found = at.scheduler.attempts_of([job_id], at.started_at)
    assert sorted(x.state for x in found) == ["REQUEUED", "RUNNING"]


@pytest.mark.parametrize("job_id", ["all", "1-5", "--user=root", ""])
def test_only_single_jobs_can_be_asked_for(at: Harness, job_id: str) -> None:
    if not isinstance(at, SlurmHarness):
        assert at.scheduler.attempts_of([job_id], at.started_at) == []
        return
    with pytest.raises(Permanent):
        at.scheduler.attempts_of([job_id], at.started_at)
