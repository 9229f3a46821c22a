"""Thin samples for sparklines, why a sweep runs, and what is dropped when it is old."""

from datetime import timedelta
from pathlib import Path

import pytest

from apps.audit.models import AuditEvent, SyncPass
from apps.core.errors import Transient
from apps.flags.models import Flag
from apps.ops.retention import thin_out
from apps.slurm.models import Job
from apps.sweeps.adapters.memory import MemoryProject, MemorySource
from apps.sweeps.models import Run, RunHistory, Sweep
from apps.sweeps.services.histories import sync_histories
from apps.sweeps.services.purposes import find_purposes
from apps.workspaces.config import RetentionConfig
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    SweepFactory,
    SyncPassFactory,
    WorkspaceFactory,
)

pytestmark = pytest.mark.django_db
PROJECT = "team/glue"


def source_with(histories: dict[str, dict[str, list[tuple[float, float]]]]) -> MemorySource:
    return MemorySource({PROJECT: MemoryProject(histories=histories)})


def test_the_sweeps_metric_and_the_loss_are_kept_for_each_run() -> None:
    sweep = SweepFactory(metric_name="val/acc")
    run = RunFactory(sweep=sweep, run_id="aaa", summary={"train/loss": 1})
    source = source_with({"aaa": {"val/acc": [(0, 0.5), (1, 0.6)], "train/loss": [(0, 2.0)]}})
    assert sync_histories(project=PROJECT, source=source) == {run.pk}
    kept = RunHistory.objects.get()
    assert (kept.metric, kept.loss, kept.beat_at) == ([[0, 0.5], [1, 0.6]], [[0, 2.0]], run.heartbeat_at)


def test_a_run_without_a_newer_heartbeat_is_not_asked_again() -> None:
    run = RunFactory(sweep=SweepFactory(), run_id="aaa", summary={"loss": 1})
    sync_histories(project=PROJECT, source=source_with({"aaa": {"loss": [(0, 1)]}}))
    again = source_with({"aaa": {"loss": [(0, 1), (1, 0.5)]}})
    assert sync_histories(project=PROJECT, source=again) == set()
    assert again.asked == []
    Run.objects.update(heartbeat_at=run.heartbeat_at + timedelta(seconds=30))
    assert sync_histories(project=PROJECT, source=again) == {run.pk}
    assert RunHistory.objects.get().loss == [[0, 1], [1, 0.5]]


def test_many_runs_with_one_metric_are_one_question() -> None:
    sweep = SweepFactory(metric_name="loss")
    for number in range(30):
        RunFactory(sweep=sweep, run_id=f"run{number}", summary={"loss": 1})
    source = source_with({})
    sync_histories(project=PROJECT, source=source)
    assert len(source.asked) == 1


def test_a_failure_keeps_the_samples_and_is_noted() -> None:
    RunFactory(sweep=SweepFactory(), run_id="aaa", summary={"loss": 1})
    source = source_with({})
    source.fail(Transient("W&B does not answer."))
    assert sync_histories(project=PROJECT, source=source) == set()
    last = SyncPass.objects.first()
    assert last is not None
    assert (last.source, last.error) == ("wandb-history", "W&B does not answer.")


YAML = """\
# Why: the cosine schedule looked better on half the data.
# Ask Mira before stopping it.

name: {name}
description: Does warm-up matter?
method: grid
parameters:
  lr: {{values: [0.1, 0.2]}}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "experiments").mkdir()
    return tmp_path


def purpose_of(sweep: Sweep) -> tuple[str, str]:
    find_purposes(sweep_pks=[sweep.pk])
    sweep.refresh_from_db()
    return sweep.purpose, Path(sweep.purpose_file).name


def sweep_in(root: Path, **values: object) -> Sweep:
    workspace = WorkspaceFactory(root=str(root), config={"sweep_files": ["experiments/*.yaml"]})
    return SweepFactory(workspace=workspace, **values)


def test_the_head_comments_and_the_description_of_its_file_say_why_a_sweep_runs(root: Path) -> None:
    (root / "experiments" / "warm.yaml").write_text(YAML.format(name="warm"))
    (root / "experiments" / "other.yaml").write_text(YAML.format(name="other"))
    text, file = purpose_of(sweep_in(root, name="warm", description="from W&B"))
    assert file == "warm.yaml"
    assert text.splitlines()[0] == "Why: the cosine schedule looked better on half the data."
    assert text.endswith("Does warm-up matter?\nfrom W&B")


def test_a_file_with_the_same_parameters_is_the_sweeps_whatever_its_name(root: Path) -> None:
    (root / "experiments" / "a.yaml").write_text(YAML.format(name="elsewhere"))
    config = {"method": "grid", "parameters": {"lr": {"values": [0.1, 0.2]}}}
    assert purpose_of(sweep_in(root, name="unnamed", config=config))[1] == "a.yaml"
    assert purpose_of(sweep_in(root, name="unnamed", config={"method": "grid", "parameters": {}}))[1] == ""


def test_a_description_that_wandb_has_from_the_file_is_not_said_twice(root: Path) -> None:
    (root / "experiments" / "w.yaml").write_text(
        "# Purpose: quick\nname: warm\ndescription: from the file\nparameters: {lr: {value: 1}}\n"
    )
    assert purpose_of(sweep_in(root, name="warm", description="from the file "))[0] == "Purpose: quick\nfrom the file"


def test_without_a_file_the_description_in_wandb_is_the_purpose(root: Path) -> None:
    assert purpose_of(sweep_in(root, name="warm", description="from W&B")) == ("from W&B", "")
    assert purpose_of(SweepFactory(workspace=None, description="alone")) == ("alone", "")


def test_hostile_and_broken_files_are_no_sweep_files(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = root / "experiments"
    (folder / "bomb.yaml").write_text("a: &a [x]\n" + "".join(f"k{n}: *a\n" for n in range(200)) + "name: warm\n")
    (folder / "broken.yaml").write_text("name: warm\nparameters: {lr: [")
    (folder / "list.yaml").write_text("- name: warm")
    (folder / "binary.yaml").write_bytes(bytes(range(256)))
    outside = tmp_path_factory.mktemp("outside") / "warm.yaml"
    outside.write_text(YAML.format(name="warm"))
    (folder / "link.yaml").symlink_to(outside)
    assert purpose_of(sweep_in(root, name="warm", description="")) == ("", "")


def test_old_samples_jobs_and_passes_go_and_what_people_need_stays() -> None:
    old = before(days=400)
    run = RunFactory(state="finished", heartbeat_at=old)
    RunHistory.objects.create(run=run, metric=[[0, 1]], loss=[[0, 1]], beat_at=old)
    live = RunFactory(state="running", heartbeat_at=old)
    RunHistory.objects.create(run=live, metric=[[0, 1]], beat_at=old)
    carried = RunLinkFactory(run=run, job=JobFactory(state="COMPLETED", end_at=old)).job
    JobFactory(state="COMPLETED", end_at=old)
    young = JobFactory(state="COMPLETED", end_at=before(days=3))
    FlagFactory(run=run, cleared_at=old, opened_at=old)
    AuditEvent.objects.create(at=old, type="x", actor="mia", subject="y")
    SyncPassFactory(started_at=old, finished_at=old)
    good = SyncPassFactory(started_at=old, finished_at=old)
    failed = SyncPassFactory(started_at=old, finished_at=old, error="down")
    dropped = thin_out(policy=RetentionConfig(), now=NOW)
    assert dropped == {"histories": 1, "jobs": 1, "alerts": 0, "passes": 1}
    assert (RunHistory.objects.get(run=run).metric, RunHistory.objects.get(run=live).metric) == ([], [[0, 1]])
    assert set(Job.objects.all()) == {carried, young}
    assert set(SyncPass.objects.exclude(source="retention")) == {good, failed}
    assert (Flag.objects.count(), AuditEvent.objects.count()) == (1, 1)
    assert thin_out(policy=RetentionConfig(), now=NOW)["histories"] == 0
