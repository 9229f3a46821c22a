"""No bad checkpoint passes and no good one fails: real torch, safetensors and folder layouts, and what befalls them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from apps.checkpoints.proof.look import Proof, find, prove
from apps.checkpoints.proof.outcome import Sound
from tests.factories import checkpoints_broken, checkpoints_hostile
from tests.factories.checkpoints import SAMPLES, Sample, corpus

REGISTERED = (checkpoints_broken, checkpoints_hostile)  # by being imported
ALL = [one for one, _ in SAMPLES]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("corpus")
    corpus(root)
    return root


@pytest.mark.parametrize("one", ALL, ids=[one.path for one in ALL])
def test_each_checkpoint_is_taken_for_what_it_is(made: Path, one: Sample) -> None:
    proof = prove(made / one.path)
    assert (proof.sound.value, proof.reason) == (one.sound, proof.reason)
    assert one.word in proof.reason
    if one.step is not None and one.sound == "pass":
        assert proof.step == one.step


def test_nothing_that_a_checkpoint_says_was_run(made: Path) -> None:
    for path in find(made):
        prove(path, numbers=True)
    assert not Path("/tmp/sweepboard-was-here").exists()
    assert "torch" not in _modules_of_a_proof(made / "good" / "plain.pt")


def _modules_of_a_proof(path: Path) -> list[str]:
    code = "import sys; from pathlib import Path; from apps.checkpoints.proof.look import prove; "
    code += f"assert prove(Path({str(path)!r})).sound == 'pass'; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60)
    return done.stdout.split()


def test_the_corpus_is_large_and_has_every_answer() -> None:
    assert len(ALL) >= 60
    assert {one.sound for one in ALL} == {"pass", "fail", "unsafe", "unknown"}


@pytest.mark.filterwarnings("ignore::UserWarning")  # torch's own, about storages of old
@pytest.mark.parametrize("path", ["good/plain.pt", "good/odd-tensors.pt", "good/no-crc.pt", "good/packed-again.pt"])
def test_the_good_ones_are_good_to_torch(made: Path, path: str) -> None:
    assert torch.load(made / path, weights_only=True)


@pytest.mark.parametrize("path", ["bad/flipped-bit.pt", "bad/hole.pt", "bad/swapped-blocks.pt"])
def test_torch_itself_loads_what_is_broken_and_says_nothing(made: Path, path: str) -> None:
    assert torch.load(made / path, weights_only=True)


def test_every_cut_of_a_checkpoint_fails(made: Path, tmp_path: Path) -> None:
    for name in ("good/plain.pt", "good/old-format.pt", "good/weights.safetensors"):
        content = (made / name).read_bytes()
        target = tmp_path / Path(name).name
        for length in range(0, len(content), max(1, len(content) // 60)):
            target.write_bytes(content[:length])
            os.utime(target, (1, 1))
            assert prove(target).sound is Sound.FAIL, (name, length)


def test_every_flipped_byte_of_weights_and_pickle_is_found(made: Path, tmp_path: Path) -> None:
    content = (made / "good/plain.pt").read_bytes()
    whole, passed = prove(made / "good/plain.pt"), []
    for at in range(0, len(content), 97):
        broken = bytearray(content)
        broken[at] ^= 0x10
        target = tmp_path / "flipped.pt"
        target.write_bytes(broken)
        os.utime(target, (1, 1))
        if prove(target).sound is Sound.PASS:
            passed.append((at, bytes(broken)))
    assert whole.sound is Sound.PASS
    for _, broken in passed:  # in what pads the members: every value is as it was
        target.write_bytes(broken)
        assert _same(torch.load(target, weights_only=True), torch.load(made / "good/plain.pt", weights_only=True))


def _same(one: object, other: object) -> bool:
    if isinstance(one, torch.Tensor):
        return isinstance(other, torch.Tensor) and torch.equal(one, other)
    if isinstance(one, dict):
        return isinstance(other, dict) and one.keys() == other.keys() and all(_same(one[k], other[k]) for k in one)
    if isinstance(one, list | tuple):
        return isinstance(other, list | tuple) and all(map(_same, one, other))
    return bool(one == other)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16, torch.complex64])
@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_weights_that_are_no_numbers_fail_where_that_is_asked(tmp_path: Path, dtype: torch.dtype, odd: float) -> None:
    weights = torch.zeros(3_000_000 // dtype.itemsize, dtype=dtype)
    path = tmp_path / "weights.pt"
    torch.save({"w": weights}, path)
    assert prove(path, numbers=True).sound is Sound.PASS
    weights[-1] = odd
    torch.save({"w": weights}, path)
    assert prove(path).sound is Sound.PASS
    proof = prove(path, numbers=True)
    assert (proof.sound, proof.reason) == (Sound.FAIL, "1 values of storage 0 are NaN or infinite")


def test_a_link_may_lead_where_the_site_says_it_may(made: Path, tmp_path: Path) -> None:
    link = tmp_path / "linked.pt"
    link.symlink_to(made / "good/plain.pt")
    assert prove(link).sound is Sound.UNSAFE
    assert prove(link, roots=[made]).sound is Sound.PASS


def test_a_name_that_the_site_allows_is_no_longer_unsafe(made: Path) -> None:
    name = "torch.nn.modules.linear.Linear"
    proof: Proof = prove(made / "hostile/whole-model.pt", allowed=frozenset({name}))
    assert name not in proof.reason
