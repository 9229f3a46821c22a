"""Further facts of runs: what was logged, how it can be repeated, checkpoints, and earlier runs that were the same."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from django.db.models import Q

from apps.checkpoints.models import Verification
from apps.flags.domain import Twin
from apps.flags.reading import config_facts, curves_of, differences, logs_gpu_memory
from apps.joblogs.models import LogTrace
from apps.sweeps.domain import finite, lookup, loss_key
from apps.sweeps.models import Run
from apps.sweeps.ports import LIVE_RUN_STATES

NOT_NUMBERS = ("NaN", "Infinity", "-Infinity", "nan", "inf", "-inf")
LEAST_EPOCHS = 1.0


def checkpoint_facts(run: Run, proofs: Sequence[Verification] = ()) -> dict[str, Any]:
    """Return what is known of the newest checkpoint; a proof counts while the checkpoint is as it was proven."""
    checkpoint = getattr(run, "checkpoint", None)
    if checkpoint is None:
        return {}
    own = next((one for one in proofs if one.holds_for(checkpoint)), None)
    good = [one for one in proofs if one.sound == "pass" and one.path != checkpoint.path]
    best = max(good, key=lambda one: (-1 if one.step is None else one.step, one.modified_at), default=None)
    return {
        "checkpoint_sound": own.sound if own else "",
        "checkpoint_flaw": own.reason if own and own.sound != "pass" else "",
        "good_checkpoint": Path(best.path).name if best else "",
        "checkpoint_step": checkpoint.step,
        "checkpoint_at": checkpoint.modified_at,
        "checkpoint_epoch": checkpoint.epoch,
    }


def proofs_of(runs: Iterable[Run]) -> dict[int, list[Verification]]:
    """Return what was proven of the checkpoints of these runs, in one query."""
    found: dict[int, list[Verification]] = {}
    for one in Verification.objects.filter(run__in=[run.pk for run in runs]).exclude(sound=""):
        found.setdefault(one.run_id, []).append(one)
    return found


def logged_facts(run: Run, traces: list[LogTrace]) -> dict[str, Any]:
    """Return what the run's summary, config, curves and log say of its training."""
    history, sweep = getattr(run, "history", None), run.sweep
    parameters = sweep.config.get("parameters") if sweep else None
    last = next((trace for trace in reversed(traces) if trace.loss is not None or not trace.loss_is_finite), None)
    loss = lookup(run.summary, loss_key(run.summary)) if loss_key(run.summary) else None
    return {
        "last_loss": last.loss if last else None,
        "loss_is_finite": (last.loss_is_finite if last else True) and loss not in NOT_NUMBERS,
        "logged_anything": _logged_anything(run) or any(_progressed(one) for one in traces),
        "gpu_memory_logged": run.gpu_memory_percent is not None or logs_gpu_memory(run.summary, run.config),
        "config": config_facts(run.config, parameters if isinstance(parameters, dict) else None, _drift(run)),
        "curves": curves_of(
            history.metric if history else [],
            history.loss if history else [],
            sweep.metric_name if sweep else "",
            sweep.metric_goal if sweep else "minimize",
        ),
    }


def _logged_anything(run: Run) -> bool:
    """Tell whether W&B was told anything; ``_step`` is W&B's own count of what was logged."""
    return any(not key.startswith("_") for key in run.summary) or bool(finite(run.summary.get("_step")))


def _progressed(trace: LogTrace) -> bool:
    return trace.epoch is not None or trace.step is not None


def _drift(run: Run) -> tuple[str, ...]:
    disk = getattr(run, "disk_config", None)
    return differences(disk.values, run.config) if disk is not None and run.config else ()


def twins_of(runs: Iterable[Run]) -> dict[int, Twin]:
    """Return for each live run the furthest earlier run of its sweep with the same parameters, in one query.

    Only one that got somewhere and did not finish counts: it is what should have been resumed.
    """
    live = [run for run in runs if run.state in LIVE_RUN_STATES and run.parameters_hash and run.created_at]
    if not live:
        return {}
    same = Q(sweep__in={run.sweep_id for run in live}, parameters_hash__in={run.parameters_hash for run in live})
    earlier = Run.objects.filter(same, status__epoch__gte=LEAST_EPOCHS).exclude(
        state__in=["finished", "deleted", "moved"]
    )
    told = list(earlier.select_related("status").defer("config", "summary"))
    found: dict[int, Twin] = {}
    for run in live:
        before = [one for one in told if _is_before(one, run)]
        best = max(before, key=lambda one: one.status.epoch or 0.0, default=None)
        if best is not None:
            found[run.pk] = Twin(best.run_id, best.state, best.status.epoch or 0.0)
    return found


def _is_before(one: Run, run: Run) -> bool:
    same = (one.sweep_id, one.parameters_hash) == (run.sweep_id, run.parameters_hash)
    known = one.created_at is not None and run.created_at is not None and one.created_at < run.created_at
    return same and known and one.state not in LIVE_RUN_STATES
