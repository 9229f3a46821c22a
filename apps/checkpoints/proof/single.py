"""Proof of one file, whatever its format."""

import os
from pathlib import Path
from typing import IO

from apps.checkpoints.proof.allowed import SAFE_GLOBALS
from apps.checkpoints.proof.archives import looks_like_archive, read_archive
from apps.checkpoints.proof.counting import in_header, in_pickle
from apps.checkpoints.proof.files import emptiness, opened, stamp_of, still_moves
from apps.checkpoints.proof.legacy import looks_legacy, read_legacy
from apps.checkpoints.proof.outcome import Broken, NotSound, Outcome, Sound, Unclear, Unsafe
from apps.checkpoints.proof.pickles import Pickle, read_pickle
from apps.checkpoints.proof.symbols import Facts
from apps.checkpoints.proof.tensors import looks_like_safetensors, read_safetensors

OURS = frozenset({".pt", ".pth", ".ckpt", ".bin", ".safetensors", ".pkl"})
BARE_PICKLE = b"\x80"
MOVES = "it is still being written"


def prove_file(path: Path, *, allowed: frozenset[str] = SAFE_GLOBALS, numbers: bool = False) -> Outcome:
    """Say how sound one file is; never raises for what is in it.

    A broken file that moves while it is looked at is ``unknown``: it is on its way.
    """
    before = stamp_of(path)
    try:
        with opened(path) as file:
            outcome = read_file(file, path.suffix, allowed, numbers)
    except Broken as error:
        moves = still_moves(path, before)
        return Outcome(Sound.UNKNOWN, f"{MOVES}: {error}") if moves else Outcome(Sound.FAIL, str(error))
    except NotSound as error:
        return Outcome(error.sound, str(error))
    except OSError as error:
        return Outcome(Sound.UNKNOWN, f"it cannot be read ({error.strerror})")
    except MemoryError:
        return Outcome(Sound.UNSAFE, "reading it takes more memory than there is")
    except Exception as error:
        # A defect of ours must not pass for an answer, nor stop the proof of the others.
        return Outcome(Sound.UNKNOWN, f"Sweepboard failed on it ({type(error).__name__}: {str(error)[:80]})")
    return outcome if stamp_of(path) == before else Outcome(Sound.UNKNOWN, MOVES)


def read_file(file: IO[bytes], suffix: str, allowed: frozenset[str], numbers: bool) -> Outcome:
    """Read an open file to its end. Raises ``NotSound``.

    A file that by its name need not be torch's or safetensors' is no broken one of theirs: nothing can be said of it.
    """
    remark = emptiness(file)
    try:
        return _read(file, suffix, allowed, numbers, remark)
    except Broken as error:
        if suffix in OURS:
            raise
        raise Unclear(f"it is no sound file of torch or safetensors, and need not be one: {error}") from error


def _read(file: IO[bytes], suffix: str, allowed: frozenset[str], numbers: bool, remark: str) -> Outcome:
    size, head = os.fstat(file.fileno()).st_size, file.read(64)
    if looks_like_archive(head):
        said, told = read_archive(file, allowed, numbers=numbers)
        return _sound(said, told)
    if looks_legacy(head):
        said, told = read_legacy(file, allowed, numbers=numbers)
        return _sound(said, told)
    if suffix == ".safetensors" or looks_like_safetensors(head, size):
        header, told = read_safetensors(file, numbers=numbers)
        return Outcome(Sound.PASS, f"structure sound, {told}", parameters=in_header(header))
    if head[:1] == BARE_PICKLE:
        _refuse_pickle(file, allowed)
    if head[:5] == b"\x00" * 5:
        raise Broken(f"it begins with NUL bytes{remark}")
    if size < 1024:
        raise Broken(f"it is no checkpoint: {size} bytes of something else")
    raise Broken(f"it is none of the formats that torch or safetensors write, or its first bytes are damaged{remark}")


def _refuse_pickle(file: IO[bytes], allowed: frozenset[str]) -> None:
    """A bare pickle is nothing that torch saved; one that names what is not allowed is unsafe besides."""
    file.seek(0)
    try:
        read_pickle(file, allowed)
    except Unsafe:
        raise
    except Broken as error:
        raise Broken(f"it begins as an old torch file or a pickle and is damaged: {error}") from error
    raise Unclear("it is a bare pickle, not what torch saves: nothing can be said of the weights in it")


def _sound(said: Pickle, told: str) -> Outcome:
    facts = said.value if isinstance(said.value, Facts) else Facts()
    step = next((facts[key] for key in ("global_step", "step") if type(facts.get(key)) is int), None)
    epoch = facts.get("epoch")
    reason = f"structure sound, {told}" if told else "every byte is as it was saved"
    told_epoch = float(epoch) if isinstance(epoch, int | float) else None
    return Outcome(Sound.PASS, reason, step, told_epoch, in_pickle(said.value))
