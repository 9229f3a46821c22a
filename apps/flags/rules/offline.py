"""Runs that train without W&B. Pure."""

from datetime import timedelta

from apps.core.units import age_mark, count, duration
from apps.flags.domain import Finding, RunFacts, Severity, SweepFacts
from apps.flags.rules.registry import run_rule, sweep_rule


@run_rule(
    "offline-unsynced",
    Severity.WARNING,
    needs=(),
    example="The run's folder was last written 2 d 1 h ago and is not on W&B (limit 1 d 0 h).",
)
def offline_unsynced(facts: RunFacts) -> Finding | None:
    """A run's folder holds what W&B does not have, and nobody has written to it for long.

    Practice: 'Always include W&B URLs': a run that is only on a disk has none, and is lost with the disk.
    Threshold: policy.offline_unsynced_hours after the last write.
    """
    limit = timedelta(hours=facts.policy.offline_unsynced_hours)
    if facts.unsynced_since is None or facts.now - facts.unsynced_since <= limit:
        return None
    return Finding(
        f"The run's folder was last written {age_mark(facts.unsynced_since)} and is not on W&B "
        f"(limit {duration(limit)}).",
        "sync it to W&B from the offline runs screen",
    )


@sweep_rule(
    "bayes-sweep-offline",
    Severity.CRITICAL,
    needs=(),
    example="2 runs of this Bayesian sweep trained offline and are not on W&B: the search chooses the next parameters "
    "without them.",
)
def bayes_sweep_offline(facts: SweepFacts) -> Finding | None:
    """Runs of a Bayesian sweep train offline: the search chooses without their results.

    Practice: 'Favor resumes over restarts': a run of a Bayesian sweep needs its controller online, for its next
    choice and for being resumed.
    """
    if facts.method != "bayes" or not facts.offline_runs:
        return None
    return Finding(
        f"{count(facts.offline_runs, 'run')} of this Bayesian sweep trained offline and {_is(facts.offline_runs)} "
        "not on W&B: the search chooses the next parameters without them.",
        "sync them to W&B, and run the agents online",
    )


def _is(number: int) -> str:
    return "is" if number == 1 else "are"
