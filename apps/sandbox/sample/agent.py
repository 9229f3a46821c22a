"""What a coding agent does in the sample, by the commands that a real one has: it posts a plan and asks a question."""

import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

MANAGE = Path(__file__).parents[3] / "manage.py"
NAME = "coder-2"
PLAN = (
    *("--title", "Count warm-up in steps", "--kind", "bug fix"),
    *("--failing-test", "tests/test_warmup.py::test_warm_up_ends_after_its_steps"),
    *("--step", "Write the failing test => pytest -q tests/test_warmup.py"),
    *("--step", "Count steps, not epochs => pytest -q tests"),
    *(
        "--risk",
        "Old checkpoints hold an epoch count",
        "--touches",
        "train.py",
        "--touches",
        "experiments/warm-up.yaml",
    ),
)
QUESTION = (
    *("ask", "Which schedule do we keep for the next sweep?"),
    *("--option", "linear=Keep linear => nothing changes"),
    *("--option", "cosine=Back to cosine => three runs start over"),
)


def act(root: Path, environment: Mapping[str, str], stopped: Callable[[], bool], patience: float = 120) -> bool:
    """Post the plan on the workspace's current handover once the registry knows it; return whether it was done.

    The same keys make one plan and one question, however often the sample is started.
    """
    keyed = (path for path in (root / "CLAUDE").glob("HO-*.md") if "EOD" not in path.name)
    newest = max(keyed, default=None, key=lambda path: path.name)
    if newest is None:
        return False
    until = time.monotonic() + patience
    while time.monotonic() < until and not stopped():
        if _manage(environment, ["plan", "new", newest.stem, *PLAN, "--agent", NAME, "--key", f"sample-{newest.stem}"]):
            return _manage(environment, ["question", *QUESTION, "--agent", NAME, "--key", f"sample-{newest.stem}"])
        time.sleep(3)
    return False


def _manage(environment: Mapping[str, str], arguments: Sequence[str]) -> bool:
    command = [sys.executable, str(MANAGE), *arguments]
    done = subprocess.run(command, env=dict(environment), check=False, capture_output=True, timeout=60)
    return done.returncode == 0
