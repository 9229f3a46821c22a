"""Laying out the sample workspace and its `sweepboard.toml`."""

import json
import os
import shutil
import sys
from pathlib import Path

from apps.core.clock import utcnow
from apps.sandbox.sample.handovers import write_handovers
from apps.sandbox.sample.repository import make_repository

TEMPLATE = Path(__file__).parent / "workspace"
PROJECT = "sandbox/digits"

# Everything in minutes what a real team has in hours and days; the note says so on the board.
CONFIG = """\
# The sample workspace of `make run`. Its thresholds are minutes where a real team has hours.
[wandb]
projects = ["{project}"]
sync_seconds = 5
history_seconds = 10
folders_seconds = 5

[slurm]
adapter = "local"
sync_seconds = 5
local_slots = 12

[[workspace]]
name = "digits"
root = "{root}"
projects = ["{project}"]
logs = ["logs/*_{{job_id}}_{{task_id}}.out", "logs/*_{{job_id}}.out"]

[workspace.policy]
fast_completion_hours = 0.02
stale_heartbeat_minutes = 1
dead_job_grace_minutes = 0.5
note = "sample policy: fast completion below 72 s, stale heartbeat after 1 min"

[workspace.recipe]
script = "experiments/resume.sbatch"
change = ["--{{key}}", "{{value}}"]
[workspace.recipe.environment]
PATH = {path}
[workspace.agent]
script = "experiments/agent.sbatch"
args = ["{{sweep}}"]
[workspace.agent.environment]
PATH = {path}
"""


def write_workspace(folder: Path) -> Path:
    """Write the sample workspace below ``folder``, keeping what earlier runs left; return its configuration."""
    root = folder / "workspace"
    shutil.copytree(TEMPLATE, root, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("logs", "outputs", "wandb"):
        (root / name).mkdir(exist_ok=True)
    make_repository(root, utcnow())
    write_handovers(root, utcnow())
    config = folder / "sweepboard.toml"
    config.write_text(CONFIG.format(project=PROJECT, root=root, path=json.dumps(_path())))
    return config


def _path() -> str:
    """Where the sample's scripts find this Python, wherever the workers that submit them were started."""
    return f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
