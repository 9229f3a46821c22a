"""Cancelling on a real Slurm: the named attempt and no other, a requeued one and a deaf Slurm are left alone."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from apps.stopping.models import CancelRequest
from tests.factories.stopping import Lab
from tests.integration.test_resume_deaths import Deadly, Death, Killer
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
    made.scheduler = slurm.scheduler  # type: ignore[assignment]  # the real one in place of that in memory
    made.now = slurm.started_at
    return made


def ends(lab: Lab, slurm: SlurmHarness, request: CancelRequest) -> str:
    """Drive a request until nothing more happens to it."""
    seen: list[str] = []

    def over() -> bool:
        seen.append(lab.drive(request))
        return seen[-1] not in CancelRequest.OPEN

    slurm.wait(over, "the cancelling to end", seen)
    request.refresh_from_db()
    return seen[-1]


def test_a_task_of_an_array_is_cancelled_and_its_sisters_go_on(lab: Lab, slurm: SlurmHarness) -> None:
    array = slurm.submit("sleep 60", options={"array": "0-1"})
    slurm.run(f"{array}_1")
    request = lab.ask(lab.job_of(f"{array}_0"))
    assert ends(lab, slurm, request) == "done", request.said
    assert slurm.queued(f"{array}_1") is not None
    slurm.wait(lambda: [one.state for one in slurm.past(f"{array}_0")] == ["CANCELLED"], "the cancel", [])


def test_a_requeued_attempt_is_left_alone_and_a_deaf_slurm_is_waited_for(lab: Lab, slurm: SlurmHarness) -> None:
    job_id = slurm.submit("sleep 60", options={"requeue": ""})
    slurm.run(job_id)
    request = lab.ask(lab.job_of(job_id))
    with slurm.dead_controller():
        assert lab.drive(request) == "asked"
    first = slurm.queued(job_id)
    assert first is not None
    slurm.wait(lambda: slurm.queued(job_id) is not None, "the job to be told", [])
    slurm.scheduler.requeue(job_id)
    slurm.wait(lambda: (slurm.queued(job_id) or first).submit_at > first.submit_at, "the requeue", [])
    assert lab.drive(request) == "refused"
    assert slurm.queued(job_id) is not None


def test_a_worker_that_dies_around_any_call_of_slurm_cancels_that_job_alone(lab: Lab, slurm: SlurmHarness) -> None:
    from apps.stopping.writing import LEASE

    other = slurm.submit("sleep 90")
    number, died = 0, True
    while died:
        number += 1
        job_id = slurm.submit("sleep 90")
        request, killer = lab.ask(lab.job_of(job_id)), Killer(number)
        try:
            lab.drive(request, Deadly(slurm.scheduler, killer))
        except Death:
            lab.now += LEASE * 1.1
        died = killer.passed >= number
        assert ends(lab, slurm, request) == "done", request.said
        assert slurm.queued(other) is not None, number
    assert number > 6
