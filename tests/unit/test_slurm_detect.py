"""Which scheduler is taken, and what a person is told about it."""

import os
from pathlib import Path

import pytest

from apps.core.errors import Permanent
from apps.slurm.detect import detect

STANDIN = Path(__file__).parents[1] / "services" / "pyslurm_standin"


@pytest.fixture
def place(tmp_path: Path) -> dict[str, str]:
    """An environment in which Slurm's clients exist and a slurm.conf lies."""
    for name in ("squeue", "sbatch", "sacct", "scontrol", "scancel"):
        (tmp_path / name).write_text("#!/bin/sh\necho slurm 22.05.8\n")
        (tmp_path / name).chmod(0o755)
    (tmp_path / "slurm.conf").touch()
    return {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_CONF": str(tmp_path / "slurm.conf")}


def test_without_a_slurm_conf_jobs_run_here(place: dict[str, str]) -> None:
    found = detect("auto", environment={**place, "SLURM_CONF": "/no/slurm.conf"})
    assert found.kind == "local"
    assert "/no/slurm.conf" in found.reason


def test_without_pyslurm_the_clients_are_taken_and_the_reason_is_told(place: dict[str, str]) -> None:
    found = detect("auto", environment=place)
    assert found.kind == "slurm_cli"
    assert "pyslurm was not taken" in found.reason


def test_pyslurm_is_taken_where_it_can_be_imported(place: dict[str, str]) -> None:
    assert detect("auto", environment={**place, "PYTHONPATH": str(STANDIN)}).kind == "pyslurm"


def test_pyslurm_of_another_release_is_not_taken_and_both_versions_are_told(place: dict[str, str]) -> None:
    client = Path(place["PATH"].split(":")[0]) / "squeue"
    client.write_text("#!/bin/sh\necho slurm 25.11.5\n")
    found = detect("auto", environment={**place, "PYTHONPATH": str(STANDIN)})
    assert found.kind == "slurm_cli"
    assert "pyslurm 22.5.0-standin is made for another release than this Slurm (slurm 25.11.5)" in found.reason


def test_the_slurm_conf_of_a_named_cluster_is_looked_for_and_not_the_machines(place: dict[str, str]) -> None:
    assert detect("slurm_cli", environment=place, conf=place["SLURM_CONF"]).kind == "slurm_cli"
    with pytest.raises(Permanent, match=r"/no/south\.conf, which does not exist"):
        detect("slurm_cli", environment=place, conf="/no/south.conf")


@pytest.mark.parametrize("name", ["local", "memory", "slurm_cli"])
def test_a_named_adapter_is_taken(name: str, place: dict[str, str]) -> None:
    assert detect(name, environment=place).kind == name


def test_a_named_adapter_that_cannot_work_says_what_to_set(place: dict[str, str]) -> None:
    with pytest.raises(Permanent, match=r"major\.minor"):
        detect("pyslurm", environment=place)
    with pytest.raises(Permanent, match="set it to the path"):
        detect("slurm_cli", environment={**place, "SLURM_CONF": "/no/slurm.conf"})
    with pytest.raises(Permanent, match="auto"):
        detect("slrum", environment=place)
