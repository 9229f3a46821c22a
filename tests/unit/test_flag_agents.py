"""Rules on a sweep's agents: those that wait in the queue, and those that live in W&B alone."""

import pytest

from apps.core.units import with_ages
from apps.flags.agents import Agent, without_job
from apps.flags.domain import JobFacts
from apps.flags.rules.sweeps import agent_pending_too_long, zombie_agent
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


def zombies(**values: object) -> str:
    finding = zombie_agent(sweep_facts(agents_running=3, jobs_alive=1, **values))
    return finding.evidence if finding else ""


def test_an_agent_that_beats_and_that_no_job_carries_is_a_zombie() -> None:
    said = "1 agent of 3 that W&B calls running is carried by no live job (g01-1); 1 job of the sweep is alive."
    assert zombies(agents_jobless=("g01-1",)) == said
    assert zombies() == ""


def test_silent_agents_and_agents_without_a_job_are_told_together() -> None:
    said = zombies(agents_silent=("a", "b"), agents_jobless=("c",))
    assert said.startswith(
        "2 agents of 3 that W&B calls running are silent (a, b), and 1 is carried by no live job (c);"
    )


def agent(host: str = "g01", lived: float = 20) -> Agent:
    return Agent(f"agent on {host}", host, before(seconds=lived), before(seconds=lived))


def jobless(*agents: Agent, places: tuple[set[str], ...] = (), others: tuple[str, ...] = ()) -> list[str]:
    return [one.host for one in without_job(agents, [frozenset(one) for one in places], others, NOW)]


def test_an_agent_is_told_where_its_host_is_no_node_of_a_job_that_could_carry_it() -> None:
    assert jobless(agent()) == ["g01"]
    assert jobless(agent(), agent("g02"), places=({"g02"},)) == ["g01"]
    assert jobless(agent(""), agent("g02"), places=({"g02"},)) == []
    assert jobless(agent("")) == [""]


def _name(place: set[str]) -> str:
    return "-".join(sorted(place)) or "nowhere"


@pytest.mark.parametrize("place", [{"g01"}, {"g07", "g01"}, {"elsewhere"}, {"localhost"}, set()], ids=_name)
def test_a_job_on_its_host_or_on_a_host_of_no_agent_may_carry_it(place: set[str]) -> None:
    assert jobless(agent("g01.cluster.local"), places=(place,)) == []


def test_a_live_job_of_no_known_sweep_on_its_host_may_carry_it() -> None:
    assert jobless(agent(), others=("g01",)) == []
    assert jobless(agent(), others=("g02",)) == ["g01"]


def test_an_agent_that_began_after_slurm_was_read_may_have_a_job_by_now() -> None:
    assert jobless(agent(lived=-5)) == []
