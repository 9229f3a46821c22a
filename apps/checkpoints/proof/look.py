"""Finding the checkpoints below a path, and proving each: the newest, and the newest that is good, are named."""

import os
import re
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from apps.checkpoints.domain import epoch_in_name, places, step_in_name
from apps.checkpoints.proof.allowed import SAFE_GLOBALS
from apps.checkpoints.proof.distributed import METADATA
from apps.checkpoints.proof.folders import UNREAD, files_of, is_checkpoint_folder, prove_folder
from apps.checkpoints.proof.outcome import NotSound, Outcome, Sound, Unsafe
from apps.checkpoints.proof.single import prove_file

SUFFIXES = frozenset({".pt", ".pth", ".ckpt", ".safetensors"})
MOST_ENTRIES = 200_000
DEEPEST = 12
_WEIGHTS = re.compile(r"^(pytorch_model|adapter_model|model)\.bin$")
# Of several checkpoints of a run these folders hold some: the run is what is above them.
_SHELVES = frozenset({"checkpoints", "checkpoint", "ckpt", "ckpts", "weights"})


@dataclass(frozen=True, slots=True)
class Proof:
    """What was proven of one checkpoint. ``bytes`` counts everything in a folder; ``modified`` is Unix time.

    ``newest`` is the one of its run that holds the most training (``domain.places``);
    ``newest_good`` the newest of those that passed. ``parameters`` counts the model's; None where that is not told.
    """

    path: Path
    kind: str
    sound: Sound
    reason: str
    step: int | None
    epoch: float | None
    bytes: int
    modified: float
    seconds: float
    newest: bool = False
    newest_good: bool = False
    parameters: int | None = None

    @property
    def run(self) -> Path:
        """The folder that the checkpoints of one run share."""
        parent = self.path.parent
        return parent.parent if parent.name in _SHELVES else parent


def find(path: Path) -> Iterator[Path]:
    """Yield the checkpoints at or below a path: files, and folders that are one checkpoint each.

    Links to folders are not followed. Raises ``Unsafe`` where there are more entries than anybody keeps.
    """
    if not path.is_dir() or is_checkpoint_folder(path):
        yield path
        return
    seen, waiting = 0, [(path, 0)]
    while waiting:
        folder, depth = waiting.pop(0)
        for entry in _entries(folder):
            seen += 1
            if seen > MOST_ENTRIES:
                raise Unsafe(f"there are more than {MOST_ENTRIES} files below {path}")
            if entry.is_dir(follow_symlinks=False):
                if is_checkpoint_folder(Path(entry.path)):
                    yield Path(entry.path)
                elif depth < DEEPEST and not entry.name.startswith("."):
                    waiting.append((Path(entry.path), depth + 1))
            elif _is_checkpoint(entry.name):
                yield Path(entry.path)


def _entries(folder: Path) -> list["os.DirEntry[str]"]:
    try:
        with os.scandir(folder) as found:
            return sorted(found, key=lambda entry: entry.name)
    except OSError:
        return []


def _is_checkpoint(name: str) -> bool:
    if name.startswith(".") or name in UNREAD:
        return False
    return Path(name).suffix in SUFFIXES or bool(_WEIGHTS.match(name))


def prove(
    path: Path,
    *,
    roots: Iterable[Path] = (),
    allowed: frozenset[str] = SAFE_GLOBALS,
    numbers: bool = False,
) -> Proof:
    """Prove one checkpoint, a file or a folder.

    A link is followed only within its own folder or into ``roots``; never raises for what is in the checkpoint.
    """
    began = time.perf_counter()
    outcome = _outside(path, roots)
    if outcome is None:
        one = prove_folder if path.is_dir() else prove_file
        outcome = one(path, allowed=allowed, numbers=numbers)
    size, modified = _extent(path)
    named = step_in_name(path.name)
    # Whoever looks for the newest looks at names; what is told inside is said where it is another step.
    odd = f"; it says step {outcome.step} inside" if named is not None and outcome.step not in (named, None) else ""
    return Proof(
        path=path,
        kind=kind_of(path),
        sound=outcome.sound,
        reason=outcome.reason + odd,
        step=named if named is not None else outcome.step,
        epoch=outcome.epoch if outcome.epoch is not None else epoch_in_name(path.name),
        bytes=size,
        modified=modified,
        seconds=time.perf_counter() - began,
        parameters=outcome.parameters,
    )


def _outside(path: Path, roots: Iterable[Path]) -> Outcome | None:
    """Say so where a checkpoint, or a file in it, is a link that leads elsewhere or nowhere."""
    try:
        home = path.parent.resolve(strict=True)
        inside = [home, *(root.resolve() for root in roots)]
        links = [path] if path.is_symlink() else []
        if path.is_dir():
            links += [one for one in files_of(path) if one.is_symlink()]
        for link in links:
            target = link.resolve()
            if not any(target.is_relative_to(one) for one in inside):
                return Outcome(Sound.UNSAFE, f"{link.name} is a link to {target}, outside of {home}")
            if not target.exists():
                return Outcome(Sound.FAIL, f"{link.name} is a link to {target.name}, which is not there")
        if not path.exists():
            return Outcome(Sound.UNKNOWN, "it is not there")
    except NotSound as error:
        return Outcome(error.sound, str(error))
    except (OSError, RuntimeError) as error:
        return Outcome(Sound.UNKNOWN, f"it cannot be looked at ({getattr(error, 'strerror', None) or error})")
    return None


def _extent(path: Path) -> tuple[int, float]:
    try:
        files = files_of(path) if path.is_dir() else [path]
        found = [one.stat() for one in files] or [path.stat()]
    except (OSError, NotSound):
        return 0, 0.0
    return sum(one.st_size for one in found), max(one.st_mtime for one in found)


def kind_of(path: Path) -> str:
    """Return ``distributed`` or ``folder`` for a folder, else what the file's name ends with, such as ``ckpt``."""
    if not path.is_dir():
        return path.suffix.lstrip(".") or "file"
    return "distributed" if (path / METADATA).exists() else "folder"


def with_newest(proofs: Iterable[Proof]) -> list[Proof]:
    """Mark of every run the newest checkpoint and the newest good one; the order stays."""
    every = list(proofs)
    runs: dict[Path, list[Proof]] = {}
    for one in every:
        runs.setdefault(one.run, []).append(one)
    newest = {id(_newest(some)) for some in runs.values()}
    good = [[one for one in some if one.sound is Sound.PASS] for some in runs.values()]
    best = {id(_newest(some)) for some in good if some}
    return [replace(one, newest=id(one) in newest, newest_good=id(one) in best) for one in every]


def _newest(some: list[Proof]) -> Proof:
    return some[places([(one.path, one.step, one.modified) for one in some])[0]]
