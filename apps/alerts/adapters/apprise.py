"""Sending by Apprise, each time in a child process of its own.

Apprise answers yes or no, and says why only in logs that may repeat the address. Whether a message may be sent
again depends on more: on whether any byte of it had gone out. So a child process (``apprise_child``) watches the
connection while Apprise uses it and replies in our words. A child of its own is also what makes the time-out hard
(name lookups and some services know none), keeps Apprise's hundred services out of the web process, and is not
allowed to open files or to run programs. The address goes through a pipe: it never stands on a command line.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

from apps.alerts.ports import AlertSender, Unsure
from apps.core.children import ends_with_parent
from apps.core.errors import Permanent, SweepboardError, Transient

SECONDS = 45.0  # more than connecting and waiting for an answer may take in the child, less than a claim's lease
BEGUN = b"begun"  # the child's first word once a byte of the message has left it
_PROJECT = Path(__file__).resolve().parents[3]
_KINDS: dict[str, type[SweepboardError]] = {"unsure": Unsure, "permanent": Permanent}


class AppriseSender(AlertSender):
    """Apprise behind the port; ``seconds`` is how long one call may take."""

    def __init__(self, *, seconds: float = SECONDS) -> None:
        self._seconds = seconds

    def check(self, address: str) -> str:
        return str(self._ask(call="check", address=address)["service"])

    def send(self, address: str, subject: str, body: str) -> None:
        self._ask(call="send", address=address, subject=subject, body=body)

    def _ask(self, **request: str) -> dict[str, Any]:
        try:
            done = subprocess.run(
                [sys.executable, "-B", "-m", "apps.alerts.adapters.apprise_child"],
                input=json.dumps(request).encode(),
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # Apprise's own words may hold the address
                timeout=self._seconds,
                check=False,
                cwd=_PROJECT,
                preexec_fn=ends_with_parent(signal.SIGKILL),
            )
        except subprocess.TimeoutExpired as late:
            raise _too_late(self._seconds, late.stdout or b"") from None
        except OSError as error:
            raise Transient(f"The process that sends could not be started ({error.strerror}).") from None
        return _answer(done.stdout)


def _too_late(seconds: float, said: bytes) -> SweepboardError:
    if BEGUN in said:
        return Unsure(f"The other side did not answer within {seconds:g} seconds; the message had been sent to it.")
    return Transient(f"The other side could not be reached within {seconds:g} seconds.")


def _answer(said: bytes) -> dict[str, Any]:
    try:
        reply: dict[str, Any] = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        if BEGUN in said:
            raise Unsure("The process that sends ended while it waited for the answer.") from None
        raise Transient("The process that sends ended before it sent anything.") from None
    if "sentence" in reply:
        if reply["kind"] == "transient":
            raise Transient(reply["sentence"], retry_after=reply.get("retry_after"))
        raise _KINDS[reply["kind"]](reply["sentence"])
    return reply
