"""What an earlier resume changed goes along with the next one, until a person leaves it out."""

from pathlib import Path
from typing import Any

import pytest

from apps.resume.models import ResumeRequest
from apps.resume.selectors import offers_for
from tests.factories.moments import before
from tests.factories.resume import Lab
from tests.factories.rows import JobFactory, RunLinkFactory

pytestmark = pytest.mark.django_db
HALVED = {"oom-halve-batch": '{"batch_size": 32, "lr": 0.05}'}


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root, change=["{key}={value}"])
    lab.run.config = {"batch_size": 64, "lr": 0.1}
    lab.run.save()
    return lab


def took(lab: Lab, choices: dict[str, str], job_id: str = "9", **values: Any) -> ResumeRequest:
    """An earlier resume of the run that made a job."""
    number = ResumeRequest.objects.count()
    told = {"asked_by": "mira", "asked_at": lab.now, "state": "confirmed", "cluster": "memory", **values}
    return ResumeRequest.objects.create(run=lab.run, key=f"k{number}", choices=choices, job_id=job_id, **told)


def submitted(lab: Lab, **choices: str) -> Any:
    request = lab.ask(choices=choices)
    assert lab.drive(request) == "submitted"
    request.refresh_from_db()
    return lab.scheduler.submissions[request.job_id]


def test_the_smaller_batch_of_an_oom_is_kept_when_the_run_is_preempted_later(lab: Lab) -> None:
    took(lab, HALVED)
    request = lab.ask()
    assert list(request.planned.submission.args)[-2:] == ["batch_size=32", "lr=0.05"]
    assert request.planned.changes == ("as before: batch_size = 32", "as before: lr = 0.05")


def test_of_two_steps_the_later_value_counts(lab: Lab) -> None:
    took(lab, HALVED)
    took(lab, {"oom-halve-batch": '{"batch_size": 16, "lr": 0.025}'})
    assert list(submitted(lab).args)[-2:] == ["batch_size=16", "lr=0.025"]


def test_nodes_that_were_kept_off_stay_so_beside_new_ones_and_so_do_limit_and_memory(lab: Lab) -> None:
    took(lab, {"exclude-node": "g07"})
    took(lab, {"longer-limit": "16:00:00"})
    lab.status.crash_class = "node-failure"
    lab.status.save()
    made = submitted(lab, **{"exclude-node": "g09"})
    assert (made.options["exclude"], made.options["time"]) == ("g07,g09", "16:00:00")


def test_a_person_may_leave_them_out_once_and_from_then_on(lab: Lab) -> None:
    took(lab, HALVED)
    (offer,) = [one for one in offers_for(lab.run) if one.id == "drop-earlier"]
    assert offer.title == "Without what earlier resumes changed (batch_size = 32; lr = 0.05)"
    assert "batch_size=32" not in submitted(lab, **{"drop-earlier": ""}).args
    assert [one.id for one in offers_for(lab.run)] == []


def test_what_made_no_job_and_what_was_mended_by_hand_is_not_carried(lab: Lab) -> None:
    took(lab, HALVED, job_id="", state="cancelled")
    took(lab, {"by-hand": "the loader"})
    assert [one.id for one in offers_for(lab.run)] == []
    assert "batch_size=32" not in submitted(lab).args


@pytest.mark.parametrize(("made_by_the_resume", "dropped", "how"), [
    (True, False, "requeue"), (False, False, "submit"), (True, True, "submit"), (False, True, "requeue"),
])  # fmt: skip
def test_a_job_is_requeued_only_where_it_has_just_what_is_to_go_along(
    workspace_root: Path, settings: Any, made_by_the_resume: bool, dropped: bool, how: str
) -> None:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root, requeue=True, change=["{key}={value}"])
    took(lab, HALVED)
    if made_by_the_resume:
        job = JobFactory(job_id="9", raw_id=9, state="PREEMPTED", submit_at=before(minutes=30))
        RunLinkFactory(run=lab.run, job=job)
        lab.status.job = job
        lab.status.save()
    choices = {"drop-earlier": ""} if dropped else {}
    assert lab.ask(choices=choices).planned.how == how
