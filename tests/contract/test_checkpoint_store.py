"""One contract, kept by both checkpoint stores."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from apps.checkpoints.adapters.filesystem import FilesystemCheckpointStore
from apps.checkpoints.adapters.memory import MemoryCheckpointStore
from apps.checkpoints.domain import epoch_in_name, step_in_name
from apps.checkpoints.ports import CheckpointStore, FoundCheckpoint
from apps.core.errors import Transient
from tests.factories.moments import NOW

Save = Callable[[Path, int], None]


@pytest.fixture(params=["filesystem", "memory"])
def at(request: pytest.FixtureRequest) -> tuple[CheckpointStore, Save]:
    """A store, and how training saves a checkpoint of so many bytes there; without an ending it is a folder."""
    if request.param == "memory":
        memory = MemoryCheckpointStore()
        return memory, lambda path, size: memory.checkpoints.append(_listed(path, size))
    return FilesystemCheckpointStore(), _save


def _listed(path: Path, size: int) -> FoundCheckpoint:
    kind = path.suffix.lstrip(".") or "folder"
    return FoundCheckpoint(path, kind, step_in_name(path.name), epoch_in_name(path.name), size, NOW)


def _save(path: Path, size: int) -> None:
    target = path if path.suffix else path / "model.safetensors"
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"x" * size)
    os.utime(target, (NOW.timestamp(), NOW.timestamp()))


def test_files_and_folders_are_listed_with_what_their_names_say(
    at: tuple[CheckpointStore, Save], tmp_path: Path
) -> None:
    store, save = at
    save(tmp_path / "outputs/r1/checkpoints/epoch=3-step=200.ckpt", 10)
    save(tmp_path / "outputs/r1/checkpoint-500", 20)
    found = store.find(tmp_path, ["outputs/r1/checkpoints/*.ckpt", "outputs/r1/checkpoint-*"])
    assert [(one.path.name, one.kind, one.step, one.epoch, one.bytes, one.modified_at) for one in found] == [
        ("checkpoint-500", "folder", 500, None, 20, NOW),
        ("epoch=3-step=200.ckpt", "ckpt", 200, 3.0, 10, NOW),
    ]


def test_another_runs_checkpoints_are_not_listed(at: tuple[CheckpointStore, Save], tmp_path: Path) -> None:
    store, save = at
    save(tmp_path / "outputs/r2/checkpoints/step_1.pt", 1)
    assert store.find(tmp_path, ["outputs/r1/checkpoints/*.pt"]) == []


def test_a_pattern_begins_at_the_root(at: tuple[CheckpointStore, Save], tmp_path: Path) -> None:
    store, save = at
    save(tmp_path / "old/outputs/r1/checkpoints/step_1.pt", 1)
    assert store.find(tmp_path, ["outputs/r1/checkpoints/*.pt"]) == []


def test_a_folder_that_is_not_there_holds_none(at: tuple[CheckpointStore, Save], tmp_path: Path) -> None:
    assert at[0].find(tmp_path, ["none/*.pt"]) == []


def test_a_root_that_is_not_there_tells_nothing_about_checkpoints(tmp_path: Path) -> None:
    with pytest.raises(Transient, match="is its filesystem mounted"):
        FilesystemCheckpointStore().find(tmp_path / "away", ["*.pt"])


def test_a_link_that_leads_out_is_not_listed(tmp_path: Path) -> None:
    outside = tmp_path / "outside.pt"
    outside.write_bytes(b"x")
    root = tmp_path / "root"
    root.mkdir()
    (root / "a.pt").symlink_to(outside)
    assert FilesystemCheckpointStore().find(root, ["*.pt"]) == []


def test_a_link_into_a_folder_that_is_named_for_that_is_listed(tmp_path: Path) -> None:
    """Teams keep outputs/ on a scratch filesystem and link it into the checkout."""
    root, scratch = tmp_path / "root", tmp_path / "scratch"
    _save(scratch / "outputs/r1/checkpoints/step_5.pt", 7)
    (scratch / "outputs/r1/config.yaml").write_text("lr: 1")
    root.mkdir()
    (root / "outputs").symlink_to(scratch / "outputs")
    store = FilesystemCheckpointStore()
    assert store.find(root, ["outputs/r1/checkpoints/*.pt"]) == []
    (found,) = store.find(root, ["outputs/r1/checkpoints/*.pt"], [scratch])
    assert (found.path, found.step) == (root / "outputs/r1/checkpoints/step_5.pt", 5)
    assert store.find_config(root, ["outputs/r1/config.yaml"]) is None
    assert store.find_config(root, ["outputs/r1/config.yaml"], [scratch]) is not None
