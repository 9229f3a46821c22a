"""Running git: arguments as a list, always an end, no prompt, no hook, and none of a repository's helpers."""

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from apps.core.children import ends_with_parent
from apps.core.errors import Permanent, Transient

# A shared checkout belongs to somebody else as a rule; its own hooks, monitors and pagers are not ours to run.
SAFE = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_QUIET = {
    "LC_ALL": "C.UTF-8",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_PAGER": "cat",
    "GIT_EDITOR": "true",
}


class GitRefused(Permanent):
    """Git answered that it will not; the sentence holds its words."""


@dataclass(frozen=True, slots=True)
class Said:
    """What git answered: its exit status, what it printed, and its words on the other stream as one line."""

    status: int
    out: bytes
    words: str

    @property
    def text(self) -> str:
        return self.out.decode("utf-8", "surrogateescape")


class Git:
    """One program with one time-out in seconds. ``asked`` counts the processes, for whoever keeps a promise on them."""

    def __init__(self, *, seconds: float, program: str = "git", environment: Mapping[str, str] | None = None) -> None:
        self._seconds, self._program, self._more = seconds, program, dict(environment or {})
        self.asked = 0

    def argv(self, folder: Path, arguments: Sequence[str]) -> list[str]:
        """Return the exact arguments with which git is run in ``folder``."""
        return [self._program, *SAFE, "--no-optional-locks", "-C", str(folder), *arguments]

    def run(self, folder: Path, arguments: Sequence[str], *, stdin: bytes = b"", seconds: float | None = None) -> Said:
        """Return what git says; ``Transient`` where it does not answer in time or cannot be run."""
        limit = self._seconds if seconds is None else seconds
        self.asked += 1
        try:
            done = subprocess.run(
                self.argv(folder, arguments),
                input=stdin,
                capture_output=True,
                timeout=limit,
                check=False,
                env=self._environment(),
                preexec_fn=ends_with_parent(signal.SIGKILL),
            )
        except subprocess.TimeoutExpired as error:
            raise Transient(f"git {_verb(arguments)} did not answer within {limit:g} seconds.") from error
        except (OSError, ValueError) as error:
            raise Transient(f"git cannot be run: {getattr(error, 'strerror', None) or error}.") from error
        return Said(done.returncode, done.stdout, _words(done.stderr))

    def ask(self, folder: Path, arguments: Sequence[str], *, stdin: bytes = b"", seconds: float | None = None) -> str:
        """Return what git printed; ``GitRefused`` with its words where it failed."""
        said = self.run(folder, arguments, stdin=stdin, seconds=seconds)
        if said.status:
            raise GitRefused(f"git {_verb(arguments)} said: {said.words or 'nothing'}.")
        return said.text

    def lines(self, folder: Path, arguments: Sequence[str], *, stdin: bytes = b"") -> Iterator[bytes]:
        """Yield what git prints line by line, for answers that are too large to hold; errors as in ``ask``."""
        self.asked += 1
        with (
            tempfile.TemporaryFile() as told,
            tempfile.TemporaryFile() as wrong,
            _started(self.argv(folder, arguments), told, wrong, stdin, self._environment()) as child,
            _ends(child, self._seconds) as late,
        ):
            yield from child.stdout or ()
            child.wait()
            if late.is_set():
                raise Transient(f"git {_verb(arguments)} did not end within {self._seconds:g} seconds.")
            if child.returncode:
                wrong.seek(0)
                raise GitRefused(f"git {_verb(arguments)} said: {_words(wrong.read(4000)) or 'nothing'}.")

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), **_QUIET, **self._more,
        }  # fmt: skip


@contextmanager
def _started(
    argv: list[str], told: IO[bytes], wrong: IO[bytes],
    stdin: bytes, environment: dict[str, str],
) -> Iterator["subprocess.Popen[bytes]"]:  # fmt: skip
    """Start a child that reads ``stdin`` from a file, so that it can never wait for us while we wait for it."""
    told.write(stdin)
    told.seek(0)
    try:
        child = subprocess.Popen(
            argv, stdin=told, stdout=subprocess.PIPE, stderr=wrong, env=environment,
            preexec_fn=ends_with_parent(signal.SIGKILL),  # noqa: PLW1509 - as everywhere here: it only asks the kernel
        )  # fmt: skip
    except (OSError, ValueError) as error:
        raise Transient(f"git cannot be run: {getattr(error, 'strerror', None) or error}.") from error
    try:
        yield child
    finally:
        child.kill()
        child.wait()
        if child.stdout:
            child.stdout.close()


@contextmanager
def _ends(child: "subprocess.Popen[bytes]", seconds: float) -> Iterator[threading.Event]:
    """Kill the child when its time is over; the event then says so."""
    late = threading.Event()

    def over() -> None:
        late.set()
        child.kill()

    timer = threading.Timer(seconds, over)
    timer.daemon = True
    timer.start()
    try:
        yield late
    finally:
        timer.cancel()


def _verb(arguments: Sequence[str]) -> str:
    return next((one for one in arguments if not one.startswith("-")), "")


def _words(data: bytes) -> str:
    return " ".join(data.decode(errors="replace").split())[:300].rstrip(".")
