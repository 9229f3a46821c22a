"""What the local scheduler promises beyond the contract: it survives, and it is shared."""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from apps.core.errors import Permanent
from apps.slurm.adapters.batch_script import directives, limit_in_seconds
from apps.slurm.adapters.local import LocalScheduler
from apps.slurm.ports import Submission
from tests.services.slurm_harness import LocalHarness


@pytest.fixture
def local(tmp_path: Path) -> Iterator[LocalHarness]:
    harness = LocalHarness(tmp_path)
    yield harness
    harness.close()


def runner_of(folder: Path) -> int:
    """Return the process id of the supervisor whose attempt folder is given."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        if str(folder).encode() in path.read_bytes().split(b"\0"):
            return int(path.parent.name)
    raise AssertionError("no supervisor runs")


def test_a_killed_supervisor_leaves_a_node_failure(local: LocalHarness) -> None:
    job_id = local.submit("echo $$ > pid; exec sleep 60")
    local.run(job_id)
    pid = local.folder / "pid"
    local.wait(lambda: pid.exists() and pid.read_text().strip() != "", "the job to start", [])
    time.sleep(0.2)
    os.kill(runner_of(local.folder / "state" / "attempts" / "1"), signal.SIGKILL)
    local.wait_past(job_id, "NODE_FAIL")
    stat = Path(f"/proc/{pid.read_text().strip()}/stat")
    local.wait(lambda: not stat.exists() or ") Z" in stat.read_text(), "the job to be gone", [])


def test_jobs_outlive_the_process_that_submitted_them(local: LocalHarness) -> None:
    script = local.folder / "job.sh"
    script.write_text("#!/bin/bash\nsleep 0.5; echo done\n")
    code = (
        "import sys; from pathlib import Path; from apps.slurm.adapters.local import LocalScheduler as L;"
        "from apps.slurm.ports import Submission as S; script = Path(sys.argv[2]);"
        "print(L(Path(sys.argv[1])).submit(S(str(script), work_dir=str(script.parent))))"
    )
    command = [sys.executable, "-c", code, str(local.folder / "state"), str(script)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=20)
    local.wait_past(done.stdout.strip(), "COMPLETED")


def test_many_submitters_at_once_get_a_number_each(local: LocalHarness) -> None:
    script = local.folder / "job.sh"
    script.write_text("#!/bin/bash\ntrue\n")

    def submit(_: int) -> str:
        scheduler = LocalScheduler(local.folder / "state", slots=2)
        return scheduler.submit(Submission(str(script), options={"hold": ""}))

    with ThreadPoolExecutor(8) as pool:
        ids = list(pool.map(submit, range(24)))
    assert len(set(ids)) == 24


def test_no_more_jobs_run_than_there_are_slots(local: LocalHarness) -> None:
    array = local.submit("sleep 0.3", options={"array": "0-7"})
    most = 0
    while local.scheduler.queue():
        most = max(most, sum(x.state == "RUNNING" for x in local.scheduler.queue()))
        time.sleep(0.05)
    assert 1 <= most <= 3
    for task in range(8):
        local.wait_past(f"{array}_{task}", "COMPLETED")


def test_a_job_that_ignores_sigterm_is_killed(local: LocalHarness) -> None:
    job_id = local.submit("trap '' TERM; echo up; while true; do sleep 0.1; done", options={"time": "0:01"})
    (attempt,) = local.wait_past(job_id, "TIMEOUT")
    assert attempt.exit_signal == signal.SIGKILL
    assert "DUE TO TIME LIMIT" in Path(attempt.stdout_path).read_text()


def test_what_would_run_at_the_wrong_moment_is_refused(local: LocalHarness) -> None:
    with pytest.raises(Permanent, match="dependency"):
        local.submit("true", options={"dependency": "afterok:1"})


def test_the_lines_of_a_script_are_read_as_sbatch_does() -> None:
    script = "#!/bin/bash\n#SBATCH -J net --time=1:30:00\n#SBATCH --comment 'a b' # why\necho\n#SBATCH -t 9\n"
    assert directives(script) == {"job-name": "net", "time": "1:30:00", "comment": "a b"}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30", 1800), ("0:02", 2), ("1:30:00", 5400), ("2-12", 216_000), ("1-0:30", 88_200), ("0", None)],
)
def test_a_time_limit_is_read_as_sbatch_does(text: str, seconds: int | None) -> None:
    assert limit_in_seconds(text) == seconds


def test_a_runner_that_was_poked_before_the_wish_was_written_goes_on_and_hears_the_next_one(
    local: LocalHarness,
) -> None:
    job_id = local.submit("sleep 60")
    local.run(job_id)
    (local.folder / "state" / "attempts" / "1" / "poke").touch()
    time.sleep(0.5)
    assert [job.state for job in local.scheduler.queue()] == ["RUNNING"]
    local.scheduler.cancel(job_id)
    local.wait_past(job_id, "CANCELLED")


def test_jobs_of_a_folder_from_before_memory_was_noted_are_kept(tmp_path: Path) -> None:
    scheduler = LocalScheduler(tmp_path / "state", slots=1)
    script = tmp_path / "job.sh"
    script.write_text("#!/bin/bash\ntrue\n")
    job_id = scheduler.submit(Submission(str(script), work_dir=str(tmp_path), options={"hold": ""}))
    with closing(sqlite3.connect(tmp_path / "state" / "jobs.sqlite3")) as db:
        db.execute("ALTER TABLE attempt DROP COLUMN max_rss")
    (job,) = LocalScheduler(tmp_path / "state", slots=1).queue()
    assert (job.job_id, job.state, job.max_rss_bytes) == (job_id, "PENDING", None)
