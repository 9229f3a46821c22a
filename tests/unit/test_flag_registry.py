"""Judging: a rule that crashes harms no other, and a rule whose source is missing is silent."""

import pytest

from apps.flags.domain import Finding, RunFacts, Severity
from apps.flags.rules.registry import Rule, judge, severity_of
from tests.factories.facts import run_facts


def rule(id: str, check: object, *needs: str) -> Rule[RunFacts]:
    return Rule(id, Severity.WARNING, frozenset(needs), check)  # type: ignore[arg-type]  # a lambda is no typed check


def crash(facts: RunFacts) -> Finding | None:
    raise ZeroDivisionError


FOUND = Finding("evidence", "action")


def test_what_a_rule_finds_is_kept_and_a_quiet_rule_leaves_nothing() -> None:
    verdicts = judge(run_facts(), [rule("loud", lambda facts: FOUND), rule("quiet", lambda facts: None)])
    assert (verdicts.found, verdicts.silent) == ({"loud": FOUND}, frozenset())


def test_a_crashing_rule_is_noted_and_the_others_go_on(caplog: pytest.LogCaptureFixture) -> None:
    verdicts = judge(run_facts(), [rule("broken", crash), rule("loud", lambda facts: FOUND)])
    assert verdicts.found["loud"] is FOUND
    assert verdicts.found["rule-crashed"].severity is Severity.NOTE
    assert "'broken' failed here (ZeroDivisionError)" in verdicts.found["rule-crashed"].evidence
    assert verdicts.silent == {"broken"}


def test_a_rule_whose_source_does_not_answer_is_silent() -> None:
    facts = run_facts(known=frozenset({"wandb"}))
    verdicts = judge(facts, [rule("both", crash, "wandb", "slurm"), rule("one", lambda facts: FOUND, "wandb")])
    assert (set(verdicts.found), verdicts.silent) == ({"one"}, frozenset({"both"}))


def test_a_finding_may_weigh_less_than_its_rule() -> None:
    assert severity_of("zombie", FOUND) is Severity.CRITICAL
    assert severity_of("zombie", Finding("e", "a", Severity.NOTE)) is Severity.NOTE
