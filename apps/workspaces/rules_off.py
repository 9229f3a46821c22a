"""Rules that a policy switches off: each is one that exists, and has a reason. Pure."""

from collections.abc import Mapping
from difflib import get_close_matches

# The ids of the red flags' rules, which are registered in a room above this one; a test holds both together.
RULE_IDS = (
    "agent-pending-too-long",
    "bayes-sweep-offline",
    "checkpoint-bad",
    "checkpoint-stale",
    "config-drift",
    "disk-filling",
    "diverged",
    "exit-zero-but-failed",
    "fast-completion",
    "finished-below-target",
    "idle-gpu",
    "incomplete-config",
    "job-pending-too-long",
    "missing-seed",
    "missing-versions",
    "no-checkpoint-yet",
    "no-gpu-memory-logged",
    "no-wandb-url",
    "offline-unsynced",
    "overfitting",
    "plateau",
    "preempted-not-resumed",
    "progress-ahead-of-checkpoint",
    "repeated-failure",
    "restarted-with-progress",
    "stale-heartbeat",
    "state-mismatch",
    "stuck-running-unpopulated",
    "under-capacity",
    "wandb-dead-job-alive",
    "zero-epochs",
    "zombie",
    "zombie-agent",
)


def check_rules_off(off: Mapping[str, str]) -> None:
    """Raise ``ValueError`` for a rule that does not exist, with those that are near, and for one without a reason."""
    for rule, reason in off.items():
        if rule not in RULE_IDS:
            near = get_close_matches(rule.lower(), RULE_IDS, n=3, cutoff=0.5)
            told = f"near ones are {', '.join(near)}" if near else "docs/rules.md lists them all"
            raise ValueError(f"no rule has the id '{rule}'; {told}")
        if not reason.strip():
            raise ValueError(f"the rule '{rule}' is switched off without a reason: write down why")
