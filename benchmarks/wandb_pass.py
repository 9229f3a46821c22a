"""What a W&B pass costs in requests and time, beside the client's own walk over `sweep.runs`."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from tests.services.sandbox import running_sandbox

PROJECT = "sandbox/bench"
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
    from apps.sweeps.adapters.wandb_api import WandbApiSource
    from apps.sweeps.models import Run
    from apps.sweeps.services.project import sync_project

    runs = 600 if smoke else 10_000
    with tempfile.TemporaryDirectory() as folder, running_sandbox(Path(folder)) as server:
        sweep = server.run(script=SWEEP).split()[-1]
        server.seed(project="bench", runs=runs, sweep=sweep)

        def one_pass(full: bool = False) -> tuple[int, float]:
            from apps.core.clock import utcnow

            server.reset_requests()
            began = time.perf_counter()
            source = WandbApiSource(base_url=server.url, api_key=server.api_key)
            sync_project(project=PROJECT, source=source, now=utcnow(), full=full)
            source.close()
            return sum(server.requests().values()), time.perf_counter() - began

        first, first_seconds = one_pass(full=True)
        steady, steady_seconds = one_pass()
        yield f"runs stored ({runs} in the project)", str(Run.objects.count())
        yield "requests of the first pass, config and summary included", str(first)
        yield "requests of a steady pass", str(steady)
        yield "time of a steady pass, as a part of the first", f"{steady_seconds / first_seconds:.2f}"
        walked, walk_seconds = _walk(server)
        yield "requests of the client's own walk over sweep.runs", str(walked)
        yield "requests of the walk, as a multiple of the first pass", f"{walked / first:.0f} ×"
        yield "time of the walk, as a multiple of the first pass", f"{walk_seconds / first_seconds:.1f} ×"


def _walk(server: "object") -> tuple[int, float]:
    server.reset_requests()  # type: ignore[attr-defined]  # the sandbox of the tests
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", WALK], env=server.env, cwd=server.work, check=True, capture_output=True)  # type: ignore[attr-defined]  # the sandbox of the tests
    return sum(server.requests().values()), time.perf_counter() - began  # type: ignore[attr-defined]  # the sandbox of the tests
