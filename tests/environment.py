"""Loaded as a pytest plugin before Django reads its settings: tests never see the caller's own environment."""

import os
import tempfile
from pathlib import Path

KEPT = {"SWEEPBOARD_SCREENSHOT"}  # asks a browser test for the README's picture
for name in [name for name in os.environ if name.startswith(("WANDB", "SLURM", "SWEEPBOARD")) and name not in KEPT]:
    del os.environ[name]
os.environ["SWEEPBOARD_HOME"] = tempfile.mkdtemp(prefix="swb-test-")
(Path(os.environ["SWEEPBOARD_HOME"]) / "staticfiles").mkdir()  # WhiteNoise warns where there is none
os.environ["SECRET_KEY"] = "only-for-tests-" + "x" * 40
os.environ["HOST"] = "127.0.0.1"
# DATABASE_URL and REDIS_URL stay: `tests/run.py` runs the same suite on PostgreSQL and Redis with them.
