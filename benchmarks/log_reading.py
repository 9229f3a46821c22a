"""What reading job logs costs: by the byte beside `cat`, and for logs in which nothing changed."""

import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

MEGABYTE = 1_000_000
BAR = "\r 45%|████▌     | {step}/90000 [1:12:31<1:28:12, {rate:.2f}it/s, loss={loss:.4f}]"
TALK = "\n2026-11-23 10:{minute:02d}:00 INFO data.loader: worker {worker} read shard {step:05d} in 0.31 s (1024 rows)"
FIGURES = "\n{{'loss': '{loss:.4f}', 'grad_norm': '0.37', 'learning_rate': '4.2e-05', 'epoch': '{epoch:.2f}'}}"


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    size = (2 if smoke else 200) * MEGABYTE
    with tempfile.TemporaryDirectory() as folder:
        for name, fill in (("a training's log", _training), ("a chatty log", _chatter), ("rubbish", _rubbish)):
            path = Path(folder) / "log"
            fill(path, size)
            ours, cats = _seconds(lambda: _read(path)), _seconds(lambda: _cat(path))  # noqa: B023 - called at once
            yield (
                f"{name} of {size // MEGABYTE} MB",
                f"{size / MEGABYTE / ours:.0f} MB/s, {ours / cats:.0f} × the time of cat",
            )
            path.unlink()
        yield from _unchanged(Path(folder), 50 if smoke else 500)


def _training(path: Path, size: int) -> None:
    """Two streams in one file: of its bytes two thirds are frames of a bar, a third is talk, and some are figures."""
    dice, step = random.Random(1), 0  # noqa: S311 - the same log every time
    with path.open("w", encoding="utf-8") as file:
        while file.tell() < size:
            values: dict[str, float] = {}
            for _ in range(20):
                step += 1
                values = {"step": step, "loss": dice.random(), "rate": 9 + dice.random(), "epoch": step / 9000}
                file.write(BAR.format(**values))
            file.write("".join(TALK.format(worker=n, minute=step % 60, **values) for n in range(8)))
            file.write(FIGURES.format(**values) + "\n")


def _chatter(path: Path, size: int) -> None:
    line = TALK.format(minute=3, worker=7, step=12)
    with path.open("w", encoding="utf-8") as file:
        for _ in range(size // len(line)):
            file.write(line)


def _rubbish(path: Path, size: int) -> None:
    dice = random.Random(2)  # noqa: S311 - the same log every time
    with path.open("wb") as file:
        for _ in range(size // MEGABYTE):
            file.write(dice.randbytes(MEGABYTE))


def _read(path: Path) -> None:
    from apps.joblogs.domain import LogState, follow

    state = LogState()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            follow(state, chunk)


def _cat(path: Path) -> None:
    subprocess.run(["cat", str(path)], stdout=subprocess.DEVNULL, check=True)


def _seconds(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def _unchanged(folder: Path, count: int) -> Iterator[tuple[str, str]]:
    from django.db import connection
    from django.test.utils import CaptureQueriesContext
    from django.utils import timezone

    from apps.joblogs.adapters.filesystem import FilesystemLogStore
    from apps.joblogs.services import read_logs
    from apps.slurm.models import Job

    jobs = [
        Job(cluster="bench", job_id=str(n), submit_at=timezone.now(), state="RUNNING", stdout_path=f"{folder}/{n}.out")
        for n in range(count)
    ]
    for job in jobs:
        Path(job.stdout_path).write_text(f"Run: run{job.job_id}\nEpoch 1/10\n" + "nothing of interest\n" * 500)

    def one_pass() -> None:
        read_logs(jobs=jobs, store=FilesystemLogStore(), workspaces=[])

    first = _seconds(one_pass)
    with CaptureQueriesContext(connection) as queries:
        one_pass()
    steady = _seconds(one_pass)
    yield f"first pass over {count} logs, per log", f"{first / count * 1000:.2f} ms"
    yield f"pass over {count} unchanged logs, per log", f"{steady / count * 1000:.3f} ms"
    yield f"queries of a pass over {count} unchanged logs", str(len(queries))
