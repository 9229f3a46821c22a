"""What git's command line tells of a checkout; nothing that a repository configures is run, and every call ends."""

from datetime import datetime
from pathlib import Path

from apps.core.errors import Transient
from apps.core.git import Git
from apps.handovers.domain.document import Commit
from apps.handovers.ports import Work

SECONDS = 10.0
MOST_COMMITS, MOST_FILES = 200, 500
FEW_COMMITS = 20


class GitCli:
    def __init__(self, *, seconds: float = SECONDS, program: str = "git") -> None:
        self._git = Git(seconds=seconds, program=program)

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
            said = self._git.run(checkout, arguments)
        except Transient as error:
            problems.append(str(error))
            return ""
        if said.status and not quiet:
            problems.append(f"git {arguments[0]} said: {said.words[:200].rstrip('.') or 'nothing'}.")
        return "" if said.status else said.out.decode(errors="replace")


def _files(status: str) -> list[str]:
    """Return `M path` for each file; of a rename the new name, since the old one follows in an entry of its own."""
    entries = [entry for entry in status.split("\0") if entry]
    found, skip = [], False
    for entry in entries:
        if not skip:
            found.append(f"{entry[:2].strip()} {entry[3:]}")
        skip = not skip and entry[:1] in ("R", "C")
    return found
