"""Every red flag: when it is raised, when it is not, and exactly where its threshold lies."""

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.core.units import with_ages
from apps.flags.domain import Finding, Progress, ProgressSource, RunFacts, Severity
from apps.flags.rules.completion import fast_completion
from apps.flags.rules.cross_reference import stale_heartbeat, wandb_dead_job_alive, zombie
from apps.flags.rules.links import no_wandb_url
from apps.flags.rules.offline import bayes_sweep_offline, offline_unsynced
from apps.flags.rules.registry import RUN_RULES, SWEEP_RULES
from apps.links.states import MOVED_ON, NO_JOB, UNKNOWN
from apps.workspaces.domain import Policy
from tests.factories.facts import job_facts, run_facts, sweep_facts
from tests.factories.moments import NOW, before

HOURS = st.floats(min_value=0.01, max_value=100)
MINUTES = st.floats(min_value=0.01, max_value=10_000)


def said(finding: Finding) -> str:
    """The finding's sentence as a person reads it at NOW."""
    return with_ages(finding.evidence, NOW)


def test_a_healthy_run_raises_no_flag() -> None:
    assert [rule.id for rule in RUN_RULES if rule.check(run_facts())] == []
    assert [rule.id for rule in SWEEP_RULES if rule.check(sweep_facts())] == []


def test_every_rule_cites_the_practice_that_demands_it() -> None:
    assert {rule.id for rule in [*RUN_RULES, *SWEEP_RULES] if "Practice: '" not in rule.doc} == set()


# fast-completion


def finished(hours: float = 0.5, *progress: Any, **values: Any) -> RunFacts:
    told = {"wandb_state": "finished", "slurm_state": "COMPLETED", "runtime_seconds": hours * 3600}
    return run_facts(**{**told, "progress": Progress(*progress), **values})


def test_a_run_that_finished_too_fast_below_its_target_is_critical() -> None:
    finding = fast_completion(finished(0.5, 2, 400, 10, ProgressSource.LOG))
    assert finding is not None
    assert finding.severity is None
    assert said(finding) == "Finished after 30 min (limit 2 h 00 min) at epoch 2 of 10 (log)."
    assert "resume if there is a checkpoint" in finding.action


def test_a_run_that_finished_too_fast_without_a_known_epoch_is_critical() -> None:
    finding = fast_completion(finished(0.5))
    assert finding is not None
    assert finding.severity is None
    assert "no log, checkpoint or summary names an epoch" in said(finding)


def test_a_run_that_finished_too_fast_without_a_target_is_critical() -> None:
    finding = fast_completion(finished(0.5, 2, None, None, ProgressSource.SUMMARY))
    assert finding is not None
    assert "no config names a target" in said(finding)


def test_a_fast_run_whose_log_shows_the_target_is_only_noted() -> None:
    finding = fast_completion(finished(0.5, 10, 400, 10, ProgressSource.LOG))
    assert finding is not None
    assert finding.severity is Severity.NOTE


@pytest.mark.parametrize("source", [ProgressSource.SUMMARY, ProgressSource.CHECKPOINT])
def test_the_summary_alone_is_no_proof_that_a_fast_run_reached_its_target(source: ProgressSource) -> None:
    finding = fast_completion(finished(0.5, 10, 400, 10, source))
    assert finding is not None
    assert finding.severity is (Severity.NOTE if source is ProgressSource.CHECKPOINT else None)


@pytest.mark.parametrize("state", ["running", "crashed", "failed", "killed"])
def test_only_a_run_that_says_finished_can_have_finished_too_fast(state: str) -> None:
    assert fast_completion(run_facts(wandb_state=state, runtime_seconds=60.0)) is None


def test_a_runtime_that_nobody_knows_raises_nothing() -> None:
    assert fast_completion(finished(0.5, runtime_seconds=None)) is None


@given(HOURS, HOURS)
def test_the_limit_of_fast_completion_is_the_policys(limit: float, took: float) -> None:
    facts = finished(took, policy=Policy(fast_completion_hours=limit))
    assert (fast_completion(facts) is not None) == (took * 3600 < limit * 3600)


# zombie


@pytest.mark.parametrize("state", ["COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "NODE_FAIL"])
def test_a_run_that_says_running_on_a_job_that_ended_is_a_zombie(state: str) -> None:
    job = job_facts(state=state, end_at=before(minutes=10))
    finding = zombie(run_facts(slurm_state=state, job=job))
    assert finding is not None
    assert said(finding) == (f"W&B says running, but job 12345 ended {state} 10 min ago; last heartbeat 20 s ago.")


def test_a_run_that_says_running_without_any_job_is_a_zombie() -> None:
    finding = zombie(run_facts(slurm_state=NO_JOB, job=None, heartbeat_at=before(hours=1)))
    assert finding is not None
    assert "Slurm, which answered, knows no job of this run; last heartbeat 1 h 00 min ago" in said(finding)


def test_a_run_whose_agent_went_on_is_a_zombie_and_the_next_run_is_named() -> None:
    finding = zombie(run_facts(slurm_state=MOVED_ON, job=job_facts(), next_run="next1", heartbeat_at=before(minutes=5)))
    assert finding is not None
    assert "its agent's job 12345 went on to run next1" in said(finding)


def test_a_zombie_that_never_beat_is_told_so() -> None:
    finding = zombie(run_facts(slurm_state=NO_JOB, job=None, heartbeat_at=None))
    assert finding is not None
    assert "no heartbeat ever" in said(finding)


@pytest.mark.parametrize("state", ["RUNNING", "PENDING", "REQUEUED", "PREEMPTED", "SUSPENDED", UNKNOWN])
def test_a_job_that_lives_or_comes_back_or_is_unknown_makes_no_zombie(state: str) -> None:
    assert zombie(run_facts(slurm_state=state, heartbeat_at=before(days=1))) is None


@given(MINUTES, MINUTES)
def test_the_grace_of_a_zombie_is_the_policys(grace: float, ago: float) -> None:
    end = NOW - timedelta(minutes=ago)
    facts = run_facts(
        slurm_state="COMPLETED",
        job=job_facts(state="COMPLETED", end_at=end),
        policy=Policy(dead_job_grace_minutes=grace),
    )
    assert (zombie(facts) is not None) == (NOW - end >= timedelta(minutes=grace))


# stale-heartbeat


def test_a_heart_that_has_not_beaten_for_long_is_stale() -> None:
    finding = stale_heartbeat(run_facts(heartbeat_at=before(minutes=45)))
    assert finding is not None
    assert said(finding) == "The last heartbeat came 45 min ago (limit 30 min); job 12345 is RUNNING."


def test_a_run_that_never_beat_is_stale_by_its_beginning() -> None:
    assert stale_heartbeat(run_facts(heartbeat_at=None, created_at=before(hours=1))) is not None
    assert stale_heartbeat(run_facts(heartbeat_at=None, created_at=None)) is None


@pytest.mark.parametrize(
    "values", [{"wandb_state": "crashed"}, {"slurm_state": "PENDING"}, {"slurm_state": "COMPLETED"}]
)
def test_ended_waiting_and_zombie_runs_are_not_stale(values: dict[str, str]) -> None:
    assert stale_heartbeat(run_facts(**values, heartbeat_at=before(days=1))) is None


@given(MINUTES, MINUTES)
def test_the_limit_of_a_stale_heartbeat_is_the_policys(limit: float, age: float) -> None:
    beat = NOW - timedelta(minutes=age)
    facts = run_facts(heartbeat_at=beat, policy=Policy(stale_heartbeat_minutes=limit))
    assert (stale_heartbeat(facts) is not None) == (NOW - beat > timedelta(minutes=limit))


# wandb-dead-job-alive


@pytest.mark.parametrize("state", ["crashed", "failed", "killed"])
def test_a_run_that_is_dead_in_wandb_while_its_job_runs_is_flagged(state: str) -> None:
    finding = wandb_dead_job_alive(run_facts(wandb_state=state, heartbeat_at=before(minutes=8)))
    assert finding is not None
    assert said(finding) == f"W&B says {state} (last heartbeat 8 min ago), but job 12345 is still RUNNING."


@pytest.mark.parametrize(
    "values",
    [{"wandb_state": "running"}, {"wandb_state": "finished"}, {"wandb_state": "crashed", "slurm_state": MOVED_ON}],
)
def test_a_live_run_and_an_agent_that_went_on_are_no_contradiction(values: dict[str, str]) -> None:
    assert wandb_dead_job_alive(run_facts(**values, heartbeat_at=before(hours=1))) is None


@given(MINUTES, MINUTES)
def test_the_grace_of_a_dead_run_on_a_live_job_is_the_policys(grace: float, age: float) -> None:
    beat = NOW - timedelta(minutes=age)
    facts = run_facts(wandb_state="crashed", heartbeat_at=beat, policy=Policy(dead_job_grace_minutes=grace))
    assert (wandb_dead_job_alive(facts) is not None) == (NOW - beat >= timedelta(minutes=grace))


# no-wandb-url


@pytest.mark.parametrize("url", ["", "ftp://x", "javascript:alert(1)"])
def test_a_sweep_without_a_link_is_flagged(url: str) -> None:
    finding = no_wandb_url(sweep_facts(url=url))
    assert finding is not None
    assert "sweep swp1" in said(finding)


# offline runs


def test_a_zombie_that_trained_offline_is_told_from_its_folder() -> None:
    finding = zombie(run_facts(slurm_state=NO_JOB, heartbeat_at=before(hours=1), offline=True))
    assert finding is not None
    assert said(finding).startswith("The run's folder says running, but ")


@given(HOURS, HOURS)
def test_a_folder_that_is_not_on_wandb_is_flagged_beyond_the_limit(hours: float, limit: float) -> None:
    policy = Policy(offline_unsynced_hours=limit)
    finding = offline_unsynced(run_facts(unsynced_since=NOW - timedelta(hours=hours), policy=policy))
    assert (finding is not None) == (timedelta(hours=hours) > timedelta(hours=limit))


def test_a_run_that_is_on_wandb_is_not_flagged_as_unsynced() -> None:
    assert offline_unsynced(run_facts(unsynced_since=None)) is None


@pytest.mark.parametrize(("method", "runs", "flagged"), [("bayes", 1, True), ("bayes", 0, False), ("grid", 3, False)])
def test_a_bayesian_sweep_that_trains_offline_is_flagged(method: str, runs: int, flagged: bool) -> None:
    finding = bayes_sweep_offline(sweep_facts(method=method, offline_runs=runs))
    assert (finding is not None) == flagged
    if finding is not None:
        assert said(finding).startswith("1 run of this Bayesian sweep trained offline and is not on W&B")
