"""What judging runs costs: a hundred thousand from scratch, and the few that a pass changed."""

import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

CHANGED = 150
CONFIG = {
    "epochs": 40,
    "lr": 1e-4,
    "batch_size": 64,
    "seed": 1,
    "torch_version": "2.8.0",
    "numpy_version": "2.1",
    **{f"model.layer{n}.width": 64 * n for n in range(20)},
}


def measure(*, smoke: bool) -> Iterator[tuple[str, str]]:
    from apps.flags.models import Flag
    from apps.sweeps.models import Run

    runs = 2_000 if smoke else 100_000
    _fill(runs)
    every = list(Run.objects.order_by("pk").values_list("pk", flat=True))
    scratch = _evaluate(every)
    flags = Flag.objects.open().count()
    again = _evaluate(every)
    Run.objects.filter(pk__in=every[-CHANGED:]).update(state="crashed")
    changed = _evaluate(every[-CHANGED:])
    yield "runs, each with a job, a checkpoint, a log, curves and a config of 26 keys", f"{runs}"
    yield "from scratch", f"{scratch:.1f} s, {scratch / runs * 1e6:.0f} µs a run; {flags} flags raised"
    yield "again, with nothing changed", f"{again:.1f} s"
    yield f"{CHANGED} that changed, among them all", f"{changed:.2f} s"


def _evaluate(pks: Sequence[int]) -> float:
    from apps.flags.services import evaluate_runs

    began = time.perf_counter()
    evaluate_runs(run_pks=pks, now=datetime.now(tz=UTC))
    return time.perf_counter() - began


def _fill(runs: int) -> None:
    from django.core.management import call_command

    from apps.flags.models import Flag, RunStatus
    from apps.joblogs.models import LogFile, LogTrace
    from apps.sweeps.models import Run
    from tests.factories.scale import Size, fill, multiply

    call_command("flush", interactive=False, verbosity=0)  # its rows are numbered from 1 on
    fill(Size(runs=runs, jobs=runs))
    multiply(LogFile, runs, path="'/logs/' || i || '.out'", cluster="'hpc'", job_id="i || ''")
    multiply(
        LogTrace, runs, log_id="i", run_id="'run' || i", epoch="CASE WHEN i % 10 = 0 THEN 20 ELSE 40 END", step="i * 10"
    )
    Run.objects.update(config=CONFIG, summary={"epoch": 3, "loss": 0.5, "gpu_mem_gb": 31.5})
    Flag.objects.all().delete()
    RunStatus.objects.all().delete()
