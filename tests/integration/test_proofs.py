"""Proofs of checkpoints as rows: asked for once, driven to an end, told by a flag, and nothing read twice."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch
from django.test import Client

from apps.audit.models import AuditEvent
from apps.checkpoints.models import Checkpoint, Verification
from apps.checkpoints.ports import FoundCheckpoint
from apps.checkpoints.services import find_checkpoints
from apps.checkpoints.tasks import drive_proof, look_further
from apps.checkpoints.verifying import (
    ask_for_newest,
    ask_for_proof,
    mark_judged,
    runs_newly_proven,
    unfinished_proofs,
)
from apps.checkpoints.verifying import (
    drive_proof as drive,
)
from apps.checkpoints.wiring import checkpoint_store
from apps.core.errors import AlreadyDone
from apps.flags.models import Flag
from apps.flags.services import evaluate_runs
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW
from tests.factories.rows import RunFactory, WorkspaceFactory, both_sources_answered

pytestmark = pytest.mark.django_db
PATTERN = "outputs/{run_id}/*.pt"


@pytest.fixture
def glue(workspace_root: Path) -> Workspace:
    config = {"projects": ["team/glue"], "checkpoints": [PATTERN]}
    workspace: Workspace = WorkspaceFactory(root=str(workspace_root), config=config)
    return workspace


def saved(glue: Workspace, run: Run, step: int, *, broken: bool = False) -> Path:
    path = glue.path / "outputs" / run.run_id / f"step_{step}.pt"
    path.parent.mkdir(exist_ok=True)
    torch.save({"w": torch.ones(2000), "global_step": step}, path)
    if broken:
        path.write_bytes(path.read_bytes()[:-100])
    os.utime(path, (1_700_000_000 + step, 1_700_000_000 + step))
    return path


def look(glue: Workspace, run: Run) -> Checkpoint:
    find_checkpoints(runs=[run], workspaces={"team/glue": glue}, store=checkpoint_store())
    return Checkpoint.objects.get(run=run)


def ask(checkpoint: Checkpoint, actor: str = "mira", now: datetime = NOW) -> Verification:
    one = checkpoint
    found = FoundCheckpoint(Path(one.path), one.kind, one.step, one.epoch, one.bytes, one.modified_at)
    return ask_for_proof(run=one.run, found=found, actor=actor, now=now)


def clock() -> datetime:
    return datetime.now(tz=UTC)


def proven(one: Verification, glue: Workspace) -> Verification:
    drive(verification_pk=one.pk, roots=[glue.path], clock=clock)
    one.refresh_from_db()
    return one


def test_a_checkpoint_is_proven_once_and_only_read_again_when_it_changed(glue: Workspace) -> None:
    run = RunFactory()
    path = saved(glue, run, 500)
    one = proven(ask(look(glue, run)), glue)
    assert (one.state, one.sound, one.step, one.reason) == ("done", "pass", 500, "every byte is as it was saved")
    with pytest.raises(AlreadyDone):
        ask(look(glue, run))
    path.write_bytes(path.read_bytes()[:-50])
    again = proven(ask(look(glue, run)), glue)
    assert (again.pk, again.sound) == (one.pk, "fail")
    assert Verification.objects.count() == 1


def test_a_wish_is_noted_once_and_by_whom(glue: Workspace) -> None:
    run = RunFactory()
    saved(glue, run, 500)
    checkpoint = look(glue, run)
    ask(checkpoint)
    with pytest.raises(AlreadyDone):
        ask(checkpoint)
    assert list(AuditEvent.objects.values_list("type", "actor")) == [("checkpoint.verify.requested", "mira")]


def test_two_workers_drive_one_wish_once_and_a_dead_ones_claim_ends(glue: Workspace) -> None:
    run = RunFactory()
    saved(glue, run, 500)
    one = ask(look(glue, run))
    assert unfinished_proofs(NOW) == [one.pk]
    Verification.objects.update(state="running", claimed_at=clock())
    assert drive(verification_pk=one.pk, roots=[], clock=clock) == ""
    assert unfinished_proofs(clock()) == []
    Verification.objects.update(claimed_at=clock() - timedelta(minutes=2))
    assert unfinished_proofs(clock()) == [one.pk]
    assert proven(one, glue).sound == "pass"


def test_how_far_it_is_read_is_told_meanwhile(glue: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("apps.checkpoints.verifying.TOLD_EVERY", 0.0)
    run = RunFactory()
    saved(glue, run, 500)
    one = proven(ask(look(glue, run)), glue)
    assert one.read_bytes > 8000


def flags_of(run: Run) -> list[tuple[str, str]]:
    return list(Flag.objects.open().filter(run=run, rule="checkpoint-bad").values_list("evidence", "action"))


def test_a_bad_newest_checkpoint_is_flagged_and_the_newest_good_one_is_named(glue: Workspace, settings: Any) -> None:
    both_sources_answered()
    run = RunFactory(state="crashed", heartbeat_at=NOW)
    saved(glue, run, 100)
    saved(glue, run, 200)
    saved(glue, run, 300, broken=True)
    saved(glue, run, 400, broken=True)
    todo = [ask(look(glue, run)).pk]
    while todo:
        pk = todo.pop()
        if drive(verification_pk=pk, roots=[glue.path], clock=clock) == "fail":
            todo += [one.pk for one in [look_further(pk)] if one]
    told = dict(Verification.objects.values_list("step", "sound"))
    assert told == {200: "pass", 300: "fail", 400: "fail"} or told == {None: "fail", 200: "pass"}, told
    assert runs_newly_proven() == {run.pk}
    evaluate_runs(run_pks=[run.pk], now=NOW)
    ((evidence, action),) = flags_of(run)
    assert "step 400" in evidence
    assert "cut off" in evidence
    assert action == "restore from step_200.pt"
    mark_judged(run_pks=[run.pk], before=clock())
    assert runs_newly_proven() == set()


def test_a_proof_of_an_older_state_of_the_file_says_nothing_of_the_new_one(glue: Workspace) -> None:
    both_sources_answered()
    run = RunFactory(state="crashed", heartbeat_at=NOW)
    saved(glue, run, 400, broken=True)
    proven(ask(look(glue, run)), glue)
    saved(glue, run, 500)
    look(glue, run)
    evaluate_runs(run_pks=[run.pk], now=NOW)
    assert flags_of(run) == []


def test_the_newest_checkpoint_of_every_live_run_is_asked_for_once_a_day(glue: Workspace) -> None:
    live, over = RunFactory(state="running"), RunFactory(state="finished")
    for run in (live, over):
        saved(glue, run, 500)
        look(glue, run)
    (pk,) = ask_for_newest(now=clock())
    assert Verification.objects.get().run == live
    assert ask_for_newest(now=clock()) == []
    drive(verification_pk=pk, roots=[glue.path], clock=clock)
    assert ask_for_newest(now=clock()) == []
    Verification.objects.update(checked_at=clock() - timedelta(hours=25), stamp="other")
    assert ask_for_newest(now=clock()) == [pk]


def test_a_checkpoint_that_is_gone_is_unknown_and_not_lost(glue: Workspace) -> None:
    run = RunFactory()
    path = saved(glue, run, 500)
    one = ask(look(glue, run))
    path.unlink()
    drive_proof(verification_pk=one.pk)
    one.refresh_from_db()
    assert (one.state, one.sound) == ("done", "unknown")


# The screen


def test_the_checkpoints_of_a_run_are_listed_with_their_proof_and_verified_by_one_press(
    glue: Workspace, operator: Client, viewer: Client
) -> None:
    run = RunFactory(name="<b>bold</b>")
    saved(glue, run, 100)
    path = saved(glue, run, 200, broken=True)
    proven(ask(look(glue, run)), glue)
    page = f"/runs/{run.pk}/checkpoints"
    text = operator.get(page).content.decode()
    assert "✖ broken" in text
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    answer = operator.post(f"{page}/verify", {"path": str(path.parent / "step_100.pt")}, follow=True)
    assert "step_100.pt is being verified" in answer.content.decode()
    assert "waiting for a worker" in answer.content.decode()
    proven(Verification.objects.get(state="queued"), glue)
    text = viewer.get(page).content.decode()
    assert "newest good" in text
    assert "<form" not in text.split('id="checkpoints"')[1]
    assert viewer.post(f"{page}/verify", {"path": str(path)}).status_code == 403


def test_only_a_checkpoint_of_the_run_is_read_whatever_the_form_says(glue: Workspace, operator: Client) -> None:
    run = RunFactory()
    saved(glue, run, 100)
    for path in ("/etc/passwd", "", "../../x.pt"):
        answer = operator.post(f"/runs/{run.pk}/checkpoints/verify", {"path": path}, follow=True)
        assert "not there any more" in answer.content.decode()
    assert Verification.objects.count() == 0


def test_a_run_without_a_workspace_or_with_one_that_is_away_says_so(viewer: Client, glue: Workspace) -> None:
    lonely = RunFactory(project="elsewhere", entity="nobody")
    assert "nobody knows where to look" in viewer.get(f"/runs/{lonely.pk}/checkpoints").content.decode()
    run = RunFactory()
    assert "No checkpoint yet" in viewer.get(f"/runs/{run.pk}/checkpoints").content.decode()
    Workspace.objects.update(root="/nowhere/at/all")
    assert "is its filesystem mounted" in viewer.get(f"/runs/{run.pk}/checkpoints").content.decode()
    assert viewer.get("/runs/999999/checkpoints").status_code == 404
