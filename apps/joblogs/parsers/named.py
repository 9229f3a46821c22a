"""Lines that name a run or a sweep."""

import re

_RUN = re.compile(
    r"^\s{0,8}(?:wandb: )?(?:Run:\s{1,8}|Agent Starting Run:\s{1,8}"
    r"|Run data is saved locally in \S{0,1000}/(?:offline-)?run-\d{1,10}_\d{1,8}-)([a-zA-Z0-9_-]{3,64})\s*$"
)
_SWEEP = re.compile(r"^\s{0,8}(?:wandb: )?(?:Sweep ID|Creating sweep with ID):\s{1,8}([a-zA-Z0-9_-]{3,64})\b")


def run_in(line: str) -> str | None:
    """Return the run id of a line with which that run's part of the log begins.

    Such as ``Run: 8x2kq0``, or what the W&B client itself prints when a run starts.
    """
    if "Run" not in line:
        return None
    found = _RUN.match(line.replace(" with config:", ""))
    return found[1] if found else None


def sweep_in(line: str) -> str | None:
    """Return the sweep's id of ``Sweep ID: <id>``, or of the client's own line for a sweep that it made."""
    found = _SWEEP.match(line) if "weep" in line else None
    return found[1] if found else None
