"""Further facts of runs: what was logged, how it can be repeated, checkpoints, and earlier runs that were the same."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from apps.checkpoints.models import Verification
from apps.flags.reading import config_facts, curves_of, logs_gpu_memory
from apps.joblogs.models import LogTrace
from apps.sweeps.domain import finite, lookup, loss_key
from apps.sweeps.models import Run

NOT_NUMBERS = ("NaN", "Infinity", "-Infinity", "nan", "inf", "-inf")


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


def logged_facts(run: Run, traces: list[LogTrace], drift: tuple[str, ...] = ()) -> dict[str, Any]:
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
        "config": config_facts(run.config, parameters if isinstance(parameters, dict) else None, drift),
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
