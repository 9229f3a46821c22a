"""What a W&B pass costs in requests and time, beside the client's own walk over `sweep.runs`."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from tests.services.sandbox import SandboxServer, running_sandbox

PROJECT = "sandbox/bench"
CHANGED = 150
WALK = """
import wandb
for sweep in wandb.Api().project("bench", entity="sandbox").sweeps():
    for run in sweep.runs:
        run.config, run.summary
"""

SWEEP = """
import wandb
print(wandb.sweep({"method": "random", "parameters": {"lr": {"values": [1, 2]}}}, entity="sandbox", project="bench"))
"""


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    from apps.sweeps.models import Run

    runs = 600 if smoke else 10_000
    with tempfile.TemporaryDirectory() as folder, running_sandbox(Path(folder), crash_after=86_400) as server:
        sweep = server.run(script=SWEEP).split()[-1]
        # Ended an hour ago and more, so that a steady pass meets none of them again; the live ones beat now.
        server.seed(project="bench", runs=runs - CHANGED, sweep=sweep, state="finished", ended_hours_ago=1)
        server.seed(project="bench", runs=CHANGED, sweep=sweep, state="running", prefix="live")
        first, first_seconds = _cost(server, _a_pass(server, full=True))
        _cost(server, _a_pass(server))
        server.beat(project="bench")
        steady, steady_seconds = _cost(server, _a_pass(server))
        yield f"runs stored ({runs} in the project)", str(Run.objects.count())
        yield "requests of the first pass, config and summary included", str(first)
        yield f"requests of a steady pass in which {CHANGED} runs changed", str(steady)
        yield "seconds of that steady pass", f"{steady_seconds:.2f}"
        yield "time of a steady pass, as a part of the first", f"{steady_seconds / first_seconds:.2f}"
        walked, walk_seconds = _cost(server, lambda: _walk(server))
        yield "requests of the client's own walk over sweep.runs", str(walked)
        yield "requests of the walk, as a multiple of a steady pass", f"{walked / steady:.0f} ×"
        yield "time of the walk, as a multiple of the first pass", f"{walk_seconds / first_seconds:.1f} ×"


def _cost(server: SandboxServer, work: Callable[[], Any]) -> tuple[int, float]:
    server.reset_requests()
    began = time.perf_counter()
    work()
    seconds = time.perf_counter() - began
    return sum(count for name, count in server.requests().items() if not name.startswith("/")), seconds


def _a_pass(server: SandboxServer, full: bool = False) -> Callable[[], None]:
    from apps.core.clock import utcnow
    from apps.sweeps.adapters.wandb_api import WandbApiSource
    from apps.sweeps.services.project import sync_project

    def work() -> None:
        source = WandbApiSource(base_url=server.url, api_key=server.api_key)
        sync_project(project=PROJECT, source=source, now=utcnow(), full=full)
        source.close()

    return work


def _walk(server: SandboxServer) -> None:
    subprocess.run([sys.executable, "-c", WALK], env=server.env, cwd=server.work, check=True, capture_output=True)
