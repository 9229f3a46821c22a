"""Whether training goes well. Pure."""

from datetime import timedelta

from apps.core.units import age_mark, number, percent
from apps.flags.domain import Finding, RunFacts, Severity
from apps.flags.rules.registry import run_rule

LEAST_GAIN = 0.001  # of the best so far: less is noise
OVERFIT_RISE = 0.1  # of the best: how far the validation metric must have risen again


@run_rule(
    "diverged",
    Severity.CRITICAL,
    needs=("wandb",),
    example="The loss is 900, 18000 times its best of 0.05 (limit 1000).",
)
def diverged(facts: RunFacts) -> Finding | None:
    """The loss is no number any more, or has exploded.

    Practice: 'Fast completion = red flag' and the crash classes: a run that diverged trains for nothing, and ends
    with exit status 0 under early stopping. Threshold: policy.exploding_factor times the best loss.
    """
    if not facts.loss_is_finite:
        return Finding("The last loss in the log is not a number.", _AFTER_DIVERGING)
    losses = [value for value in facts.curves.loss if value > 0]
    if len(losses) < 2:
        return None
    best, last = min(losses), losses[-1]
    if last <= best * facts.policy.exploding_factor:
        return None
    return Finding(
        f"The loss is {number(last)}, {number(last / best)} times its best of {number(best)} "
        f"(limit {number(facts.policy.exploding_factor)}).",
        _AFTER_DIVERGING,
    )


_AFTER_DIVERGING = "go back to an earlier checkpoint with a lower learning rate"


@run_rule(
    "plateau",
    Severity.NOTE,
    needs=("wandb",),
    example="The metric's best is 0.31, and nothing better came in the second half of the run.",
)
def plateau(facts: RunFacts) -> Finding | None:
    """The metric has not got better for half of the run.

    Practice: 'Favor resumes over restarts', every epoch is valuable compute time.
    Threshold: policy.plateau_points logged points; a gain of less than 0.1 % of the best counts as none.
    """
    values = facts.curves.metric
    if facts.wandb_state != "running" or len(values) < facts.policy.plateau_points:
        return None
    better = min if facts.curves.minimize else max
    middle = len(values) // 2
    first, second = better(values[:middle]), better(values[middle:])
    gain = (first - second) if facts.curves.minimize else (second - first)
    if gain > LEAST_GAIN * abs(first):
        return None
    return Finding(
        f"The metric's best is {number(first)}, and nothing better came in the second half of the run.",
        "consider stopping it, or another learning rate",
    )


@run_rule(
    "overfitting",
    Severity.NOTE,
    needs=("wandb",),
    example="The training loss still falls, but the validation metric went from 0.21 to 0.34.",
)
def overfitting(facts: RunFacts) -> Finding | None:
    """The training loss falls while the validation metric gets worse.

    Practice: 'Favor resumes over restarts', every epoch is valuable compute time.
    Threshold: policy.plateau_points logged points.
    Only where the sweep's metric is a validation metric; the last quarter must be worse than the best by a tenth.
    """
    values, losses = facts.curves.metric, facts.curves.loss
    few = min(len(values), len(losses)) < facts.policy.plateau_points
    if few or not facts.curves.metric_is_validation or not losses[-1] < losses[len(losses) // 2]:
        return None
    better, worse = (min, max) if facts.curves.minimize else (max, min)
    best, tail = better(values), values[-(len(values) // 4) :]
    least_bad = better(tail)
    if abs(least_bad - best) <= OVERFIT_RISE * abs(best) or worse(least_bad, best) == best:
        return None
    return Finding(
        f"The training loss still falls, but the validation metric went from {number(best)} to {number(values[-1])}.",
        "stop here, or keep the checkpoint of the best value",
    )


@run_rule("idle-gpu", Severity.WARNING, needs=("wandb", "slurm"), example="GPU use is 3 % (limit 10 %).")
def idle_gpu(facts: RunFacts) -> Finding | None:
    """A run holds GPUs and does not use them.

    Practice: 'Cross-reference W&B with Slurm': a job that is alive need not train. Threshold: policy.idle_gpu_percent.
    """
    holds = facts.job is not None and facts.job.gpus > 0 and facts.slurm_state == "RUNNING"
    if not holds or facts.wandb_state != "running" or facts.gpu_percent is None:
        return None
    if facts.gpu_percent >= facts.policy.idle_gpu_percent or (facts.runtime_seconds or 0) < 600:
        return None
    return Finding(
        f"GPU use is {percent(facts.gpu_percent)} (limit {percent(facts.policy.idle_gpu_percent)}).",
        "look at the data loading, or at whether the process hangs",
    )


@run_rule(
    "preempted-not-resumed",
    Severity.WARNING,
    needs=("wandb", "slurm"),
    example="It was preempted 1 h 00 min ago and did not come back.",
)
def preempted_not_resumed(facts: RunFacts) -> Finding | None:
    """A run was preempted, and nobody resumed it.

    Practice: 'Favor resumes over restarts', preempted runs should be resumed, not restarted.
    Threshold: policy.preempted_minutes after the end of its last attempt.
    """
    taken = facts.slurm_state == "PREEMPTED" or facts.wandb_state == "preempted"
    ended = facts.job.end_at if facts.job else facts.heartbeat_at
    if not taken or facts.wandb_state == "finished" or facts.slurm_state in ("RUNNING", "PENDING", "REQUEUED"):
        return None
    if ended is None or facts.now - ended <= timedelta(minutes=facts.policy.preempted_minutes):
        return None
    what = f"checkpoint of step {facts.checkpoint_step}" if facts.checkpoint_step is not None else "checkpoint, if any"
    return Finding(f"It was preempted {age_mark(ended)} and did not come back.", f"resume it from its {what}")


@run_rule(
    "restarted-with-progress",
    Severity.WARNING,
    needs=("wandb",),
    example="Run 8x2kq0 (crashed) has the same parameters and had reached epoch 31.",
)
def restarted_with_progress(facts: RunFacts) -> Finding | None:
    """A new run repeats the parameters of one that had got somewhere.

    Practice: 'Favor resumes over restarts', never restart a sweep that has progress unless its config is fatally wrong.
    Looked for in its sweep, in sweeps of its project or workspace with the same space, and, for a run outside of
    sweeps, among those with the same config; keys of policy.may_differ do not count.
    """
    twin = facts.twin
    if twin is None:
        return None
    where = f" of sweep {twin.sweep_id}" if twin.sweep_id else ""
    return Finding(
        f"Run {twin.run_id} ({twin.state}){where} has the same {twin.same} and had reached epoch {number(twin.epoch)}.",
        f"resume {twin.run_id} instead, if it has a checkpoint",
    )
