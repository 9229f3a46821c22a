"""Runs that trained without a server: seen, kept apart from what W&B knows, and settled when W&B knows them."""

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from apps.audit.models import AuditEvent, SyncPass
from apps.core.errors import Permanent, Transient
from apps.sweeps.adapters.memory_folders import MemoryRunFolders, MemoryUploader
from apps.sweeps.models import Run, RunFolder
from apps.sweeps.ports import FolderStamp, LocalRun, RunJob
from apps.sweeps.services.offline import READS_IN_VAIN, READS_PER_PASS, FolderChanges, sync_folders
from apps.sweeps.services.uploads import ask_for_upload, drive_upload
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW, before
from tests.factories.records import run_record
from tests.factories.rows import RunFactory, SweepFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def glue(tmp_path: Path) -> Workspace:
    return WorkspaceFactory(root=str(tmp_path), config={"projects": ["team/glue", "team/other"]})


@pytest.fixture
def folders() -> MemoryRunFolders:
    return MemoryRunFolders()


def put(
    folders: MemoryRunFolders, glue: Workspace, run_id: str, *, offline: bool = True, at: datetime = NOW,
    size: int = 100, synced: bool = False, project: str = "glue", step: int = 4, entity: str = "", **values: object,
) -> FolderStamp:  # fmt: skip
    name = f"{'offline-' if offline else ''}run-20261101_000000-{run_id}"
    stamp = FolderStamp(glue.path / "wandb" / name, run_id, offline, size, at, synced)
    told: dict[str, object] = {"state": "finished", "heartbeat_at": at, "sweep_id": "", "url": "", **values}
    folders.folders = {one: local for one, local in folders.folders.items() if one.path != stamp.path}
    folders.folders[stamp] = LocalRun(run_record(run_id, **told), entity, project, step)
    return stamp


def sync(glue: Workspace, folders: MemoryRunFolders) -> FolderChanges:
    return sync_folders(workspace=glue, folders=folders, now=NOW)


def test_a_run_that_wandb_does_not_know_becomes_an_offline_run(glue: Workspace, folders: MemoryRunFolders) -> None:
    put(folders, glue, "aaa", jobs=(RunJob(4711),), summary={"epoch": 3})
    changes = sync(glue, folders)
    run = Run.objects.get()
    assert changes.runs == {run.pk}
    assert (run.project_path, run.run_id, run.state, run.offline) == ("team/glue", "aaa", "finished", True)
    assert (run.raw_job_ids, run.heartbeat_at, run.summary) == ({4711}, NOW, {"epoch": 3})
    assert (run.folders.get().synced, run.folders.get().step) == (False, 4)


def test_a_run_that_wandb_knows_stays_wandbs(glue: Workspace, folders: MemoryRunFolders) -> None:
    known = RunFactory(run_id="aaa", state="crashed", summary={"_step": 1})
    put(folders, glue, "aaa")
    sync(glue, folders)
    known.refresh_from_db()
    assert (Run.objects.count(), known.state, known.offline) == (1, "crashed", False)
    assert known.folders.get().synced is False


def test_a_folder_is_settled_when_wandb_has_as_many_steps(glue: Workspace, folders: MemoryRunFolders) -> None:
    put(folders, glue, "aaa", step=4)
    sync(glue, folders)
    Run.objects.update(offline=False, summary={"_step": 3})
    sync(glue, folders)
    assert not RunFolder.objects.get().synced
    Run.objects.update(summary={"_step": 4})
    assert sync(glue, folders).runs == {Run.objects.get().pk}
    assert RunFolder.objects.get().synced


def test_the_clients_own_mark_settles_a_folder(glue: Workspace, folders: MemoryRunFolders) -> None:
    put(folders, glue, "aaa")
    sync(glue, folders)
    put(folders, glue, "aaa", synced=True)
    sync(glue, folders)
    assert RunFolder.objects.get().synced
    put(folders, glue, "long-ago", synced=True)
    sync(glue, folders)
    assert not Run.objects.filter(run_id="long-ago").exists()


def test_a_folder_that_did_not_change_is_not_read_again(glue: Workspace, folders: MemoryRunFolders) -> None:
    put(folders, glue, "aaa")
    sync(glue, folders)
    folders.requests = 0
    assert sync(glue, folders).runs == set()
    assert folders.requests == 0
    put(folders, glue, "aaa", size=200, summary={"epoch": 4})
    assert sync(glue, folders).runs == {Run.objects.get().pk}
    assert folders.requests == 1


def test_a_pass_reads_a_bounded_number_newest_first(glue: Workspace, folders: MemoryRunFolders) -> None:
    for number in range(READS_PER_PASS + 5):
        put(folders, glue, f"run{number:02d}", at=before(hours=number))
    sync(glue, folders)
    assert folders.requests == READS_PER_PASS
    assert not Run.objects.filter(run_id="run24").exists()
    sync(glue, folders)
    assert Run.objects.count() == READS_PER_PASS + 5


@pytest.mark.parametrize(
    ("known", "written", "read"),
    [(None, {"minutes": 5}, True), ({"hours": 2}, {"minutes": 5}, True), ({"minutes": 6}, {"minutes": 5}, False),
     (None, {"days": 20}, False)],
)  # fmt: skip
def test_an_online_folder_matters_while_it_holds_more_than_wandb(
    glue: Workspace, folders: MemoryRunFolders, known: dict[str, int] | None, written: dict[str, int], read: bool
) -> None:
    if known:
        RunFactory(run_id="aaa", state="crashed", heartbeat_at=before(**known), summary={"_step": 1})
    put(folders, glue, "aaa", offline=False, at=before(**written))
    sync(glue, folders)
    assert folders.requests == int(read)


def test_the_sweep_in_the_folder_decides_the_project(glue: Workspace, folders: MemoryRunFolders) -> None:
    sweep = SweepFactory(project="other", sweep_id="swp9", workspace=glue)
    put(folders, glue, "aaa", project="uncategorized", sweep_id="swp9")
    put(folders, glue, "bbb", project="uncategorized")
    sync(glue, folders)
    assert Run.objects.get(run_id="aaa").sweep == sweep
    assert Run.objects.get(run_id="bbb").project_path == "team/glue"


def test_a_folder_of_a_project_that_nobody_follows_is_listed_and_is_no_run_of_another_project(
    glue: Workspace, folders: MemoryRunFolders
) -> None:
    put(folders, glue, "aaa", project="nobody's")
    put(folders, glue, "bbb", project="glue", entity="others")
    sync(glue, folders)
    assert not Run.objects.exists()
    assert set(RunFolder.objects.values_list("run_name", "run", "problem")) == {("aaa", None, ""), ("bbb", None, "")}


def test_a_folder_that_cannot_be_read_is_noted_and_stops_no_other(glue: Workspace, folders: MemoryRunFolders) -> None:
    odd = put(folders, glue, "odd")
    put(folders, glue, "fine", at=before(hours=1))

    class Half(MemoryRunFolders):
        def read(self, path: Path) -> LocalRun:
            if path == odd.path:
                raise Permanent("W&B's client cannot read it: rubbish.")
            return super().read(path)

    half = Half()
    half.folders = folders.folders
    assert sync(glue, half).ok
    assert [run.run_id for run in Run.objects.all()] == ["fine"]
    assert RunFolder.objects.get(run_name="odd").problem == "W&B's client cannot read it: rubbish."


class SlowFolders(MemoryRunFolders):
    """Folders of which some are never read in time."""

    def __init__(self, folders: MemoryRunFolders, *slow: FolderStamp) -> None:
        super().__init__()
        self.folders, self.slow = folders.folders, {stamp.path for stamp in slow}

    def read(self, path: Path) -> LocalRun:
        if path in self.slow:
            self.requests += 1
            raise Transient(f"Reading {path} took more than 30 seconds.")
        return super().read(path)


def test_folders_that_are_not_read_in_time_keep_no_other_from_being_read(
    glue: Workspace, folders: MemoryRunFolders
) -> None:
    huge = [put(folders, glue, f"huge{number}", at=before(minutes=number)) for number in range(2)]
    put(folders, glue, "fine", at=before(hours=1))
    slow = SlowFolders(folders, *huge)
    assert sync(glue, slow).ok
    assert [run.run_id for run in Run.objects.all()] == ["fine"]
    assert "took more than 30 seconds" in RunFolder.objects.get(run_name="huge0").problem
    slow.slow.clear()
    sync(glue, slow)
    assert (Run.objects.count(), RunFolder.objects.get(run_name="huge0").problem) == (3, "")


def test_a_filesystem_on_which_nothing_is_read_in_time_ends_the_pass_early(
    glue: Workspace, folders: MemoryRunFolders
) -> None:
    stamps = [put(folders, glue, f"run{number}", at=before(minutes=number)) for number in range(6)]
    slow = SlowFolders(folders, *stamps)
    assert not sync(glue, slow).ok
    assert slow.requests == READS_IN_VAIN


def test_runs_that_are_always_written_keep_no_older_one_from_being_read(
    glue: Workspace, folders: MemoryRunFolders
) -> None:
    for turn in range(4):
        for number in range(READS_PER_PASS + 5):
            at = before(hours=9 - turn, seconds=number)
            put(folders, glue, f"live{number:02d}", state="running", at=at, size=100 + turn)
        put(folders, glue, "old", at=before(days=2))
        sync(glue, folders)
    assert Run.objects.count() == READS_PER_PASS + 6
    assert not RunFolder.objects.filter(size__lt=102).exclude(run_name="old").exists()


def test_a_folder_that_goes_while_it_is_uploaded_is_kept_until_the_upload_has_failed(
    glue: Workspace, folders: MemoryRunFolders
) -> None:
    put(folders, glue, "aaa")
    sync(glue, folders)
    request = ask_for_upload(folder=RunFolder.objects.get(), actor="mia", now=NOW)
    folders.folders.clear()
    sync(glue, folders)
    uploader = MemoryUploader(failure=Permanent("The folder does not exist."))
    assert drive_upload(request_pk=request.pk, uploader=uploader, clock=lambda: NOW) == "failed"
    assert AuditEvent.objects.filter(type="upload.failed").count() == 1
    sync(glue, folders)
    assert not RunFolder.objects.exists()
    assert drive_upload(request_pk=request.pk, uploader=uploader, clock=lambda: NOW) == "gone"


def test_a_filesystem_that_is_away_keeps_everything_and_is_noted(glue: Workspace, folders: MemoryRunFolders) -> None:
    put(folders, glue, "aaa")
    sync(glue, folders)
    folders.failure = Transient("/shared is not there; is its filesystem mounted?")
    assert not sync(glue, folders).ok
    assert (Run.objects.get().state, RunFolder.objects.count()) == ("finished", 1)
    last = SyncPass.objects.first()
    assert last is not None
    assert (last.source, last.scope, last.error) == ("wandb-local", glue.name, str(folders.failure))
    folders.failure = None
    assert sync(glue, folders).ok


def test_an_offline_run_whose_folder_is_gone_is_deleted_and_one_that_wandb_knows_is_not(
    glue: Workspace, folders: MemoryRunFolders
) -> None:
    put(folders, glue, "aaa")
    put(folders, glue, "bbb")
    sync(glue, folders)
    Run.objects.filter(run_id="bbb").update(offline=False)
    folders.folders.clear()
    changes = sync(glue, folders)
    assert changes.runs == {Run.objects.get(run_id="aaa").pk}
    assert {run.run_id: run.state for run in Run.objects.all()} == {"aaa": "deleted", "bbb": "finished"}
    assert RunFolder.objects.count() == 0


def test_a_run_that_is_still_written_is_live_and_ages(glue: Workspace, folders: MemoryRunFolders) -> None:
    stamp = put(folders, glue, "aaa", state="running", at=before(minutes=1))
    sync(glue, folders)
    assert Run.objects.live().get().heartbeat_at == stamp.modified_at
    put(folders, glue, "aaa", state="running", at=stamp.modified_at + timedelta(seconds=50), size=300)
    sync(glue, folders)
    assert Run.objects.get().heartbeat_at == stamp.modified_at + timedelta(seconds=50)


def test_memory_and_rows_agree_on_what_a_folder_is(folders: MemoryRunFolders, glue: Workspace) -> None:
    stamp = put(folders, glue, "aaa")
    sync(glue, folders)
    row = RunFolder.objects.get()
    assert (Path(row.path), row.run_name, row.size, row.modified_at) == (
        stamp.path, stamp.run_id, stamp.size, stamp.modified_at,
    )  # fmt: skip
    assert replace(stamp, synced=True).path == stamp.path
