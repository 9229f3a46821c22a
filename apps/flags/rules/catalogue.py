"""The page that lists every rule, made from the registry so that it is always what runs. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

from apps.flags.rules.registry import RUN_RULES, SWEEP_RULES, AnyRule
from apps.workspaces.domain import Policy

HEAD = """\
# Red flags

Every rule, as it is registered: what it says, on which line of the [practice](practice.md) it stands, from which
threshold on, which sources it needs, and an example of its evidence. While a source does not answer, an open flag of
the rule is kept and marked unknown, and none is raised. Thresholds are keys of `[workspace.policy]`
([configuration](configuration.md)); `rules_off` turns a rule off with a reason, and `[[workspace.sweep_policy]]` says
other thresholds for one sweep.

This page is made by `python manage.py list_rules`; a test keeps it current.
"""


def page() -> str:
    """Return the whole page as Markdown."""
    return "\n".join([HEAD, _section("On runs", RUN_RULES), _section("On sweeps", SWEEP_RULES)])


def _section(title: str, rules: Sequence[AnyRule]) -> str:
    lines = [
        f"## {title}",
        "",
        "| flag | severity | when | practice | threshold | needs | example |",
        "|---|---|---|---|---|---|---|",
    ]
    return "\n".join([*lines, *(_row(rule) for rule in sorted(rules, key=lambda one: one.id))]) + "\n"


def _row(rule: AnyRule) -> str:
    first, practice, threshold = parts_of(rule.doc)
    needs = ", ".join(sorted(rule.needs)) or "none"
    return (
        f"| `{rule.id}` | {rule.severity} | {first} | {practice} | {threshold or 'none'} | {needs} | {rule.example} |"
    )


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a rule says, the section of the practice that it stands on, and the policy keys that it reads."""

    says: str = ""
    practice: str = ""
    thresholds: tuple[str, ...] = ()


def switched_off(policy: Policy, *, sweep: bool) -> list[tuple[str, str]]:
    """Return the rules that are off by a policy, each with the reason; on a run only those that judge runs."""
    known = {rule.id for rule in RUN_RULES} | ({rule.id for rule in SWEEP_RULES} if sweep else set())
    return sorted((rule, reason) for rule, reason in policy.rules_off.items() if rule in known)


@cache
def meaning_of(rule_id: str) -> Meaning:
    """Return the meaning of a rule; an empty one of a rule that no longer exists."""
    every: list[AnyRule] = [*RUN_RULES, *SWEEP_RULES]
    for rule in every:
        if rule.id == rule_id:
            says, practice, threshold = parts_of(rule.doc)
            keys = tuple(name for name in re.findall(r"`?(\w+)`?", threshold) if name in Policy.model_fields)
            return Meaning(says, practice, keys)
    return Meaning()


def parts_of(doc: str) -> tuple[str, str, str]:
    """Return (what it says, the section of the practice, the threshold) of a rule's docstring."""
    text = re.sub(r"\s+", " ", doc)
    first = text.partition(" Practice: ")[0]
    practice = re.search(r"Practice: '([^']+)'", text)
    threshold = re.search(r"Threshold: (.+?)(?:\. |\.?$)", text)
    return first, practice[1] if practice else "", threshold[1].rstrip(".") if threshold else ""
