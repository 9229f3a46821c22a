"""Parameters are counted in what torch, safetensors and Hugging Face's folders really write, and no weight is read."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from apps.checkpoints.proof.counting import count_parameters
from apps.checkpoints.proof.look import prove
from apps.checkpoints.proof.outcome import Unclear
from tests.factories.checkpoints import sharded, trainer_folder


class Tied(torch.nn.Module):
    """An embedding whose weights the output shares, a batch norm with its buffers, and a bias."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = torch.nn.Embedding(50, 8)
        self.norm = torch.nn.BatchNorm1d(8)
        self.out = torch.nn.Linear(8, 50)
        self.out.weight = self.embed.weight


def trained() -> tuple[torch.nn.Module, dict[str, Any]]:
    """A model after one step, so that its optimizer holds two tensors for each parameter."""
    model = Tied()
    optimizer = torch.optim.AdamW(model.parameters())
    model.out(model.norm(model.embed(torch.arange(10)))).sum().backward()
    optimizer.step()
    return model, optimizer.state_dict()


# The embedding once, the biases, and of the norm two weights, two buffers and a counter.
EXPECTED = 400 + 50 + 4 * 8 + 1
SHAPES: dict[str, Callable[[dict[str, Any], dict[str, Any]], Any]] = {
    "bare": lambda model, optimizer: model,
    "model": lambda model, optimizer: {"epoch": 3, "optimizer": optimizer, "model": model},
    "state_dict": lambda model, optimizer: {"state_dict": model, "optimizer_states": [optimizer], "global_step": 7},
    "beside a generator's state": lambda model, optimizer: {
        "model": model,
        "optimizer": optimizer,
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.zeros(16),
    },
    "by-module": lambda model, optimizer: {
        "model": {
            part: {key: value for key, value in model.items() if key.startswith(part)}
            for part in ("embed", "norm", "out.bias")
        },
        "optimizer": optimizer,
    },
}


@pytest.mark.parametrize("old", [False, True], ids=["zip", "before 1.6"])
@pytest.mark.parametrize("shape", SHAPES)
def test_the_model_is_counted_and_its_optimizer_is_not(tmp_path: Path, shape: str, old: bool) -> None:
    model, optimizer = trained()
    path = tmp_path / "step-7.pt"
    torch.save(SHAPES[shape](model.state_dict(), optimizer), path, _use_new_zipfile_serialization=not old)
    assert count_parameters(path) == EXPECTED
    assert prove(path).parameters == EXPECTED


def test_parameters_that_are_no_plain_tensors_count_as_well(tmp_path: Path) -> None:
    path = tmp_path / "step-7.pt"
    torch.save({"model": dict(Tied().named_parameters())}, path)
    assert count_parameters(path) == 400 + 8 + 8 + 50


def test_where_nothing_says_which_tensors_are_the_models_nothing_is_guessed(tmp_path: Path) -> None:
    path = tmp_path / "step-7.pt"
    torch.save({"some": {"a": torch.zeros(3)}, "other": {"b": torch.zeros(4)}}, path)
    assert prove(path).parameters is None
    with pytest.raises(Unclear, match="which of its tensors"):
        count_parameters(path)


def test_a_folder_counts_its_model_once_in_whatever_shards_and_formats(tmp_path: Path) -> None:
    trainer_folder(tmp_path / "checkpoint-400")
    alone = count_parameters(tmp_path / "checkpoint-400")
    assert alone > 0
    assert prove(tmp_path / "checkpoint-400").parameters == alone
    torch.save({"w": torch.zeros(3)}, tmp_path / "checkpoint-400" / "pytorch_model.bin")
    assert count_parameters(tmp_path / "checkpoint-400") == prove(tmp_path / "checkpoint-400").parameters == alone
    sharded(tmp_path / "checkpoint-500", 3)
    assert prove(tmp_path / "checkpoint-500").parameters == count_parameters(tmp_path / "checkpoint-500") > 0


def test_a_file_of_safetensors_is_counted_by_its_header(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_file({"a": torch.zeros(10, 20), "b": torch.zeros(5)}, path, metadata={"format": "pt"})
    assert count_parameters(path) == prove(path).parameters == 205
    (tmp_path / "empty").mkdir()
    with pytest.raises(Unclear, match="without a model"):
        count_parameters(tmp_path / "empty")
