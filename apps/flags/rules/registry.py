"""The registry of rules. A rule is a pure function over facts; its docstring names the practice behind it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cache
from typing import Generic, TypeVar

import structlog

from apps.flags.domain import Finding, RunFacts, Severity, SweepFacts

log = structlog.get_logger(__name__)
F = TypeVar("F", RunFacts, SweepFacts)


@dataclass(frozen=True)
class Rule(Generic[F]):
    """``needs`` names the sources without which the rule can say nothing; ``example`` is a line of its evidence."""

    id: str
    severity: Severity
    needs: frozenset[str]
    check: Callable[[F], Finding | None]
    example: str = ""

    @property
    def doc(self) -> str:
        return (self.check.__doc__ or "").strip()


@dataclass(frozen=True)
class Verdicts:
    """``found`` maps rule ids to findings; ``silent`` holds the rules whose sources did not answer."""

    found: dict[str, Finding]
    silent: frozenset[str]


AnyRule = Rule[RunFacts] | Rule[SweepFacts]
RUN_RULES: list[Rule[RunFacts]] = []
SWEEP_RULES: list[Rule[SweepFacts]] = []


def run_rule(
    id: str, severity: Severity, *, needs: Iterable[str], example: str
) -> Callable[[Callable[[RunFacts], Finding | None]], Callable[[RunFacts], Finding | None]]:
    def register(check: Callable[[RunFacts], Finding | None]) -> Callable[[RunFacts], Finding | None]:
        RUN_RULES.append(Rule(id, severity, frozenset(needs), check, example))
        return check

    return register


def sweep_rule(
    id: str, severity: Severity, *, needs: Iterable[str], example: str
) -> Callable[[Callable[[SweepFacts], Finding | None]], Callable[[SweepFacts], Finding | None]]:
    def register(check: Callable[[SweepFacts], Finding | None]) -> Callable[[SweepFacts], Finding | None]:
        SWEEP_RULES.append(Rule(id, severity, frozenset(needs), check, example))
        return check

    return register


def judge(facts: F, rules: Iterable[Rule[F]]) -> Verdicts:
    """Ask every rule; one that crashes is noted as a finding of its own and the rest go on."""
    found: dict[str, Finding] = {}
    silent: set[str] = set()
    for rule in rules:
        if rule.id in facts.policy.rules_off:
            continue  # an open flag of it is cleared: somebody wrote down why it is off here
        if not rule.needs <= facts.known:
            silent.add(rule.id)
            continue
        try:
            finding = rule.check(facts)
        except Exception as error:
            log.exception("flags.rule.crashed", rule=rule.id)
            found["rule-crashed"] = Finding(
                f"The rule '{rule.id}' failed here ({type(error).__name__}); the others went on.",
                "tell whoever keeps this Sweepboard",
                Severity.NOTE,
            )
            silent.add(rule.id)
            continue
        if finding is not None:
            found[rule.id] = finding
    return Verdicts(found, frozenset(silent))


def severity_of(rule_id: str, finding: Finding) -> Severity:
    return finding.severity or _severity_of_rule(rule_id)


@cache
def _severity_of_rule(rule_id: str) -> Severity:
    every: list[AnyRule] = [*RUN_RULES, *SWEEP_RULES]
    return next(rule.severity for rule in every if rule.id == rule_id)
