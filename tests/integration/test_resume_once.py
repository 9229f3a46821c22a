"""One press, one job: many people at once, tasks that come twice, and an sbatch of which nobody knows how it ended."""

import threading
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from apps.core.errors import AlreadyDone, SweepboardError, Transient
from apps.resume.models import GateCheck, ResumeRequest
from apps.resume.services import unfinished_resumes
from apps.resume.submitting import SETTLE
from apps.slurm.ports import Submission
from tests.factories.resume import Lab

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    return Lab(workspace_root)


def test_a_second_press_and_a_used_look_do_nothing(lab: Lab) -> None:
    check = lab.check()
    lab.ask(check)
    with pytest.raises(AlreadyDone):
        lab.ask(check)
    ResumeRequest.objects.update(state="failed")
    check.refresh_from_db()
    with pytest.raises(AlreadyDone):
        lab.ask(check)
    assert ResumeRequest.objects.count() == 1


class Slow:
    """A scheduler whose sbatch is broken off after Slurm accepted the job, once."""

    def __init__(self, inner: Any, *, accepted: bool = True) -> None:
        self._inner, self._accepted, self.broken = inner, accepted, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def submit(self, submission: Submission) -> str:
        if self.broken:
            return str(self._inner.submit(submission))
        self.broken = True
        if self._accepted:
            self._inner.submit(submission)
        raise Transient("sbatch did not answer within 20 seconds.")


@pytest.mark.parametrize("accepted", [True, False])
def test_an_sbatch_that_times_out_makes_one_job_whether_slurm_took_it_or_not(lab: Lab, accepted: bool) -> None:
    request, slow = lab.ask(), Slow(lab.scheduler, accepted=accepted)
    assert lab.drive(request, slow) == "submitting"
    lab.later(seconds=5)
    assert lab.drive(request, slow) == ("submitted" if accepted else "submitting")
    lab.later(seconds=SETTLE.total_seconds())
    assert lab.drive(request, slow) == "submitted"
    assert lab.jobs == ["1"]
    assert lab.resumes_to_the_end(request) == "confirmed"


def test_a_job_that_is_accepted_while_it_is_asked_for_again_leaves_one(lab: Lab) -> None:
    """Slurm takes the first submission so late that the second one is under way: the later job is cancelled."""
    request, slow = lab.ask(), Slow(lab.scheduler)
    lab.drive(request, slow)
    lab.later(minutes=2)
    lab.scheduler.submit(lab.scheduler.submissions["1"])
    assert lab.drive(request) == "submitted"
    assert [(one.job_id, one.state) for one in lab.scheduler.attempts] == [("1", "PENDING"), ("2", "CANCELLED")]
    assert ResumeRequest.objects.get().job_id == "1"


def test_what_a_worker_without_a_claim_writes_counts_for_nothing(lab: Lab) -> None:
    request = lab.ask()
    ResumeRequest.objects.update(claimed_at=lab.now, attempts=1)
    assert lab.drive(request) == "asked"
    assert unfinished_resumes(lab.now) == []
    assert unfinished_resumes(lab.now + timedelta(minutes=5)) == [request.pk]


@pytest.mark.django_db(transaction=True)
def test_fifty_presses_by_several_people_at_once_make_one_job(workspace_root: Path, settings: Any) -> None:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root)
    check, start = lab.check(), threading.Barrier(50)
    told: list[str] = []

    def press(number: int) -> None:
        start.wait()
        try:
            lab.ask(GateCheck.objects.get(pk=check.pk), actor=f"person{number % 7}")
            told.append("asked")
        except SweepboardError as error:
            told.append(type(error).__name__)
        finally:
            connection.close()

    people = [threading.Thread(target=press, args=(number,)) for number in range(50)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(told) == ["AlreadyDone"] * 49 + ["asked"]
    request = ResumeRequest.objects.get()
    drivers = [threading.Thread(target=_drive, args=(lab, request)) for _ in range(8)]  # tasks that came eightfold
    for one in drivers:
        one.start()
    for one in drivers:
        one.join()
    assert lab.jobs == ["1"]
    assert lab.resumes_to_the_end(request) == "confirmed"
    assert lab.jobs == ["1"]


def _drive(lab: Lab, request: ResumeRequest) -> None:
    try:
        lab.drive(request)
    finally:
        connection.close()
