"""Memory cgroups for a test cluster, where the machine allows them: then a true OUT_OF_MEMORY is seen."""

import fcntl
import os
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup/memory")  # version 1; version 2 wants systemd, which a container lacks


class MemoryCgroups:
    """The right to use ``slurm_<node>`` below the memory controller.

    Slurm's names know no cluster, so two clusters at a time would share limits: a lock gives the
    groups to the first one, and ``usable`` is False for the others and where cgroups are missing.
    """

    def __init__(self, nodes: Sequence[str]) -> None:
        self._groups = [_ROOT / f"slurm_{node}" for node in nodes]
        self._lock = (Path(tempfile.gettempdir()) / "sweepboard-slurm-cgroups.lock").open("w")
        self.usable = self._locked() and _limits_can_be_set()
        if self.usable:
            self._remove()

    def _locked(self) -> bool:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            return False
        return True

    def give_back(self) -> None:
        """Remove the groups, once their processes have gone, and let another cluster have them."""
        if self.usable:
            self._remove()
        self._lock.close()

    def _remove(self) -> None:
        deadline = time.monotonic() + 2
        while any(map(_remove_tree, self._groups)) and time.monotonic() < deadline:
            time.sleep(0.05)


def _limits_can_be_set() -> bool:
    probe = _ROOT / f"sweepboard-probe-{os.getpid()}"
    try:
        probe.mkdir()
        (probe / "memory.limit_in_bytes").write_text(str(64 * 2**20))
    except OSError:
        return False
    finally:
        with suppress(OSError):
            probe.rmdir()
    return True


def _remove_tree(group: Path) -> bool:
    """Remove a group and those below it; return whether it is still there."""
    for folder, _, _ in os.walk(group, topdown=False):
        with suppress(OSError):
            Path(folder).rmdir()
    return group.exists()
