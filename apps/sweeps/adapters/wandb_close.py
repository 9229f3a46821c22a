"""Closing a run by the official client, in a process of its own that is gone when the call returns.

The client starts a side process in a session of its own, so a group's signal does not reach it: every process of
one closing is known by its scratch folder instead.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import psutil

from apps.core.children import ends_with_parent
from apps.core.errors import Permanent, Transient
from apps.sweeps.adapters.wandb_sync import PATIENCE
from apps.sweeps.ports import Closed

ROOT = Path(__file__).parents[3]
# A sweep's id would make the client ignore the run's; a job's number would be told to W&B as the run's own.
FOREIGN = ("WANDB", "SLURM", "SBATCH", "SRUN", "PYTHON")
FOLDERS = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")


class WandbCloser:
    """Closes runs on one server; one closing has ``seconds`` to end."""

    def __init__(self, *, base_url: str, api_key: str, seconds: float = 60) -> None:
        self.seconds = seconds
        self._base_url = base_url
        self._api_key = api_key

    def close(self, project_path: str, run_id: str) -> Closed:
        scratch = tempfile.mkdtemp(prefix="sweepboard-close-")
        try:
            reply = self._asked(Path(scratch), {"project": project_path, "run_id": run_id, "base_url": self._base_url})
        finally:
            _end_all_of(scratch)
            shutil.rmtree(scratch, ignore_errors=True)
        if "sentence" in reply:
            raise (Transient if reply["transient"] else Permanent)(reply["sentence"])
        return Closed(**reply)

    def _asked(self, scratch: Path, request: dict[str, str]) -> dict[str, Any]:
        """Let a child do it; what it has to say is in a file, because its side process holds on to pipes."""
        with (
            (scratch / "said").open("wb") as said,
            subprocess.Popen(
                [sys.executable, "-m", "apps.sweeps.adapters.wandb_close_child", json.dumps(request)],
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
                cwd=scratch,
                env=self._environment(str(scratch)),
                start_new_session=True,
                preexec_fn=ends_with_parent(signal.SIGKILL),  # noqa: PLW1509 - the child only calls prctl
            ) as child,
        ):
            try:
                child.wait(timeout=self.seconds)
            except subprocess.TimeoutExpired:
                raise Transient(
                    f"W&B did not let run {request['run_id']} be closed within {self.seconds:g} seconds."
                ) from None
            finally:
                _end_all_of(str(scratch))
        return _reply_in(scratch, request["run_id"])

    def _environment(self, scratch: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
        server = {"WANDB_BASE_URL": self._base_url} if self._base_url else {}
        return {
            **kept,
            **PATIENCE,
            **server,
            **dict.fromkeys(FOLDERS, scratch),
            "WANDB_API_KEY": self._api_key,
            "WANDB_SILENT": "true",
            "WANDB_ERROR_REPORTING": "false",
            "PYTHONPATH": str(ROOT),
        }


def _reply_in(scratch: Path, run_id: str) -> dict[str, Any]:
    try:
        reply: dict[str, Any] = json.loads((scratch / "reply.json").read_text())
    except (OSError, ValueError):
        lines = (scratch / "said").read_text(errors="replace").strip().splitlines()
        last = lines[-1][:300] if lines else "it said nothing"
        raise Transient(f"W&B's client did not close run {run_id}: {last}.") from None
    return reply


def _end_all_of(scratch: str) -> None:
    """Kill every process that works in this scratch folder, and wait until they are gone."""
    found = [process for process in psutil.process_iter() if _works_in(process, scratch)]
    for process in found:
        try:
            process.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(found, timeout=5)


def _works_in(process: psutil.Process, scratch: str) -> bool:
    try:
        return process.environ().get("WANDB_DIR") == scratch
    except (psutil.Error, OSError):
        return False  # somebody else's, or gone
