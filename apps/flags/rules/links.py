"""Every sweep must have its W&B link. Pure."""

from apps.flags.domain import Finding, Severity, SweepFacts
from apps.flags.rules.registry import sweep_rule


@sweep_rule("no-wandb-url", Severity.WARNING, needs=("wandb",), example="W&B gave no link for sweep k3x9q2ab.")
def no_wandb_url(facts: SweepFacts) -> Finding | None:
    """A sweep has no W&B link.

    Practice: 'Always include W&B URLs', every sweep must have its W&B URL in reports.
    """
    if facts.url.startswith(("https://", "http://")):
        return None
    return Finding(f"W&B gave no link for sweep {facts.sweep_id}.", "check that the sweep exists in W&B")
