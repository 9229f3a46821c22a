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
