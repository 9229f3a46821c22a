"""Runs that say they are done. Pure."""

from apps.core.units import duration, number
from apps.flags.domain import Finding, ProgressSource, RunFacts, Severity
from apps.flags.rules.registry import run_rule


@run_rule("fast-completion", Severity.CRITICAL, needs=("wandb",))
def fast_completion(facts: RunFacts) -> Finding | None:
    """A run finished sooner than training can.

    Practice: 'Fast completion = red flag', runs finishing in under 2 hours almost always failed; always
    check the logs for the actual epoch count. Threshold: policy.fast_completion_hours.
    Critical below the target or without a known epoch; a note when the log or a
    checkpoint proves that the target was reached; the summary alone proves nothing.
    """
    limit = facts.policy.fast_completion_hours * 3600
    if facts.wandb_state != "finished" or facts.runtime_seconds is None or facts.runtime_seconds >= limit:
        return None
    took = f"Finished after {duration(facts.runtime_seconds)} (limit {duration(limit)})"
    reached, target = facts.progress.epoch, facts.progress.target_epochs
    where = facts.progress.source or "no source"
    if reached is None:
        return Finding(f"{took}; no log, checkpoint or summary names an epoch.", "read the job's log")
    if target is None:
        return Finding(
            f"{took} at epoch {number(reached)} ({where}); no config names a target.",
            "check the log's epoch count against what you intended",
        )
    if reached < target:
        return Finding(
            f"{took} at epoch {number(reached)} of {number(target)} ({where}).",
            "read the log for the reason; resume if there is a checkpoint",
        )
    if facts.progress.source is ProgressSource.SUMMARY:
        return Finding(
            f"{took}; only W&B's summary shows epoch {number(reached)} of {number(target)}.",
            "check the job's log or the checkpoints: the summary alone has been wrong before",
        )
    return Finding(
        f"{took}, and the {where} shows epoch {number(reached)} of {number(target)}.",
        "nothing, if a short run was intended",
        Severity.NOTE,
    )


@run_rule("finished-below-target", Severity.CRITICAL, needs=("wandb",))
def finished_below_target(facts: RunFacts) -> Finding | None:
    """A run says finished below its target.

    Practice: 'Fast completion = red flag', always check the logs for the actual epoch count.
    The policy's early stop is nobody's secret: a run may be meant to stop early, the person decides.
    Of a fast one the flag `fast-completion` says more.
    """
    limit = facts.policy.fast_completion_hours * 3600
    reached, target = facts.progress.epoch, facts.progress.target_epochs
    fast = facts.runtime_seconds is not None and facts.runtime_seconds < limit
    if facts.wandb_state != "finished" or reached is None or target is None or reached >= target or fast:
        return None
    return Finding(
        f"Finished at epoch {number(reached)} of {number(target)} ({facts.progress.source}).",
        "read the log for the reason (early stopping?); resume if it is to go on",
    )


@run_rule("zero-epochs", Severity.CRITICAL, needs=("wandb",))
def zero_epochs(facts: RunFacts) -> Finding | None:
    """A run says finished and trained nothing.

    Practice: 'Fast completion = red flag', quick completion means a crash or a config error.
    """
    progress = facts.progress
    if facts.wandb_state != "finished" or (progress.epoch is None and progress.step is None):
        return None
    if (progress.epoch or 0) > 0 or (progress.step or 0) > 0:
        return None
    return Finding(
        f"Finished, and the {progress.source} shows that nothing was trained.", "read the log for the real error"
    )


@run_rule("exit-zero-but-failed", Severity.CRITICAL, needs=("wandb", "slurm"))
def exit_zero_but_failed(facts: RunFacts) -> Finding | None:
    """The job ended with status 0, and the log shows an error that ended the training.

    Practice: 'Fast completion = red flag': exit code 0 and COMPLETED have each been wrong; the log decides.
    """
    job = facts.job
    clean = job is not None and job.state == "COMPLETED" and not job.exit_code
    below = facts.progress.epoch is None or (facts.progress.target_epochs or 0) > facts.progress.epoch
    if job is None or not clean or not facts.evidence or not below:
        return None
    first = facts.evidence[0]
    return Finding(
        f"Job {job.job_id} ended COMPLETED with status 0, but its log says: {first.text[:200]}",
        "read the log for the real error; let the script leave with a non-zero status",
    )
