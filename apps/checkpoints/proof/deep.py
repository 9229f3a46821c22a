"""Loading with torch itself, weights only, in a child process that may take so much memory and time and no more.

An option for where torch is installed: the proof does not need it.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path

from apps.checkpoints.proof.folders import PROVEN, UNREAD, files_of
from apps.checkpoints.proof.look import Proof
from apps.checkpoints.proof.outcome import Sound
from apps.core.children import ends_with_parent
from apps.core.errors import Permanent

SECONDS = 600
SPARE_BYTES = 8 << 30  # what torch itself maps before it loads anything
TIMES = 3  # of the checkpoint's size

_LOAD = """
import json, sys
import torch
def numpy_names():
    import numpy
    multiarray = getattr(numpy, "_core", None) or numpy.core
    return [multiarray.multiarray._reconstruct, numpy.ndarray, numpy.dtype, type(numpy.dtype(numpy.uint32))]
said = ""
for path in json.loads(sys.argv[1]):
    try:
        if path.endswith(".safetensors"):
            from safetensors import safe_open
            with safe_open(path, framework="pt", device="cpu") as file:
                for key in file.keys():
                    file.get_tensor(key)
        elif "rng_state" in path or "random_states" in path:
            with torch.serialization.safe_globals(numpy_names()):
                torch.load(path, map_location="cpu", weights_only=True)
        else:
            torch.load(path, map_location="cpu", weights_only=True)
    except BaseException as error:
        first = (str(error).strip().splitlines() or [""])[0]
        said = f"{path}: {type(error).__name__}: {first[:200]}"
        break
print(json.dumps(said))
"""


def torch_python(named: str = "") -> str:
    """Return the Python that has torch. ``Permanent`` where there is none."""
    python = named or sys.executable
    if named:
        probe = [python, "-c", "import importlib.util,sys; sys.exit(importlib.util.find_spec('torch') is None)"]
        try:
            missing = subprocess.run(probe, check=False, timeout=60, capture_output=True).returncode != 0
        except (OSError, subprocess.TimeoutExpired) as error:
            raise Permanent(f"{python} cannot be started.") from error
    else:
        missing = find_spec("torch") is None
    if missing:
        raise Permanent(f"{python} has no torch. Name one that has it with --python, or leave --deep out.")
    return python


@dataclass(frozen=True)
class Loader:
    """Loads what was proven; a checkpoint that torch cannot load fails."""

    python: str
    seconds: float = SECONDS

    def __call__(self, proof: Proof) -> Proof:
        files = [proof.path] if not proof.path.is_dir() else _loadable(proof.path)
        said, sound = self._load([str(one) for one in files], proof.bytes)
        if sound is Sound.PASS:
            return replace(proof, reason=f"{proof.reason}; torch loads it")
        return replace(proof, sound=sound, reason=said)

    def _load(self, files: list[str], size: int) -> tuple[str, Sound]:
        command = [self.python, "-I", "-c", _LOAD, json.dumps(files)]
        try:
            done = subprocess.run(
                command,
                check=False,
                capture_output=True,
                timeout=self.seconds,
                env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""},
                preexec_fn=_limited(size),
            )
        except subprocess.TimeoutExpired:
            return f"torch did not load it within {self.seconds:.0f} s", Sound.UNKNOWN
        try:
            said = str(json.loads(done.stdout.decode().strip().splitlines()[-1]))
        except (ValueError, IndexError):
            return f"the process that loaded it ended with {done.returncode}", Sound.UNKNOWN
        return (f"torch does not load it: {said}", Sound.FAIL) if said else ("", Sound.PASS)


def _loadable(folder: Path) -> list[Path]:
    return [one for one in files_of(folder) if one.suffix in PROVEN and one.name not in UNREAD]


def _limited(size: int) -> Callable[[], None]:
    ending = ends_with_parent(9)  # type: ignore[arg-type]  # SIGKILL

    def limit() -> None:
        if ending is not None:
            ending()
        most = SPARE_BYTES + TIMES * size
        resource.setrlimit(resource.RLIMIT_AS, (most, most))

    return limit
