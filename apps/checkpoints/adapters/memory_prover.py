"""Proofs held in memory, for tests."""

from collections.abc import Callable
from pathlib import Path

from apps.checkpoints.ports import Proof

FINE = Proof("pass", "every tensor is there")


class MemoryProver:
    """Says of each path what a test told; ``FINE`` of every other. ``asked`` lists what was proven."""

    def __init__(self, proofs: dict[Path, Proof] | None = None) -> None:
        self.proofs = proofs or {}
        self.asked: list[Path] = []

    def prove(self, path: Path, heard: Callable[[int], None]) -> Proof:
        self.asked.append(path)
        heard(path.stat().st_size if path.is_file() else 0)
        return self.proofs.get(path, FINE)
