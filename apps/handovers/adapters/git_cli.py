"""What git's command line tells of a checkout; nothing that a repository configures is run, and every call ends."""

import os
import signal
import subprocess
from datetime import datetime
from pathlib import Path

from apps.core.children import ends_with_parent
from apps.handovers.domain.document import Commit
from apps.handovers.ports import Work

SECONDS = 10.0
MOST_COMMITS, MOST_FILES = 200, 500
FEW_COMMITS = 20
# A shared checkout belongs to somebody else as a rule; its own hooks, monitors and pagers are not ours to run.
_SAFE = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
_QUIET = {"LC_ALL": "C.UTF-8", "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "GIT_PAGER": "cat"}


class GitCli:
    def __init__(self, *, seconds: float = SECONDS, program: str = "git") -> None:
        self._seconds, self._program = seconds, program

    def work(self, checkout: Path, since: datetime | None) -> Work:
        """Ask git four things; what one of them does not tell is a sentence in ``problems``."""
        problems: list[str] = []
        branch = self._ask(checkout, ["symbolic-ref", "--short", "-q", "HEAD"], problems, quiet=True).strip()
        if not (checkout / ".git").exists():
            return Work(problems=(f"{checkout} is no git checkout; branch and commits are unknown.",))
        limit = MOST_COMMITS if since else FEW_COMMITS
        log = ["log", "--no-show-signature", "--format=%h%x09%s", f"--max-count={limit}", "HEAD"]
        log += [f"--since={since.isoformat()}"] if since else []
        commits = [line.partition("\t") for line in self._ask(checkout, log, problems).splitlines()]
        status = self._ask(checkout, ["status", "--porcelain=v1", "-z", "--ignore-submodules=all"], problems)
        return Work(
            branch=branch,
            author=self._ask(checkout, ["config", "user.name"], problems, quiet=True).strip(),
            commits=tuple(Commit(sha, subject) for sha, _, subject in commits if sha),
            uncommitted=tuple(_files(status))[:MOST_FILES],
            problems=tuple(problems),
        )

    def _ask(self, checkout: Path, arguments: list[str], problems: list[str], *, quiet: bool = False) -> str:
        """Return what git said; a failure is empty and, unless ``quiet``, a sentence in ``problems``."""
        try:
            done = subprocess.run(
                [self._program, *_SAFE, "-C", str(checkout), *arguments],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=self._seconds,
                check=False,
                env={"PATH": os.environ.get("PATH", os.defpath), "HOME": os.environ.get("HOME", "/"), **_QUIET},
                preexec_fn=ends_with_parent(signal.SIGKILL),
            )
        except subprocess.TimeoutExpired:
            problems.append(f"git {arguments[0]} did not answer within {self._seconds:g} seconds.")
            return ""
        except OSError as error:
            problems.append(f"git cannot be run: {error.strerror}.")
            return ""
        if done.returncode and not quiet:
            said = " ".join(done.stderr.decode(errors="replace").split())[:200].rstrip(".")
            problems.append(f"git {arguments[0]} said: {said or 'nothing'}.")
        return "" if done.returncode else done.stdout.decode(errors="replace")


def _files(status: str) -> list[str]:
    """Return `M path` for each file; of a rename the new name, since the old one follows in an entry of its own."""
    entries = [entry for entry in status.split("\0") if entry]
    found, skip = [], False
    for entry in entries:
        if not skip:
            found.append(f"{entry[:2].strip()} {entry[3:]}")
        skip = not skip and entry[:1] in ("R", "C")
    return found
