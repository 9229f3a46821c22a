"""docs/rules.md says what is registered, and every rule says where it comes from."""

from pathlib import Path

import pytest

import apps.flags.rules  # noqa: F401 - imported for its registrations
from apps.flags.rules.catalogue import meaning_of, page, parts_of
from apps.flags.rules.registry import RUN_RULES, SWEEP_RULES, AnyRule
from apps.workspaces.domain import Policy
from apps.workspaces.rules_off import RULE_IDS

DOCS = Path(__file__).parents[2] / "docs"
RULES: list[AnyRule] = [*RUN_RULES, *SWEEP_RULES]


def test_the_page_of_rules_is_current() -> None:
    assert (DOCS / "rules.md").read_text() == page(), "python manage.py list_rules > docs/rules.md"


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_names_a_section_of_the_practice_and_a_threshold_that_exists(rule: AnyRule) -> None:
    first, practice, threshold = parts_of(rule.doc)
    assert first.endswith(".")
    assert f"## {practice}" in (DOCS / "practice.md").read_text()
    named = [word.removeprefix("policy.").strip(",.;") for word in threshold.split() if word.startswith("policy.")]
    assert [name for name in named if name not in Policy.model_fields] == []


def test_rules_have_names_of_their_own() -> None:
    names = [rule.id for rule in RULES]
    assert len(names) == len(set(names))


def test_a_policy_can_switch_off_every_rule_and_nothing_else() -> None:
    assert sorted(RULE_IDS) == sorted(rule.id for rule in RULES)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.id)
def test_a_rule_has_an_example_of_its_evidence(rule: AnyRule) -> None:
    assert 10 < len(rule.example) <= 160
    assert not {"\n", "|"} & set(rule.example)
    assert f"| {rule.example} |" in (DOCS / "rules.md").read_text()


@pytest.mark.parametrize(
    ("rule", "keys"),
    [
        ("finished-below-target", ("fast_completion_hours",)),
        ("under-capacity", ("expected_agents",)),
        ("zombie-agent", ("stale_heartbeat_minutes", "dead_job_grace_minutes")),
    ],
)
def test_a_rule_names_the_policy_values_that_it_uses(rule: str, keys: tuple[str, ...]) -> None:
    assert meaning_of(rule).thresholds == keys
