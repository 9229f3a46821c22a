"""`manage.py estimate_memory`: at a shell, without a database."""

import json
from pathlib import Path

import pytest
import torch
from django.core.management import CommandError, call_command
from safetensors.torch import save_file


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    call_command("estimate_memory", *arguments)
    return capsys.readouterr().out


def test_a_number_with_its_unit_is_estimated_for_every_gpu(capsys: pytest.CaptureFixture[str]) -> None:
    text = told(capsys, "7B", "--precision", "bf16")
    assert "7,000,000,000 parameters" in text
    assert "93.9 GiB  params × 4 × 3 bytes, the practice's rule" in text
    assert "h100       80 GiB  does not fit" in text


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
