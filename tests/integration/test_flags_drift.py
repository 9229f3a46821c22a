"""Config drift from rows: the disk, the sweep's space, and what a resume changed on purpose."""

from typing import Any

import pytest

from apps.audit.services import record
from apps.checkpoints.models import RunConfig
from apps.flags.drift import drifts_of
from apps.flags.models import Flag
from apps.flags.services import evaluate_runs
from apps.sweeps.models import Run
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    REPEATABLE,
    RunFactory,
    RunLinkFactory,
    SweepFactory,
    WorkspaceFactory,
    both_sources_answered,
)

pytestmark = pytest.mark.django_db
SPACE = {"parameters": {"lr": {"values": [0.1, 0.2]}}}


@pytest.fixture(autouse=True)
def _answered() -> None:
    both_sources_answered()


def run_with(**config: Any) -> Run:
    run = RunFactory(sweep=SweepFactory(config=SPACE), config={**REPEATABLE, **config})
    RunLinkFactory(run=run)
    return run


def drift(run: Run) -> str:
    evaluate_runs(run_pks=[run.pk], now=NOW)
    flag = Flag.objects.filter(run=run, rule="config-drift").first()
    return flag.evidence if flag else ""


def test_a_value_outside_of_the_sweeps_space_is_told() -> None:
    assert drift(run_with(lr=99)) == "lr: 99 on W&B, the sweep's space has 0.1, 0.2"
    assert drift(run_with(lr=0.2)) == ""


def test_what_a_resume_changed_is_no_drift() -> None:
    run = run_with(lr=0.05, wd=3)
    RunConfig.objects.create(run=run, path="/c.yaml", bytes=1, modified_at=before(hours=1), values={"lr": 0.1, "wd": 3})
    assert "lr: 0.1 on disk, 0.05 on W&B" in drift(run)
    Flag.objects.all().delete()
    plan = {"changes": ["batch_size = 8, lr = 0.05"]}
    record(type="resume.request.requested", actor="mia", subject=f"run {run.run_id}", plan=plan)
    assert drift(run) == ""


def test_keys_that_may_differ_by_the_policy_are_no_drift() -> None:
    workspace = WorkspaceFactory(config={"projects": ["team/glue"], "policy": {"may_differ": ["wd"]}})
    run = RunFactory(sweep=SweepFactory(config=SPACE, workspace=workspace), config={**REPEATABLE, "lr": 0.1, "wd": 3})
    RunLinkFactory(run=run)
    RunConfig.objects.create(run=run, path="/c.yaml", bytes=1, modified_at=before(hours=1), values={"lr": 0.1, "wd": 9})
    assert drift(run) == ""
    RunConfig.objects.update(values={"lr": 0.2, "wd": 9})
    Run.objects.filter(pk=run.pk).update(config={**run.config, "lr": 0.1})
    assert drift(run) == "lr: 0.2 on disk, 0.1 on W&B"


def test_drifts_of_many_runs_take_one_query(django_assert_num_queries: Any) -> None:
    for number in range(8):
        run_with(lr=number)
    runs = list(Run.objects.select_related("disk_config").prefetch_related("sweep"))
    with django_assert_num_queries(1):
        assert len(drifts_of(runs)) == 8
