"""What the contract suites share: a real Slurm cluster, and the harness of each scheduler adapter in turn."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.services.slurm import SlurmCluster, available, running_slurm
from tests.services.slurm_harness import (
    Harness,
    LocalHarness,
    MemoryHarness,
    SlurmHarness,
    submit_job_over_its_limit,
)

REAL_SLURM = [
    pytest.param("slurm_cli", marks=pytest.mark.needs_slurm),
    pytest.param("pyslurm", marks=pytest.mark.needs_slurm),
]


@pytest.fixture(scope="session")
def slurm_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SlurmCluster]:
    """The cluster of this test process; it comes up with the first test that needs it."""
    able, sentence = available()
    if not able and os.environ.get("CI") == "true":
        pytest.fail(sentence)
    if not able:
        pytest.skip(sentence)
    with running_slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


@pytest.fixture(params=[*REAL_SLURM, "local", "memory"])
def at(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Harness]:
    """The harness of each adapter in turn."""
    kind: str = request.param
    if kind in {"slurm_cli", "pyslurm"}:
        cluster = request.getfixturevalue("slurm_cluster")
        submit_job_over_its_limit(cluster)  # Slurm takes half a minute to notice; the last test asks
        harness: Harness = SlurmHarness(tmp_path, cluster, kind)
    else:
        harness = {"local": LocalHarness, "memory": MemoryHarness}[kind](tmp_path)
    yield harness
    harness.close()
