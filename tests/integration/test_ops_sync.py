"""Whole passes over an in-memory W&B and scheduler: from records to rows, flags and the report."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.audit.models import AuditEvent, SyncPass
from apps.core.errors import Transient
from apps.core.locks import lease
from apps.flags.models import Flag, RunStatus
from apps.ops import sync
from apps.slurm.models import Job
from apps.slurm.ports import Submission
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW, before
from tests.factories.records import run_record
from tests.services.memory import World

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


def both() -> None:
    sync.sync_slurm()
    sync.sync_wandb()


def test_two_passes_join_run_job_log_and_checkpoint(training: str) -> None:
    both()
    status = RunStatus.objects.get()
    assert status.job is not None
    assert (status.job.job_id, status.slurm_state, status.pair) == (training, "RUNNING", "normal")
    assert (status.epoch, status.step, status.percent, status.progress_source) == (4.0, 400, 40.0, "log")
    assert status.run.checkpoint.step == 400
    assert Flag.objects.count() == 0


def test_the_order_of_the_two_passes_does_not_matter(training: str) -> None:
    sync.sync_wandb()
    sync.sync_slurm()
    assert RunStatus.objects.get().slurm_state == "RUNNING"


def test_a_job_that_dies_makes_a_zombie_and_a_mended_run_clears_it(world: World, training: str) -> None:
    both()
    world.scheduler.finish(training, "CANCELLED")
    with time_machine.travel(NOW + timedelta(minutes=5), tick=True):
        both()
        assert {flag.rule for flag in Flag.objects.open()} == {"zombie", "under-capacity"}
        world.glue.runs[0] = replace(world.glue.runs[0], state="crashed")
        both()
        assert Flag.objects.get(rule="zombie").cleared_at is None  # it may come back: a mend has to hold for a while
    with time_machine.travel(NOW + timedelta(minutes=8, seconds=10), tick=True):
        both()
    assert not Flag.objects.open().filter(rule="zombie").exists()
    assert Flag.objects.get(rule="zombie").cleared_at is not None


def test_a_report_is_written_into_the_workspace(training: str, glue: Workspace) -> None:
    both()
    text = (glue.path / "ACTIVE_SWEEPS.md").read_text()
    assert "[swp1](https://wandb.ai/team/glue/sweeps/swp1)" in text
    assert f"| {training} | [aaa]" in text


def test_a_pass_under_way_is_not_started_twice(world: World, training: str) -> None:
    with lease("sync:wandb", seconds=5):
        outcome = sync.sync_wandb()
    assert outcome.busy
    assert SyncPass.objects.count() == 0


def test_a_project_that_fails_does_not_stop_the_others(world: World, training: str, settings: object) -> None:
    path = Path(settings.CONFIG_FILE)  # type: ignore[attr-defined]
    path.write_text(path.read_text().replace('["team/glue"]', '["team/unknown", "team/glue"]', 1))
    outcome = sync.sync_wandb()
    assert not outcome.ok
    assert Run.objects.count() == 1
    assert {one.scope: bool(one.error) for one in SyncPass.objects.all()} == {"team/unknown": True, "team/glue": False}


def test_a_missing_key_is_noted_as_a_sentence(world: World, glue: Workspace, settings: object) -> None:
    settings.WANDB_API_KEY = ""  # type: ignore[attr-defined]
    assert not sync.sync_wandb().ok
    assert "Set WANDB_API_KEY" in SyncPass.objects.get().error


def test_a_pass_that_was_killed_before_its_join_is_made_good_by_the_next(
    world: World, training: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    both()
    fast = replace(world.glue.runs[0], state="finished", created_at=before(minutes=30), summary={"epoch": 1})
    world.glue.runs[0] = fast

    def killed(**changed: object) -> set[int]:
        raise Transient("killed")

    with monkeypatch.context() as patched:
        patched.setattr(sync, "join", killed)
        with pytest.raises(Transient):
            sync.sync_wandb()
    assert Run.objects.get().state == "finished"
    both()
    assert RunStatus.objects.get().pair == "done, perhaps"
    assert [flag.rule for flag in Flag.objects.open()] == ["fast-completion"]


def test_a_job_pass_that_was_killed_before_its_join_is_made_good_by_the_next(
    world: World, training: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.glue.runs[0] = replace(world.glue.runs[0], state="finished")
    both()
    world.scheduler.finish(training, "TIMEOUT")
    with monkeypatch.context() as patched:
        patched.setattr(sync, "join", lambda **changed: set())
        sync.sync_slurm()
    assert Job.objects.get().state == "TIMEOUT"
    both()
    assert RunStatus.objects.get().pair == "W&B is wrong, probably incomplete"


def test_redoing_everything_changes_nothing_that_was_right(training: str) -> None:
    both()
    before_ = RunStatus.objects.values("pair", "epoch", "slurm_state", "job").get()
    sync.redo_everything()
    assert RunStatus.objects.values("pair", "epoch", "slurm_state", "job").get() == before_


def test_a_pass_over_slurm_that_finds_nothing_changed_touches_the_row_of_the_pass_alone(
    world: World, tmp_path: Path
) -> None:
    script = tmp_path / "train.sbatch"
    script.write_text("#!/bin/bash\ntrue\n")
    world.scheduler.start(world.scheduler.submit(Submission(str(script), work_dir=str(tmp_path))))
    sync.sync_slurm()
    with CaptureQueriesContext(connection) as queries:
        sync.sync_slurm()
    written = [query["sql"] for query in queries if query["sql"].startswith(("INSERT", "UPDATE", "DELETE"))]
    assert all(SyncPass._meta.db_table in statement for statement in written)
    assert len(written) == 2  # it is added, and said to have reached the board


# manage.py sync


def test_the_sync_command_says_what_it_saw(world: World, training: str, capsys: pytest.CaptureFixture[str]) -> None:
    call_command("sync")
    said = capsys.readouterr().out
    assert "wandb  team/glue" in said
    assert "slurm  memory" in said
    assert said.count(" ok") == 2


def test_the_sync_command_pulls_one_source_on_request(world: World, training: str) -> None:
    call_command("sync", "slurm")
    assert set(SyncPass.objects.values_list("source", flat=True)) == {"slurm"}


def test_the_full_sync_command_asks_for_everything(world: World, training: str) -> None:
    call_command("sync", "--full")
    assert set(SyncPass.objects.values_list("full", flat=True)) == {True}


def test_the_sync_command_fails_when_a_source_does(world: World, training: str) -> None:
    world.scheduler.down = True
    with pytest.raises(CommandError, match="At least one source failed"):
        call_command("sync")


def test_the_sync_command_says_that_another_pass_is_under_way(world: World, training: str) -> None:
    with lease("sync:slurm", seconds=20), pytest.raises(CommandError, match="Another pass"):
        call_command("sync", "slurm")


def test_the_sync_command_takes_the_workspaces_from_the_file(world: World) -> None:
    call_command("sync", "slurm")
    assert Workspace.objects.get().name == "glue"
    assert AuditEvent.objects.get().type == "workspace.configured"


def test_a_workspace_that_left_the_file_is_kept_inactive(world: World, glue: Workspace, settings: object) -> None:
    path = Path(settings.CONFIG_FILE)  # type: ignore[attr-defined]
    path.write_text('[wandb]\nprojects = ["team/glue"]\n[slurm]\nadapter = "local"\n')
    call_command("sync", "slurm")
    glue.refresh_from_db()
    assert not glue.active
    assert AuditEvent.objects.filter(type="workspace.removed", subject="glue").exists()


def writes(queries: CaptureQueriesContext) -> list[str]:
    """Return the statements that changed rows, a line each."""
    changing = ("INSERT", "UPDATE", "DELETE")
    return [query["sql"][:70] for query in queries.captured_queries if query["sql"].startswith(changing)]


def test_a_pass_that_finds_nothing_changed_writes_one_row(world: World, training: str) -> None:
    world.glue.runs.append(run_record("zzz", state="running", heartbeat_at=before(hours=2)))  # a zombie, with its flag
    for _ in range(2):
        both()
    assert Flag.objects.count() == 1
    for minutes, one_pass in enumerate((sync.sync_wandb, sync.sync_slurm), start=1):
        with (
            time_machine.travel(NOW + timedelta(minutes=minutes), tick=True),
            CaptureQueriesContext(connection) as all_,
        ):
            one_pass()
        written = writes(all_)
        assert [sql.split('"')[1] for sql in written] == ["audit_syncpass"] * 2, written  # added, then marked as joined
        assert SyncPass.objects.count() == 4 + minutes
