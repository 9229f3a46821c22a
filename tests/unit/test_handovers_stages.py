"""The stages of a handover's flow: moved by facts, and by nothing else."""

from typing import Any

import pytest

from apps.handovers.domain.stages import Stage, StageFacts, stage_of, steps_of
from tests.factories.moments import NOW

PICKED_UP: dict[str, Any] = {"picked_up_at": NOW, "picked_up_by": "claude"}
POSTED = {**PICKED_UP, "plan_posted_at": NOW}


@pytest.mark.parametrize(
    ("values", "stage"),
    [
        ({}, Stage.NEW_AGENT),
        (PICKED_UP, Stage.PLAN_MODE),
        ({**PICKED_UP, "questions_open": 2}, Stage.QUESTIONS),
        (POSTED, Stage.APPROVAL),
        ({**POSTED, "questions_open": 1}, Stage.QUESTIONS),
        ({**POSTED, "approved_at": NOW}, Stage.DEPLOY),
        ({"plan_posted_at": NOW}, Stage.APPROVAL),
    ],
)
def test_each_fact_moves_the_flow_on(values: dict[str, Any], stage: Stage) -> None:
    facts = StageFacts(**values)
    assert stage_of(facts) is stage
    marks = [step.mark for step in steps_of(facts)]
    assert marks.count("now") == 1
    assert marks == sorted(marks, key=["done", "now", "todo"].index)


def test_it_is_over_when_every_validation_is_reported() -> None:
    facts = StageFacts(**POSTED, approved_at=NOW, deploying_at=NOW)
    assert steps_of(facts)[-1].told == "under way"
    done = StageFacts(**POSTED, approved_at=NOW, deploying_at=NOW, deployed_at=NOW)
    assert {step.mark for step in steps_of(done)} == {"done"}
    assert steps_of(StageFacts())[1].told == "nobody has picked it up"
