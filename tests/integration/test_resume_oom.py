"""A run that died of CUDA OOM: the gate stays shut until a step of the ladder is chosen, and the step is submitted."""

from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from apps.resume.domain import Refused
from apps.resume.models import ResumeRequest
from apps.resume.selectors import offers_for
from tests.factories.resume import Lab

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root, change=["{key}={value}"])
    lab.status.crash_class, lab.status.resumable = "cuda-oom", "after a change"
    lab.status.save()
    lab.run.config = {"batch_size": 64, "lr": 0.1, "model": {"seq_len": 512}}
    lab.run.save()
    return lab


def choices(lab: Lab, *names: str) -> dict[str, str]:
    return {one.id: one.recorded for one in offers_for(lab.run) if one.id in names}


def test_without_a_step_the_gate_is_shut_and_with_one_the_script_is_told_of_it(lab: Lab) -> None:
    with pytest.raises(Refused, match="resumable after a change"):
        lab.ask()
    request = lab.ask(choices=choices(lab, "oom-halve-batch"))
    assert lab.drive(request) == "submitted"
    request.refresh_from_db()
    made = lab.scheduler.submissions[request.job_id]
    assert list(made.args)[-2:] == ["batch_size=32", "lr=0.05"]
    assert request.choices == {"oom-halve-batch": '{"batch_size": 32, "lr": 0.05}'}
    assert any("Chosen: batch_size = 32, lr = 0.05" in line["evidence"] for line in request.evidence)


def test_the_next_step_begins_where_the_last_one_ended(lab: Lab) -> None:
    taken = {"oom-halve-batch": '{"batch_size": 32, "lr": 0.05}', "oom-shorter-input": '{"model.seq_len": 256}'}
    ResumeRequest.objects.create(
        run=lab.run, key="k", asked_by="mira", asked_at=lab.now, choices=taken, job_id="9", state="failed"
    )
    told = choices(lab, "oom-halve-batch", "oom-shorter-input")
    assert told == {"oom-halve-batch": '{"batch_size": 16, "lr": 0.025}'}  # the input was shortened before


def test_a_step_that_made_no_job_was_not_taken(lab: Lab) -> None:
    taken = {"oom-halve-batch": '{"batch_size": 32, "lr": 0.05}'}
    ResumeRequest.objects.create(
        run=lab.run, key="k", asked_by="mira", asked_at=lab.now, choices=taken, state="cancelled"
    )
    assert choices(lab, "oom-halve-batch") == {"oom-halve-batch": '{"batch_size": 32, "lr": 0.05}'}


def test_the_page_shows_the_ladder_in_its_order_with_numbers_and_reasons(lab: Lab, operator: Client) -> None:
    lab.states()
    text = operator.get(f"/runs/{lab.run.pk}/resume").content.decode()
    steps = ["Halve the batch: batch_size: 64 → 32; lr: 0.1 → 0.05", "Checkpoint gradients", "Mixed precision",
             "Accumulate more", "Shorter input: model.seq_len: 512 → 256"]  # fmt: skip
    places = [text.find(step) for step in steps]
    assert -1 not in places
    assert places == sorted(places)
    assert "Slower training" in text
    chosen = operator.get(f"/runs/{lab.run.pk}/resume?change-oom-halve-batch=1").content.decode()
    assert "batch_size=32" in chosen
    forged = f"/runs/{lab.run.pk}/resume?change-oom-halve-batch=1&value-oom-halve-batch=%7B%22x%22%3A9%7D"
    assert "x=9" not in operator.get(forged).content.decode()
