"""Runs that say they are done. Pure."""

from apps.core.units import duration, number
from apps.flags.domain import Evidence, Finding, ProgressSource, RunFacts, Severity
from apps.flags.rules.registry import run_rule
from apps.joblogs.endings import RESUMABLE
from apps.joblogs.parsers import Sign


@run_rule(
    "fast-completion",
    Severity.CRITICAL,
    needs=("wandb",),
    example="Finished after 30 min (limit 2 h 00 min) at epoch 2 of 10 (log).",
)
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


@run_rule("finished-below-target", Severity.CRITICAL, needs=("wandb",), example="Finished at epoch 2 of 10 (log).")
def finished_below_target(facts: RunFacts) -> Finding | None:
    """A run says finished below its target.

    Practice: 'Fast completion = red flag', always check the logs for the actual epoch count.
    The policy's early stop is nobody's secret: a run may be meant to stop early, the person decides.
    Threshold: policy.fast_completion_hours of training; of a sooner one the flag `fast-completion` says more.
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


@run_rule(
    "zero-epochs",
    Severity.CRITICAL,
    needs=("wandb",),
    example="Finished after 5 h 00 min, and nothing was logged: no step, no history, no epoch.",
)
def zero_epochs(facts: RunFacts) -> Finding | None:
    """A run says finished and trained nothing, or logged nothing at all.

    Practice: 'Fast completion = red flag', quick completion means a crash or a config error.
    A run whose metrics have no epoch trains all the same: steps and curves are progress.
    """
    progress = facts.progress
    if facts.wandb_state != "finished" or (progress.epoch or 0) > 0 or (progress.step or 0) > 0:
        return None
    if progress.epoch is None and progress.step is None:
        return _nothing_logged(facts)
    return Finding(
        f"Finished, and the {progress.source} shows that nothing was trained.", "read the log for the real error"
    )


def _nothing_logged(facts: RunFacts) -> Finding | None:
    if facts.logged_anything or facts.curves.metric or facts.curves.loss:
        return None
    after = "" if facts.runtime_seconds is None else f" after {duration(facts.runtime_seconds)}"
    said = f"Finished{after}, and nothing was logged: no step, no history, no epoch"
    if facts.checkpoint_at is not None:
        action = "find out why W&B heard nothing of it"
        return Finding(f"{said}; only a checkpoint shows that it trained.", action, Severity.WARNING)
    return Finding(f"{said}.", "read the log for the real error")


@run_rule(
    "exit-zero-but-failed",
    Severity.CRITICAL,
    needs=("wandb", "slurm"),
    example="Job 4711 ended COMPLETED with status 0, but its log says: ValueError: bad shape (train.err:90), "
    "at epoch 2 of 10.",
)
def exit_zero_but_failed(facts: RunFacts) -> Finding | None:
    """The job ended with status 0, and the log shows an error that ended the training.

    Practice: 'Fast completion = red flag': exit code 0 and COMPLETED have each been wrong; the log decides.
    An error after which training went on was caught. Where no target is known, only an error that names a cause
    counts, and none where the program says that it goes on after one.
    """
    job = facts.job
    if job is None or job.state != "COMPLETED" or job.exit_code:
        return None
    final = _final_error(facts)
    if final is None:
        return None
    where = f"{final.file.rpartition('/')[2]}:{final.line}" if final.line else final.file.rpartition("/")[2]
    return Finding(
        f"Job {job.job_id} ended COMPLETED with status 0, but its log says: {final.text[:200]} ({where})"
        f"{_how_far(facts)}.",
        "read the log for the real error; let the script leave with a non-zero status",
    )


def _final_error(facts: RunFacts) -> Evidence | None:
    """Return the first error after which training did not go on; None where the target was reached all the same."""
    live = [one for one in facts.evidence if one.went_on is not True and one.crash_class != Sign.CAUGHT]
    reached, target = facts.progress.epoch, facts.progress.target_epochs
    if reached is not None and target is not None:
        return live[0] if live and reached < target else None
    if reached is not None:
        caught = any(one.crash_class == Sign.CAUGHT for one in facts.evidence)
        live = [one for one in live if _names_a_cause(one) and not (caught and one.went_on is None)]
    return live[0] if live else None


def _names_a_cause(one: Evidence) -> bool:
    return one.crash_class in RESUMABLE or one.crash_class == Sign.TRACEBACK


def _how_far(facts: RunFacts) -> str:
    reached, target = facts.progress.epoch, facts.progress.target_epochs
    if reached is None:
        return ""
    return f", at epoch {number(reached)}" + (f" of {number(target)}" if target else "; no config names a target")
