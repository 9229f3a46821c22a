"""What a crash would lose. Pure."""

from datetime import timedelta

from apps.core.units import age_mark, duration, number
from apps.flags.domain import Finding, RunFacts, Severity
from apps.flags.rules.registry import run_rule


def _trains(facts: RunFacts) -> bool:
    return facts.wandb_state == "running" and facts.slurm_state == "RUNNING"


@run_rule(
    "no-checkpoint-yet",
    Severity.WARNING,
    needs=("wandb", "slurm"),
    example="No checkpoint after 5 h of training (limit 3 h 00 min).",
)
def no_checkpoint_yet(facts: RunFacts) -> Finding | None:
    """A run trains for long and has no checkpoint.

    Practice: 'Favor resumes over restarts', every epoch is valuable: without a checkpoint all are lost in a crash.
    Threshold: policy.no_checkpoint_hours of training.
    """
    limit = facts.policy.no_checkpoint_hours * 3600
    if not _trains(facts) or facts.checkpoint_at is not None:
        return None
    if facts.runtime_seconds is None or facts.runtime_seconds <= limit:
        return None
    # To the hour: the sentence is kept, and would be another one at every look.
    hours = int(facts.runtime_seconds // 3600)
    return Finding(
        f"No checkpoint after {hours} h of training (limit {duration(limit)}).",
        "check that the run saves checkpoints, and where",
    )


@run_rule(
    "checkpoint-bad",
    Severity.CRITICAL,
    needs=(),
    example="The newest checkpoint (step 400) is broken: storage 0 is missing.",
)
def checkpoint_bad(facts: RunFacts) -> Finding | None:
    """The newest checkpoint is broken, or unsafe to load: a resume from it would fail or lose training.

    Practice: 'Checkpoint verification before a resume', the checkpoint is not corrupted.
    """
    if facts.checkpoint_sound not in ("fail", "unsafe") or facts.wandb_state == "finished":
        return None
    step = "" if facts.checkpoint_step is None else f" (step {facts.checkpoint_step})"
    what = "is broken" if facts.checkpoint_sound == "fail" else "must not be loaded"
    action = f"restore from {facts.good_checkpoint}" if facts.good_checkpoint else "verify the older ones; save anew"
    return Finding(f"The newest checkpoint{step} {what}: {facts.checkpoint_flaw}.", action)


@run_rule(
    "checkpoint-stale",
    Severity.WARNING,
    needs=("wandb", "slurm"),
    example="The newest checkpoint was written 7 h 00 min ago (limit 6 h 00 min).",
)
def checkpoint_stale(facts: RunFacts) -> Finding | None:
    """A run trains on, and its newest checkpoint is old.

    Practice: 'Checkpoint verification before a resume', the checkpoint exists and is recent.
    Threshold: policy.checkpoint_stale_hours.
    """
    limit = timedelta(hours=facts.policy.checkpoint_stale_hours)
    if not _trains(facts) or facts.checkpoint_at is None or facts.now - facts.checkpoint_at <= limit:
        return None
    return Finding(
        f"The newest checkpoint was written {age_mark(facts.checkpoint_at)} (limit {duration(limit)}).",
        "find out why no newer one is written: a full disk, or a hanging save",
    )


@run_rule(
    "progress-ahead-of-checkpoint",
    Severity.NOTE,
    needs=("wandb", "slurm"),
    example="A crash now would lose the training since the checkpoint of 3 h 00 min ago and 2 epochs.",
)
def progress_ahead_of_checkpoint(facts: RunFacts) -> Finding | None:
    """A crash now would lose hours of training.

    Practice: 'Favor resumes over restarts', each epoch is valuable compute time.
    Threshold: policy.at_risk_hours since the newest checkpoint, while training; past checkpoint_stale_hours the
    flag `checkpoint-stale` says more.
    """
    if not _trains(facts) or facts.checkpoint_at is None:
        return None
    age = facts.now - facts.checkpoint_at
    policy = facts.policy
    if not timedelta(hours=policy.at_risk_hours) < age <= timedelta(hours=policy.checkpoint_stale_hours):
        return None
    epochs = _epochs_ahead(facts)
    lost = f" and {number(epochs)} epochs" if epochs else ""
    return Finding(
        f"A crash now would lose the training since the checkpoint of {age_mark(facts.checkpoint_at)}{lost}.",
        "checkpoint more often",
    )


def _epochs_ahead(facts: RunFacts) -> float | None:
    if facts.progress.epoch is None or facts.checkpoint_epoch is None:
        return None
    return max(0.0, facts.progress.epoch - facts.checkpoint_epoch)
