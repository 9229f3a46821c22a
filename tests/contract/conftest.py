"""What the contract suites share: a real Slurm cluster."""

import os
from collections.abc import Iterator

import pytest

from tests.services.slurm import SlurmCluster, available, running_slurm


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
