"""The gate on real files: a whole checkpoint passes, a truncated one names the last good one, nothing is read twice."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from apps.checkpoints.adapters.byte_prover import ByteProver
from apps.checkpoints.models import Verification
from apps.checkpoints.ports import FoundCheckpoint
from apps.checkpoints.verifying import ask_for_proof, drive_proof, runs_newly_proven
from apps.resume.models import ResumeRequest
from apps.resume.services import unfinished_resumes
from apps.resume.tasks import drive_resumes, send_resume
from tests.factories.moments import before
from tests.factories.resume import Lab

pytestmark = pytest.mark.django_db
WRITTEN = before(hours=1, minutes=10).timestamp()


@pytest.fixture
def lab(workspace_root: Path, settings: Any) -> Lab:
    settings.CONFIG_FILE = ""
    made = Lab(workspace_root)
    made.workspace.config["checkpoints"] = ["outputs/{run_id}/checkpoints/*.safetensors"]
    made.workspace.save()
    made.prover = ByteProver()  # type: ignore[assignment]  # the real one
    for step in (480, 540):
        _save(made, step)
    return made


def _save(lab: Lab, step: int) -> Path:
    path = lab.checkpoint.with_name(f"step-{step}.safetensors")
    save_file({"w": np.ones((64, 32), dtype=np.float32)}, path, metadata={"step": str(step)})
    os.utime(path, (WRITTEN, WRITTEN))
    return path


def test_a_whole_newest_checkpoint_opens_the_gate(lab: Lab) -> None:
    assert lab.shut() == {}
    request = lab.ask()
    assert (request.checkpoint_step, request.checkpoint.rpartition("/")[2]) == (540, "step-540.safetensors")


def _last(lab: Lab, step: int) -> Path:
    """A file whose name tells no step, written after all others."""
    path = lab.checkpoint.with_name("last.pt")
    lab.checkpoint.unlink()
    lab.workspace.config["checkpoints"] = ["outputs/{run_id}/checkpoints/*"]
    lab.workspace.save()
    torch.save({"global_step": step, "state_dict": {"w": torch.ones(8)}}, path)
    os.utime(path, (WRITTEN + 600, WRITTEN + 600))
    return path


def test_a_newer_file_without_a_step_in_its_name_is_resumed_from_and_its_step_read_in_it(lab: Lab) -> None:
    _last(lab, 900)
    assert lab.shut() == {}
    request = lab.ask()
    assert (request.checkpoint_step, request.checkpoint.rpartition("/")[2]) == (900, "last.pt")


def test_a_newer_file_that_holds_less_training_than_an_older_one_is_not_resumed_from(lab: Lab) -> None:
    _last(lab, 100)
    assert lab.shut() == {}
    request = lab.ask()
    assert (request.checkpoint_step, request.checkpoint.rpartition("/")[2]) == (540, "step-540.safetensors")


def test_a_truncated_newest_one_is_refused_and_the_last_good_one_named(lab: Lab) -> None:
    newest = lab.checkpoint.with_name("step-540.safetensors")
    newest.write_bytes(newest.read_bytes()[:-100])
    os.utime(newest, (WRITTEN, WRITTEN))
    shut = lab.shut()
    assert set(shut) == {"sound"}
    assert "step-540.safetensors:" in shut["sound"]
    assert f"restore from {newest.with_name('step-480.safetensors')} (step 480)" in shut["sound"]
    newest.rename(newest.with_suffix(".bad"))
    assert lab.shut() == {}
    assert lab.ask().checkpoint_step == 480


def test_what_a_look_at_the_gate_finds_broken_is_kept_and_told_to_the_runs_flags(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    newest = lab.checkpoint.with_name("step-540.safetensors")
    newest.write_bytes(newest.read_bytes()[:-100])
    assert set(lab.shut()) == {"sound"}
    kept = {Path(one.path).name: one.sound for one in Verification.objects.all()}
    assert kept == {"step-540.safetensors": "fail", "step-480.safetensors": "pass"}
    assert runs_newly_proven() == {lab.run.pk}
    Verification.objects.update(judged=True)
    monkeypatch.setattr("apps.checkpoints.adapters.byte_prover.prove", lambda *told, **named: pytest.fail("read twice"))
    assert set(lab.shut()) == {"sound"}
    assert runs_newly_proven() == set()


def test_one_that_is_torn_between_the_press_and_the_submission_submits_nothing(lab: Lab) -> None:
    request = lab.ask()
    newest = lab.checkpoint.with_name("step-540.safetensors")
    newest.write_bytes(newest.read_bytes()[:-100])
    assert lab.drive(request) in ("asked", "failed")  # it may still be on its way; it is never a pass
    assert lab.jobs == []


def test_what_was_proven_is_not_read_twice_while_it_stays_as_it_is(lab: Lab) -> None:
    path = lab.checkpoint.with_name("step-540.safetensors")
    found = FoundCheckpoint(path, "safetensors", 540, None, path.stat().st_size, before(hours=1, minutes=10))
    asked = ask_for_proof(run=lab.run, found=found, actor="mia", now=lab.now)
    drive_proof(verification_pk=asked.pk, roots=[lab.root], clock=lambda: lab.now)
    Verification.objects.update(reason="said once")
    heard: list[int] = []
    assert ByteProver().prove(path, heard.append).reason == "said once"
    assert heard == []
    path.write_bytes(b"torn")
    assert ByteProver().prove(path, heard.append).sound != "pass"


def test_a_press_outlives_a_redis_that_forgets_everything(lab: Lab, redis_server: str, monkeypatch: Any) -> None:
    """The message is lost, the row is not: beat's next look sends it again."""
    import redis

    request = lab.ask()
    sent: list[int] = []
    monkeypatch.setattr(
        "apps.resume.tasks.drive_resume.apply_async", lambda **told: sent.append(told["kwargs"]["request_pk"])
    )
    send_resume(request)
    redis.Redis.from_url(redis_server).flushall()
    assert unfinished_resumes(lab.now) == [request.pk]
    drive_resumes()
    assert sent == [request.pk, request.pk]
    assert lab.drive(request) == "submitted"
    assert lab.drive(request) == "submitted"  # the first message turned up after all
    assert lab.jobs == ["1"]
    assert ResumeRequest.objects.count() == 1
