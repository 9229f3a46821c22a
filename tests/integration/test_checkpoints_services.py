"""Looking for the checkpoints of runs."""

from dataclasses import replace
from pathlib import Path

import pytest

from apps.checkpoints.adapters.filesystem import FilesystemCheckpointStore
from apps.checkpoints.adapters.memory import MemoryCheckpointStore
from apps.checkpoints.models import Checkpoint, CheckpointTime
from apps.checkpoints.ports import CheckpointStore, FoundCheckpoint
from apps.checkpoints.services import find_checkpoints
from apps.core.errors import Transient
from apps.sweeps.models import Run
from apps.workspaces.config import WorkspaceConfig
from apps.workspaces.models import Workspace
from tests.factories.moments import before
from tests.factories.rows import CheckpointFactory, RunFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


class SilentStore(MemoryCheckpointStore):
    def find(self, root: Path, patterns: object, also: object = ()) -> list[FoundCheckpoint]:
        raise Transient("the filesystem hangs")


@pytest.fixture
def workspace() -> Workspace:
    config = WorkspaceConfig(name="glue", root=Path("/shared/glue")).model_dump(mode="json", exclude={"name", "root"})
    return WorkspaceFactory(root="/shared/glue", config=config)


@pytest.fixture
def run() -> Run:
    return RunFactory(run_id="8x2kq0")


def found(name: str, step: int | None) -> FoundCheckpoint:
    path = Path("/shared/glue/outputs/8x2kq0/checkpoints") / name
    return FoundCheckpoint(path, "pt", step, None, 2048, before(minutes=5))


def look(run: Run, workspace: Workspace, store: CheckpointStore) -> set[int]:
    return find_checkpoints(runs=[run], workspaces={"team/glue": workspace}, store=store)


def test_the_newest_checkpoint_of_a_run_is_kept_and_all_are_counted(run: Run, workspace: Workspace) -> None:
    assert look(run, workspace, MemoryCheckpointStore(found("step_5.pt", 5), found("step_9.pt", 9))) == {run.pk}
    row = Checkpoint.objects.get()
    assert (row.run, row.step, row.total, Path(row.path).name) == (run, 9, 2, "step_9.pt")


def test_when_checkpoints_were_written_outlives_them(run: Run, workspace: Workspace) -> None:
    early, late = found("step_5.pt", 5), found("step_9.pt", 9)
    early = replace(early, modified_at=before(hours=3))
    look(run, workspace, MemoryCheckpointStore(early))
    look(run, workspace, MemoryCheckpointStore(late))
    look(run, workspace, MemoryCheckpointStore(late))
    assert list(CheckpointTime.objects.order_by("at").values_list("at", flat=True)) == [
        early.modified_at,
        late.modified_at,
    ]


def test_looking_again_changes_nothing(run: Run, workspace: Workspace) -> None:
    store = MemoryCheckpointStore(found("step_5.pt", 5))
    look(run, workspace, store)
    assert look(run, workspace, store) == set()


def test_a_checkpoint_that_is_gone_is_forgotten(run: Run, workspace: Workspace) -> None:
    CheckpointFactory(run=run)
    assert look(run, workspace, MemoryCheckpointStore()) == {run.pk}
    assert Checkpoint.objects.count() == 0


def test_what_cannot_be_listed_now_stays_as_it_was(run: Run, workspace: Workspace) -> None:
    CheckpointFactory(run=run)
    assert look(run, workspace, SilentStore()) == set()
    assert Checkpoint.objects.count() == 1


def test_a_run_without_a_workspace_is_not_looked_for(run: Run, workspace: Workspace) -> None:
    store = MemoryCheckpointStore(found("step_5.pt", 5))
    assert find_checkpoints(runs=[run], workspaces={}, store=store) == set()


def test_another_runs_checkpoints_are_not_taken(workspace: Workspace) -> None:
    other = RunFactory(run_id="[a-z]*")
    assert look(other, workspace, MemoryCheckpointStore(found("step_5.pt", 5))) == set()


def test_a_link_to_itself_among_the_checkpoints_does_no_harm(run: Run, workspace_root: Path) -> None:
    folder = workspace_root / "outputs" / "8x2kq0" / "checkpoints"
    folder.mkdir(parents=True)
    (folder / "last.pt").symlink_to("last.pt")
    (folder / "step_7.pt").write_bytes(b"x")
    config = WorkspaceConfig(name="glue", root=workspace_root).model_dump(mode="json", exclude={"name", "root"})
    here = WorkspaceFactory(root=str(workspace_root), config=config)
    look(run, here, FilesystemCheckpointStore())
    assert Checkpoint.objects.get().step == 7
