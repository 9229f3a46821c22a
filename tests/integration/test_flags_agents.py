"""Flags on sweeps from rows: agents that burn runs, wait in the queue, or live in W&B alone."""

from datetime import timedelta

import pytest

from apps.core.units import with_ages
from apps.flags.models import Flag
from apps.flags.services import evaluate_runs, evaluate_sweeps
from apps.flags.sweep_facts import gather_sweeps
from apps.joblogs.models import LogFile, LogTrace
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    AgentLinkFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    SweepAgentFactory,
    SweepFactory,
    SyncPassFactory,
    both_sources_answered,
)

pytestmark = pytest.mark.django_db
TEXTS = {"cuda-oom": "torch.OutOfMemoryError: CUDA out of memory.", "config-error": "Key 'lr' is not in struct"}


@pytest.fixture(autouse=True)
def _answered() -> None:
    both_sources_answered()


def ran(sweep: Sweep, job: Job | None, hours: float, state: str = "failed", crash: str = "cuda-oom") -> Run:
    """A run of an agent that ended ``hours`` ago."""
    beat = before(hours=hours)
    run = RunFactory(sweep=sweep, state=state, created_at=before(hours=hours, minutes=5), heartbeat_at=beat, host="g01")
    if job is not None:
        RunLinkFactory(run=run, job=job)
        log, _ = LogFile.objects.get_or_create(path=f"/logs/{job.pk}.out", cluster=job.cluster, job_id=job.job_id)
        told = [{"class": crash, "line": 1, "text": TEXTS[crash]}] if crash else []
        LogTrace.objects.create(log=log, run_id=run.run_id, evidence=told)
    return run


def burning(sweep: Sweep) -> str:
    evaluate_runs(run_pks=[run.pk for run in sweep.runs.all()], now=NOW)
    evaluate_sweeps(sweep_pks=[sweep.pk], now=NOW)
    flag = Flag.objects.open().filter(sweep=sweep, run=None, rule="repeated-failure").first()
    return flag.evidence if flag else ""


def test_an_agents_job_that_lives_and_burns_one_run_after_another_is_told() -> None:
    sweep, job = SweepFactory(), JobFactory(job_id="4711", nodes="g07", start_at=before(days=1))
    AgentLinkFactory(sweep=sweep, job=job)
    for hours in (6, 5, 4, 3, 2, 1):
        ran(sweep, job, hours)
    assert burning(sweep) == "6 runs died one after another on agent job 4711 (node g07) within a day: cuda-oom ×6."


def test_a_config_error_that_repeats_on_an_agent_is_told_and_is_no_nodes_fault() -> None:
    sweep, job = SweepFactory(), JobFactory(job_id="4711", nodes="g07", start_at=before(days=1))
    for hours in (3, 2, 1):
        ran(sweep, job, hours, crash="config-error")
    assert burning(sweep).endswith("config-error ×3; that is no node's fault.")


def test_an_agent_whose_runs_fail_now_and_then_or_failed_days_ago_burns_nothing() -> None:
    sweep, job = SweepFactory(), JobFactory(nodes="g07", start_at=before(days=4))
    for hours in (80, 79, 78, 77):
        ran(sweep, job, hours)
    for hours in (6, 5):
        ran(sweep, job, hours, crash="config-error")
    ran(sweep, job, 3, state="finished", crash="")
    for hours in (2, 1):
        ran(sweep, job, hours, crash="config-error")
    assert burning(sweep) == ""


def test_runs_that_a_person_stopped_in_wandb_are_no_failures_of_their_agent() -> None:
    sweep, job = SweepFactory(), JobFactory(nodes="g07", start_at=before(days=1))
    for hours in (4, 3, 2, 1):
        ran(sweep, job, hours, state="killed", crash="")
    assert burning(sweep) == ""


def test_runs_that_wandb_lost_sight_of_while_their_jobs_live_are_no_nodes_failures() -> None:
    sweep = SweepFactory()
    for _ in range(4):
        ran(sweep, JobFactory(nodes="g07", start_at=before(days=1)), 1, state="crashed", crash="")
    assert burning(sweep) == ""
    for _ in range(4):
        ran(sweep, JobFactory(nodes="g07", start_at=before(days=1)), 1, state="crashed")
    assert burning(sweep) == "4 runs died on node g07 within a day: cuda-oom ×4."


def test_without_a_job_the_only_agent_of_the_runs_host_is_named() -> None:
    sweep = SweepFactory()
    SweepAgentFactory(sweep=sweep, name="g01-agent")
    for hours in (3, 2, 1):
        ran(sweep, None, hours)
    assert burning(sweep) == "3 runs died one after another on agent g01-agent within a day: unknown ×3."
    SweepAgentFactory(sweep=sweep, name="g01-other")
    assert Flag.objects.filter(rule="repeated-failure").update(cleared_at=NOW) == 1
    assert burning(sweep) == ""


def flags_of(sweep: Sweep) -> dict[str, str]:
    evaluate_sweeps(sweep_pks=[sweep.pk], now=NOW)
    flags = Flag.objects.open().filter(sweep=sweep, run=None)
    return {flag.rule: with_ages(flag.evidence, NOW) for flag in flags}


def test_a_job_of_a_sweep_that_never_began_is_told_on_the_sweep() -> None:
    job = JobFactory(job_id="77", state="PENDING", reason="QOSMaxGRESPerUser", submit_at=before(days=3), start_at=None)
    sweep = AgentLinkFactory(job=job).sweep
    told = flags_of(sweep)
    said = "Agent job 77 is pending; it was submitted 3 d 0 h ago. Slurm's reason: QOSMaxGRESPerUser."
    assert told["agent-pending-too-long"] == said
    assert told["under-capacity"] == "0 of 1 agent work for this sweep."


def test_a_pending_job_that_comes_back_with_its_run_is_told_on_the_run_alone() -> None:
    job = JobFactory(state="PENDING", reason="Priority", submit_at=before(days=3), start_at=None)
    link = AgentLinkFactory(job=job)
    RunLinkFactory(run=RunFactory(sweep=link.sweep), job=job)
    assert "agent-pending-too-long" not in flags_of(link.sweep)


def test_an_agent_whose_heart_beats_without_a_job_is_told() -> None:
    sweep = SweepAgentFactory(name="g01-1").sweep
    said = "1 agent of 1 that W&B calls running is carried by no live job (g01-1); 0 jobs of the sweep are alive."
    assert flags_of(sweep)["zombie-agent"] == said


def test_an_agent_that_never_beat_and_has_no_job_is_told() -> None:
    sweep = SweepAgentFactory(name="g01-1", heartbeat_at=None).sweep
    assert "carried by no live job (g01-1)" in flags_of(sweep)["zombie-agent"]


@pytest.mark.parametrize("never", [True, False])
def test_an_agent_on_the_node_of_a_live_job_is_healthy(never: bool) -> None:
    sweep = SweepAgentFactory(host="g01.local", **({"heartbeat_at": None} if never else {})).sweep
    AgentLinkFactory(sweep=sweep, job=JobFactory(nodes="g[01-02]"))
    assert "zombie-agent" not in flags_of(sweep)


def test_a_job_that_ended_just_now_or_is_not_known_to_be_the_sweeps_may_have_carried_it() -> None:
    ended, unknown = SweepAgentFactory(host="g01").sweep, SweepAgentFactory(host="g02").sweep
    job = JobFactory(nodes="g01", state="COMPLETED", end_at=before(minutes=1))
    AgentLinkFactory(sweep=ended, job=job)
    JobFactory(nodes="g02")
    assert "zombie-agent" not in flags_of(ended)
    assert "zombie-agent" not in flags_of(unknown)
    Job.objects.filter(pk=job.pk).update(end_at=before(minutes=10))
    assert "zombie-agent" in flags_of(ended)


def test_without_a_word_of_slurm_no_agent_is_said_to_have_no_job() -> None:
    SyncPassFactory(source="slurm", scope="memory", error="Slurm does not answer.")
    assert "zombie-agent" not in flags_of(SweepAgentFactory().sweep)


def test_an_agent_that_began_after_slurm_was_read_is_told_only_when_slurm_was_read_again() -> None:
    sweep = SweepAgentFactory(host="g01", heartbeat_at=NOW + timedelta(seconds=20)).sweep
    assert "zombie-agent" not in flags_of(sweep)
    RunFactory(sweep=sweep, host="g01", created_at=before(hours=1))
    assert "zombie-agent" in flags_of(sweep)


def test_many_sweeps_are_judged_in_a_fixed_number_of_queries(django_assert_max_num_queries: object) -> None:
    sweeps = [SweepFactory() for _ in range(6)]
    for sweep in sweeps:
        SweepAgentFactory(sweep=sweep)
        job = AgentLinkFactory(sweep=sweep).job
        run = ran(sweep, job, 1)
        evaluate_runs(run_pks=[run.pk], now=NOW)
    with django_assert_max_num_queries(13):  # type: ignore[operator]
        assert len(gather_sweeps(sweeps, NOW)) == 6
