"""What has become of a resume: every end has its sentence, and old logs prove nothing."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from apps.resume.watch import Mark, Seen, judge
from tests.factories.moments import NOW, before

OLD = {"global_step": 540, "epoch": 5.4, "_step": 54, "_timestamp": before(hours=2).timestamp()}
NEW = {"global_step": 501, "epoch": 5.0, "_step": 55, "_timestamp": before(minutes=1).timestamp()}
RUNS = Seen(
    now=NOW,
    submitted_at=before(minutes=20),
    job_id="7",
    job_state="RUNNING",
    job_ended=False,
    log_path="/w/logs/7.err",
    started_at=before(minutes=10),
    wandb_state="running",
    heartbeat_at=before(seconds=20),
    summary=NEW,
    before=Mark(before(hours=2).timestamp(), 54),
    checkpoint_step=500,
    checkpoint_epoch=5.0,
)
QUEUED: dict[str, Any] = {"job_state": "PENDING", "started_at": None, "summary": None, "wandb_state": None}
ENDED: dict[str, Any] = {"job_state": "FAILED", "job_ended": True, "ended_at": before(minutes=5), "summary": OLD}


@pytest.mark.parametrize(
    ("changes", "state", "words"),
    [
        ({}, "confirmed", "at step 501, the checkpoint's was 500"),
        ({"first": 500.0}, "confirmed", "at step 500"),
        ({"first": 12.0}, "failed", "STARTED OVER: job 7 logs step 12"),
        ({"summary": {**NEW, "global_step": 3}}, "failed", "STARTED OVER"),
        ({"checkpoint_step": None}, "confirmed", "epoch 5, the checkpoint's was 5"),
        ({"checkpoint_step": None, "summary": {**NEW, "epoch": 4.9}}, "failed", "STARTED OVER"),
        ({"checkpoint_step": None, "checkpoint_epoch": None}, "failed", "nothing tells from which step"),
        ({"checkpoint_step": None, "checkpoint_epoch": None, "summary": {**NEW, "_step": 2}}, "failed", "STARTED OVER"),
        ({"wandb_state": "finished"}, "confirmed", "W&B says finished by now"),
        ({"summary": OLD}, "running", "waiting for W&B"),
        ({"heartbeat_at": before(minutes=30)}, "running", "waiting for W&B"),
        ({"summary": OLD, "other_run": "zzz"}, "failed", "WRONG RUN: job 7 logs to W&B run zzz"),
        (
            {"summary": OLD, "started_at": before(minutes=31)},
            "failed",
            "heard nothing of the run. The job was not stopped",
        ),
        ({"summary": None, "wandb_state": None, "started_at": before(minutes=31)}, "running", "waiting"),
        ({"summary": None, "wandb_state": None, "started_at": before(hours=25)}, "failed", "nobody knows"),
        ({**QUEUED, "reason": "Priority"}, "submitted", "waits in the queue: Priority"),
        ({**QUEUED, "submitted_at": before(days=8)}, "failed", "watched no longer. It was not cancelled"),
        ({**QUEUED, "job_state": ""}, "failed", "knows it no longer"),
        ({**QUEUED, "job_state": "", "submitted_at": before(minutes=1)}, "submitted", "does not tell of it yet"),
        (
            {**ENDED, "exit_code": 1, "exit_signal": 0},
            "failed",
            "exit code 1:0 before W&B heard of the run. Next: read /w",
        ),
        ({**ENDED, "ended_at": before(minutes=1)}, "running", "waiting for W&B's last word"),
        ({**ENDED, "wandb_state": None}, "running", "waiting for W&B's last word"),
        ({**ENDED, "summary": NEW, "wandb_state": "crashed"}, "confirmed", "went on to step 501"),
    ],
)
def test_each_picture_has_one_judgement(changes: dict[str, Any], state: str, words: str) -> None:
    told = judge(replace(RUNS, **changes))
    assert told.state == state
    assert words in told.said
    assert told.stop == any(word in told.said for word in ("STARTED OVER", "WRONG RUN"))


def test_every_picture_ends_in_time() -> None:
    """Whatever is seen for ever, in the end it is confirmed or failed."""
    pictures = [{}, QUEUED, ENDED, {"summary": OLD}, {**QUEUED, "job_state": ""}, {**ENDED, "wandb_state": None},
                {"summary": None, "wandb_state": None}]  # fmt: skip
    ends = [judge(replace(RUNS, **{**one, "now": NOW + timedelta(days=9)})).state for one in pictures]
    assert set(ends) <= {"confirmed", "failed"}
