"""The log that a real Slurm leaves behind when it preempts and requeues a job."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.joblogs.adapters.filesystem import FilesystemLogStore
from apps.joblogs.models import LogTrace
from apps.joblogs.services import read_logs
from tests.factories.rows import JobFactory
from tests.services.slurm import available, running_slurm
from tests.services.slurm_daemons import wait_until
from tests.services.slurm_harness import SlurmHarness

pytestmark = [pytest.mark.django_db, pytest.mark.needs_slurm]
TRAINS = """
echo "Run: aaa111"
echo "Epoch $((4 + SLURM_RESTART_COUNT))/10 step $((400 + SLURM_RESTART_COUNT * 100)) loss 0.3"
sleep 60
"""


@pytest.fixture
def at(tmp_path: Path) -> Iterator[SlurmHarness]:
    able, sentence = available()
    if not able and os.environ.get("CI") == "true":
        pytest.fail(sentence)
    if not able:
        pytest.skip(sentence)
    with running_slurm(tmp_path / "slurm") as cluster:
        harness = SlurmHarness(tmp_path, cluster, "slurm_cli")
        yield harness
        harness.close()


def test_a_preempted_job_that_appends_to_its_log_has_two_starts_in_it(at: SlurmHarness, tmp_path: Path) -> None:
    log = tmp_path / "train.out"
    options = {**at.preemptible, "open-mode": "append", "output": str(log)}
    job_id = at.submit(TRAINS, options=options)
    at.run(job_id)
    wait_until(lambda: log.exists() and "Epoch 4" in log.read_text(), 30, "the first attempt's line")
    job = JobFactory(job_id=job_id, stdout_path=str(log))
    read_logs(jobs=[job], store=FilesystemLogStore(), workspaces=[])
    at.preempt(job_id)
    wait_until(lambda: "Epoch 5" in log.read_text(), 60, "the second attempt's line")
    read_logs(jobs=[job], store=FilesystemLogStore(), workspaces=[])
    trace = LogTrace.objects.get(run_id="aaa111")
    assert "DUE TO PREEMPTION" in log.read_text()
    assert (trace.starts, trace.epoch, trace.step, trace.evidence) == (2, 5.0, 500, [])
    (earlier,) = trace.earlier_starts
    assert (earlier["epoch"], earlier["step"]) == (4.0, 400)
    assert {item["class"] for item in earlier["evidence"]} == {"preemption"}
