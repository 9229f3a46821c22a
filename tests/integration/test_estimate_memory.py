"""`manage.py estimate_memory`: at a shell, with the GPUs of the clusters where a database knows them, and without."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from django.core.management import CommandError, call_command
from safetensors.torch import save_file

from apps.slurm.models import GpuKind
from tests.factories.moments import NOW

pytestmark = pytest.mark.django_db


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("estimate_memory", *arguments)
    return capsys.readouterr().out


def test_a_number_with_its_unit_is_estimated_for_every_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "7B", "--precision", "bf16")
    assert "7,000,000,000 parameters" in text
    assert "93.9 GiB  params × 4 × 3 bytes, the practice's rule" in text
    assert "h100       80 GiB  does not fit" in text


def test_it_is_told_how_it_fits_on_what_slurm_has(capsys: pytest.CaptureFixture[str]) -> None:
    GpuKind.objects.create(cluster="hydra", name="a100", gpus=6, nodes=3, seen_at=NOW)
    GpuKind.objects.create(cluster="hydra", name="abacus", gpus=1, nodes=1, seen_at=NOW)
    text = told(capsys, "1B")
    assert "Slurm on hydra: 6 GPUs of type a100 on 3 nodes: with 40 GiB it fits: " in text
    assert "; with 80 GiB it fits: " in text
    assert "1 GPU of type abacus on 1 node: how much memory they have is unknown" in text
    here = json.loads(told(capsys, "1B", "--json"))["clusters"]
    assert [(one["gpu"], [fit["gib"] for fit in one["fits"]]) for one in here] == [("a100", [40, 80]), ("abacus", [])]


def test_without_a_database_the_table_is_told(tmp_path: Path) -> None:
    command = [sys.executable, "manage.py", "estimate_memory", "7B"]
    environment = {**os.environ, "DATABASE_URL": f"sqlite:///{tmp_path}/none/x.sqlite3"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, "h100       80 GiB" in done.stdout, done.stderr) == (0, True, "")


def test_the_parameters_of_a_file_are_counted(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    save_file({"a": torch.zeros(10, 20), "b": torch.zeros(5)}, tmp_path / "model.safetensors")
    answer = json.loads(told(capsys, str(tmp_path / "model.safetensors"), "--json", "--gpu", "T4"))
    assert (answer["parameters"], answer["practice_bytes"]) == (205, 2952)
    assert [gpu["fits"] for gpu in answer["gpus"]] == [True]


@pytest.mark.parametrize("arguments", [["many"], ["7B", "--gpu", "abacus"], ["1", "--trained", "2"], ["nan"], ["-3"]])
def test_what_makes_no_sense_is_said_in_a_sentence(arguments: list[str], tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"\.$"):
        call_command("estimate_memory", "--", *arguments[:1]) if arguments[0].startswith("-") else call_command(
            "estimate_memory", *arguments
        )
    broken = tmp_path / "x.safetensors"
    broken.write_bytes(b"junk")
    with pytest.raises(CommandError, match="cannot be counted"):
        call_command("estimate_memory", str(broken))
