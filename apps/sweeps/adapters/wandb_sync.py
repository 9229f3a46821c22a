"""Uploading a run folder by the client's own `wandb sync`, in a process of its own.

The command ends with status 0 whatever happened, so its words decide: only 'Finished syncing' is a success.
"""

import contextlib
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from apps.core.children import ends_with_parent
from apps.core.errors import Permanent, Transient

_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_DONE = re.compile(r"Finished syncing|Skipped \d+ synced run")
_REFUSED = re.compile(r"not logged in|permission denied|HTTP 40[0134]|invalid api key|does not exist", re.IGNORECASE)
# With its own patience the client waits a quarter of an hour for a dead server; our task tries again later.
PATIENCE = {
    f"WANDB__{channel}_RETRY_{name}": value
    for channel in ("GRAPHQL", "FILE_STREAM", "FILE_TRANSFER")
    for name, value in (("MAX", "4"), ("WAIT_MIN_SECONDS", "0.5"), ("WAIT_MAX_SECONDS", "4"))
}


class WandbSync:
    """Uploads to one server; the whole upload has ``seconds`` to end."""

    def __init__(self, *, base_url: str, api_key: str, seconds: float = 540) -> None:
        self._seconds = seconds
        self._settings = {"WANDB_API_KEY": api_key, "WANDB_ERROR_REPORTING": "false", "NO_COLOR": "1", **PATIENCE}
        if base_url:
            self._settings["WANDB_BASE_URL"] = base_url

    def upload(self, path: Path, say: Callable[[str], None], project: str = "") -> None:
        done, last = False, ""
        for line in self._lines(path, project):
            text = _COLOURS.sub("", line).removeprefix("wandb: ").strip()
            if not text:
                continue
            done = done or bool(_DONE.search(text))
            last = text if "ERROR" in text or not last.startswith("ERROR") else last
            say(text)
        if done:
            return
        sentence = f"W&B's client did not upload {path.name}: {last.removeprefix('ERROR ') or 'it said nothing'}."
        raise (Permanent if _REFUSED.search(last) else Transient)(sentence)

    def _lines(self, path: Path, project: str) -> Iterator[str]:
        """Yield the client's lines as they come; ``Transient`` when its time is over."""
        entity, _, name = project.partition("/")
        place = [f"--entity={entity}", f"--project={name}"] if name else []
        kept = {name: value for name, value in os.environ.items() if not name.startswith("WANDB_")}
        deadline = time.monotonic() + self._seconds
        with subprocess.Popen(
            [sys.executable, "-m", "wandb", "sync", *place, str(path)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**kept, **self._settings},
            # Its side process must end with it when time is up, and both with a worker that is killed: whoever
            # takes the request up again starts a new one.
            start_new_session=True,
            preexec_fn=ends_with_parent(signal.SIGKILL),  # noqa: PLW1509 - the child only calls prctl
        ) as child:
            try:
                yield from _until(child, deadline, f"Uploading {path.name} took more than {self._seconds:g} seconds.")
                child.wait(timeout=10)
            finally:
                _end(child)


def _until(child: "subprocess.Popen[bytes]", deadline: float, sentence: str) -> Iterator[str]:
    assert child.stdout is not None  # noqa: S101 - it was asked for
    rest = b""
    with selectors.DefaultSelector() as waiting:
        waiting.register(child.stdout, selectors.EVENT_READ)
        while True:
            if not waiting.select(timeout=max(0.0, deadline - time.monotonic())):
                raise Transient(sentence)
            chunk = os.read(child.stdout.fileno(), 65536)
            if not chunk:
                break
            *lines, rest = re.split(rb"[\r\n]+", rest + chunk)
            yield from (line.decode(errors="replace") for line in lines)
    if rest:
        yield rest.decode(errors="replace")


def _end(child: "subprocess.Popen[bytes]") -> None:
    if child.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, signal.SIGKILL)
