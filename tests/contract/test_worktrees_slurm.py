"""A worktree from which a job of a real Slurm runs is not cleaned up, and neither while Slurm is deaf."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from apps.core.clock import utcnow
from apps.slurm.ports import Submission
from apps.worktrees.domain.acts import refusals_of
from apps.worktrees.services.jobs import jobs_now
from tests.factories.worktrees import facts_at, glue, merged
from tests.services.slurm import SlurmCluster
from tests.services.slurm_harness import SlurmHarness

pytestmark = pytest.mark.needs_slurm


@pytest.fixture
def slurm(slurm_cluster: SlurmCluster, tmp_path: Path) -> Iterator[SlurmHarness]:
    harness = SlurmHarness(tmp_path, slurm_cluster, "slurm_cli")
    yield harness
    harness.close()


def test_a_job_that_runs_from_it_or_a_deaf_slurm_refuses(slurm: SlurmHarness, tmp_path: Path) -> None:
    root = glue(tmp_path)
    folder = merged(root)
    aside = tmp_path / "by-another-name"
    aside.symlink_to(folder)
    script = tmp_path / "wait.sbatch"
    script.write_text("#!/bin/bash\n#SBATCH --output=/dev/null\nsleep 60\n")
    job_id = slurm.scheduler.submit(Submission(str(script), name="train", work_dir=str(aside)))
    told = jobs_now(folder, utcnow(), lambda: {"": slurm.scheduler})
    assert [one.split(" ")[0] for one in told.live] == [job_id]
    assert "Jobs run from it" in refusals_of(facts_at(root, folder), told)[0]
    assert jobs_now(root / "src", utcnow(), lambda: {"": slurm.scheduler}).live == ()
    with slurm.dead_controller():
        deaf = jobs_now(folder, utcnow(), lambda: {"": slurm.scheduler})
    assert deaf.unknown
    assert "unknown" in refusals_of(facts_at(root, folder), deaf)[0]
    slurm.scheduler.cancel(job_id)
    slurm.wait(lambda: jobs_now(folder, utcnow(), lambda: {"": slurm.scheduler}).live == (), "the job to end", [])
    assert refusals_of(facts_at(root, folder), jobs_now(folder, utcnow(), lambda: {"": slurm.scheduler})) == ()
