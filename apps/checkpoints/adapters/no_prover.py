"""Where nothing can read checkpoints, nothing is known of them: unknown is never a pass."""

from pathlib import Path

from apps.checkpoints.ports import Proof


class NoProver:
    def prove(self, path: Path) -> Proof:
        return Proof("unknown", "nothing reads checkpoints here")
