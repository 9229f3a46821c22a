"""Rules on a sweep's agents: those that wait in the queue, and those that live in W&B alone."""

import pytest

from apps.core.units import with_ages
from apps.flags.domain import JobFacts
from apps.flags.rules.sweeps import agent_pending_too_long
from apps.workspaces.domain import Policy
from tests.factories.facts import job_facts, sweep_facts
from tests.factories.moments import NOW, before


def waits(job_id: str = "77", reason: str = "QOSMaxGRESPerUser", **ago: float) -> JobFacts:
    return job_facts(job_id=job_id, state="PENDING", reason=reason, submit_at=before(**(ago or {"days": 3})))


def pending(*jobs: JobFacts, state: str = "RUNNING", policy: Policy | None = None) -> str:
    finding = agent_pending_too_long(sweep_facts(agents_pending=jobs, state=state, policy=policy or Policy()))
    return with_ages(finding.evidence, NOW) if finding else ""


def test_an_agents_job_that_waits_for_days_is_told_with_its_age_and_slurms_reason() -> None:
    said = "Agent job 77 is pending; it was submitted 3 d 0 h ago. Slurm's reason: QOSMaxGRESPerUser."
    assert pending(waits()) == said


def test_of_several_the_longest_is_named_and_the_others_are_counted() -> None:
    said = pending(waits("78", hours=5), waits("77"), waits("79", minutes=5))
    assert said.startswith("Agent job 77 is pending; it was submitted 3 d 0 h ago.")
    assert said.endswith("1 more waits longer than the limit of 1 h 00 min.")


@pytest.mark.parametrize("reason", ["JobArrayTaskLimit", "Dependency", "BeginTime"])
def test_a_job_that_waits_because_it_was_told_to_is_quiet(reason: str) -> None:
    assert pending(waits(reason=reason)) == ""


def test_a_short_wait_an_ended_sweep_and_another_limit_are_quiet() -> None:
    assert pending(waits(minutes=59)) == ""
    assert pending(waits(), state="FINISHED") == ""
    assert pending(waits(), policy=Policy(pending_minutes=10_000)) == ""
    assert pending() == ""
