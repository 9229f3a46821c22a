"""What a real Slurm says at the moment of closing: a job that lives or cannot be asked about closes nothing."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.closing.models import CloseRequest
from apps.slurm.models import Job
from tests.factories.closing import Lab
from tests.factories.moments import before
from tests.services.slurm import SlurmCluster
from tests.services.slurm_harness import SlurmHarness

pytestmark = [pytest.mark.django_db, pytest.mark.needs_slurm]


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, tmp_path: Path) -> Iterator[SlurmHarness]:
    harness = SlurmHarness(tmp_path, slurm_cluster, "slurm_cli")
    yield harness
    harness.close()


@pytest.fixture
def lab(db: None, tmp_path: Path, slurm: SlurmHarness, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    made = Lab(tmp_path)
    made.scheduler = slurm.scheduler
    return made


def carried_by(lab: Lab, slurm: SlurmHarness, job_id: str) -> CloseRequest:
    """Ask for the closing while the stored row of the run's job, a life of ``job_id``, says that it failed."""
    Job.objects.update(cluster=slurm.scheduler.cluster(), job_id=job_id, raw_id=int(job_id), submit_at=before(days=2))
    return lab.ask()


def said_of(request: CloseRequest) -> str:
    request.refresh_from_db()
    return request.said


def test_a_job_that_runs_a_job_that_waits_and_one_that_was_submitted_for_the_run_refuse_it(
    lab: Lab, slurm: SlurmHarness
) -> None:
    running = slurm.submit("sleep 60")
    slurm.run(running)
    request = carried_by(lab, slurm, running)
    assert (lab.drive(request), said_of(request)) == ("refused", f"Job {running} is RUNNING: the run is not a zombie.")
    slurm.scheduler.cancel(running)
    slurm.wait_past(running, "CANCELLED")
    waiting = slurm.submit("true", options={"hold": ""})
    request = carried_by(lab, slurm, waiting)
    assert (lab.drive(request), said_of(request)) == ("refused", f"Job {waiting} is PENDING: the run is not a zombie.")
    resumed = slurm.submit("sleep 60", comment="sweepboard:run=aaa")
    request = carried_by(lab, slurm, running)
    assert lab.drive(request) == "refused"
    assert said_of(request).startswith(f"Job {resumed} is")
    assert lab.closer.closed == []


def test_a_job_that_has_ended_lets_it_be_closed_once_slurm_answers_for_it(lab: Lab, slurm: SlurmHarness) -> None:
    ended = slurm.submit("false")
    slurm.wait_past(ended, "FAILED")
    request = carried_by(lab, slurm, ended)
    with slurm.dead_controller():
        assert lab.drive(request) == "queued"
        assert "does not answer" in said_of(request) or "did not answer" in said_of(request), said_of(request)
        assert lab.closer.closed == []
    with slurm.dead_accounting():
        assert lab.drive(request) == "queued"  # the queue answers, and that alone is not enough
        assert lab.closer.closed == []
    slurm.wait_past(ended, "FAILED")
    assert lab.drive(request) == "closed"
    assert lab.closer.closed == ["aaa"]
