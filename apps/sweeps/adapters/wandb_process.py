"""The official client in a process of its own that is gone when the call returns.

The client starts a side process in a session of its own, so a group's signal does not reach it: every process of
one call is known by its scratch folder instead.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from apps.core.children import ends_with_parent
from apps.core.errors import Permanent, Transient
from apps.sweeps.adapters.wandb_sync import PATIENCE

ROOT = Path(__file__).parents[3]
# A sweep's id would make the client ignore the run's; a job's number would be told to W&B as the run's own.
FOREIGN = ("WANDB", "SLURM", "SBATCH", "SRUN", "PYTHON")
FOLDERS = ("WANDB_DIR", "WANDB_CACHE_DIR", "WANDB_CONFIG_DIR", "WANDB_DATA_DIR", "WANDB_ARTIFACT_DIR")


@dataclass(frozen=True)
class Sentences:
    """What is said when the client was too slow, and when it ended without an answer (its last line follows)."""

    too_slow: str
    no_answer: str


class ClientProcess:
    """Runs one of our child modules against one server; one call has ``seconds`` to end.

    A child leaves ``reply.json`` in its working folder: its answer, or ``{"sentence": …, "transient": bool}``.
    """

    def __init__(self, module: str, *, prefix: str, base_url: str, api_key: str, seconds: float) -> None:
        self._module, self._prefix = module, prefix
        self._base_url, self._api_key, self._seconds = base_url, api_key, seconds

    def answer(self, request: dict[str, Any], sentences: Sentences) -> dict[str, Any]:
        """Return the child's answer to ``request``; ``Transient`` or ``Permanent`` with its sentence."""
        scratch = tempfile.mkdtemp(prefix=self._prefix)
        try:
            reply = self._asked(Path(scratch), {**request, "base_url": self._base_url}, sentences)
        finally:
            _end_all_of(scratch)
            shutil.rmtree(scratch, ignore_errors=True)
        if "sentence" in reply:
            raise (Transient if reply["transient"] else Permanent)(reply["sentence"])
        return reply

    def _asked(self, scratch: Path, request: dict[str, Any], sentences: Sentences) -> dict[str, Any]:
        """Let a child do it; what it has to say is in a file, because its side process holds on to pipes."""
        with (
            (scratch / "said").open("wb") as said,
            subprocess.Popen(
                [sys.executable, "-m", self._module, json.dumps(request)],
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
                child.wait(timeout=self._seconds)
            except subprocess.TimeoutExpired:
                raise Transient(f"{sentences.too_slow} within {self._seconds:g} seconds.") from None
            finally:
                _end_all_of(str(scratch))
        return _reply_in(scratch, sentences.no_answer)

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


def _reply_in(scratch: Path, no_answer: str) -> dict[str, Any]:
    try:
        reply: dict[str, Any] = json.loads((scratch / "reply.json").read_text())
    except (OSError, ValueError):
        lines = (scratch / "said").read_text(errors="replace").strip().splitlines()
        last = lines[-1][:300] if lines else "it said nothing"
        raise Transient(f"{no_answer}: {last}.") from None
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
