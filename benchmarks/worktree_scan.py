"""A cold look at a repository with 2,000 commits and 50 worktrees, and a pass in which nothing changed."""

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

FILES = 200


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    commits, worktrees = (100, 6) if smoke else (2_000, 50)
    folder = Path(tempfile.mkdtemp(prefix="swb-worktrees-"))
    try:
        root = _repository(folder, commits, worktrees)
        yield "commits and worktrees, a third merged, a third squashed or rebased", f"{commits}, {worktrees}"
        yield from _measured(root)
    finally:
        shutil.rmtree(folder)


def _measured(root: Path) -> Iterator[tuple[str, str]]:
    from datetime import UTC, datetime

    from apps.workspaces.models import Workspace
    from apps.worktrees.services.looking import look_at
    from apps.worktrees.services.scanning import scan_worktrees
    from apps.worktrees.wiring import tools

    made = tools()
    began = time.perf_counter()
    found = look_at(root, made)
    spent = time.perf_counter() - began
    told = {one.merge.how.value for one in found}
    yield "looking at all of it, cold", f"{spent:.2f} s, {made.git.git.asked} processes of git"  # type: ignore[attr-defined]
    yield "of them merged", f"{sum(one.merge.merged is True for one in found)} ({', '.join(sorted(told))})"
    workspace = Workspace.objects.create(name="bench-worktrees", root=str(root), config={})
    for what in ("a first pass into the database", "a pass in which nothing changed"):
        made, began = tools(), time.perf_counter()
        scan_worktrees(workspace=workspace, tools=made, now=datetime.now(tz=UTC))
        yield what, f"{time.perf_counter() - began:.2f} s, {made.git.git.asked} processes of git"  # type: ignore[attr-defined]


def _git(folder: Path, *arguments: str, stdin: bytes = b"") -> str:
    own = ("-c", "user.name=Mia", "-c", "user.email=mia@example.org", "-c", "gc.auto=0")
    done = subprocess.run(
        ["git", *own, "-C", str(folder), *arguments], input=stdin, capture_output=True, check=True, timeout=300
    )
    return done.stdout.decode()


def _repository(folder: Path, commits: int, worktrees: int) -> Path:
    """Main's history by one import; branches that left it at its second half, each with two commits."""
    root = folder / "glue"
    root.mkdir()
    _git(root, "init", "-q", "-b", "main")
    _git(root, "fast-import", "--quiet", stdin=b"".join(_stream(commits)))
    _git(root, "reset", "-q", "--hard", "main")
    for number in range(worktrees):
        name, start = f"w{number}", f"main~{(number * 7) % max(1, commits // 2)}"
        path = folder / name
        _git(root, "worktree", "add", "-q", "-b", name, str(path), start)
        for step in range(2):
            (path / f"own{number}.py").write_text("".join(f"value_{n} = {n + step}\n" for n in range(20)))
            _git(path, "add", "-A")
            _git(path, "commit", "-q", "-m", f"Step {step} of {name}")
        _bring_in(root, name, number)
    return root


def _bring_in(root: Path, name: str, number: int) -> None:
    if number % 6 < 2:
        _git(root, "merge", "-q", "--no-ff", "-m", f"Merge {name}", name)
    elif number % 6 == 2:
        _git(root, "merge", "-q", "--squash", name)
        _git(root, "commit", "-q", "-m", f"Squash {name}")
    elif number % 6 == 3:
        _git(root, "cherry-pick", f"{name}~1", name)


def _stream(commits: int) -> Iterator[bytes]:
    for number in range(1, commits + 1):
        body = "".join(f"x_{line} = {line * number}\n" for line in range(30)).encode()
        told = f"Change {number}".encode()
        yield f"commit refs/heads/main\nmark :{number}\n".encode()
        yield f"committer Mia <mia@example.org> {1_700_000_000 + number * 60} +0000\ndata {len(told)}\n".encode() + told
        yield (f"\nfrom :{number - 1}\n" if number > 1 else "\n").encode()
        yield f"M 100644 inline src/m{number % FILES}.py\ndata {len(body)}\n".encode() + body + b"\n"
