"""What the board costs in queries and time as it grows."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from django.db import connection
from django.test.utils import CaptureQueriesContext

RUNS_EACH = 40


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    small, large = (5, 20) if smoke else (20, 200)
    _fill(0, small)
    small_queries, small_seconds = _board()
    _fill(small, large)
    large_queries, large_seconds = _board()
    yield f"queries with {small} sweeps of {RUNS_EACH} runs", str(small_queries)
    yield f"queries with {large} sweeps of {RUNS_EACH} runs", str(large_queries)
    yield (
        f"time per sweep with {large} sweeps, as a multiple of {small}",
        (f"{(large_seconds / large) / (small_seconds / small):.2f}"),
    )


def _board() -> tuple[int, float]:
    from apps.board.selectors import board
    from apps.board.view import BoardView

    with CaptureQueriesContext(connection) as queries:
        board(BoardView())
    began = time.perf_counter()
    board(BoardView())
    return len(queries), time.perf_counter() - began


def _fill(start: int, stop: int) -> None:
    from apps.flags.models import RunStatus
    from apps.sweeps.models import Run, Sweep

    now = datetime.now(tz=UTC)
    sweeps = Sweep.objects.bulk_create(
        Sweep(entity="e", project="p", sweep_id=f"s{n}", name=f"sweep {n}", state="RUNNING", url="http://127.0.0.1/")
        for n in range(start, stop)
    )
    runs = Run.objects.bulk_create(
        Run(
            entity="e",
            project="p",
            run_id=f"{sweep.sweep_id}-{n}",
            sweep=sweep,
            state="running" if n < 4 else "finished",
            heartbeat_at=now - timedelta(seconds=n),
            metric_value=1 / (n + 1),
        )
        for sweep in sweeps
        for n in range(RUNS_EACH)
    )
    RunStatus.objects.bulk_create(
        RunStatus(run=run, slurm_state="RUNNING", pair="normal", action="monitor", epoch=3, percent=30) for run in runs
    )
