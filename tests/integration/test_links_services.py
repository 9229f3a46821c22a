"""Finding links anew after something changed."""

import pytest

from apps.joblogs.models import LogFile, LogTrace
from apps.links.models import AgentLink, RunLink
from apps.links.selectors import agent_jobs, gpu_hours_by_run, jobs_of_runs
from apps.links.services import relink, relink_agents, runs_touched_by
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.factories.moments import NOW, before
from tests.factories.rows import AgentLinkFactory, JobFactory, RunFactory, RunLinkFactory, SweepFactory

pytestmark = pytest.mark.django_db


def says(job: Job, run_id: str, sweep_id: str = "") -> None:
    log, _ = LogFile.objects.get_or_create(
        path=f"/shared/logs/{job.job_id}.out", defaults={"cluster": job.cluster, "job_id": job.job_id}
    )
    LogTrace.objects.create(log=log, run_id=run_id, sweep_id=sweep_id)


def links() -> set[tuple[int, int, str]]:
    return set(RunLink.objects.values_list("run", "job", "how"))


def test_a_run_is_linked_by_its_metadata() -> None:
    job = JobFactory(raw_id=4711)
    run = RunFactory(slurm_raw_id=4711)
    JobFactory()
    assert relink(run_pks=[run.pk]) == {run.pk}
    assert links() == {(run.pk, job.pk, "metadata")}


def test_linking_again_changes_nothing() -> None:
    JobFactory(raw_id=4711)
    run = RunFactory(slurm_raw_id=4711)
    relink(run_pks=[run.pk])
    assert relink(run_pks=[run.pk]) == set()


def test_a_link_whose_proof_is_gone_is_taken_away() -> None:
    link = RunLinkFactory()
    assert relink(run_pks=[link.run.pk]) == {link.run.pk}
    assert links() == set()


def test_a_better_proof_replaces_the_first() -> None:
    job = JobFactory(raw_id=4711)
    run = RunFactory(run_id="aaa111")
    says(job, "aaa111")
    relink(run_pks=[run.pk])
    assert links() == {(run.pk, job.pk, "log")}
    run.slurm_raw_id = 4711
    run.save()
    assert relink(run_pks=[run.pk]) == {run.pk}
    assert links() == {(run.pk, job.pk, "metadata")}
    assert RunLink.objects.get().evidence == "the run's metadata names SLURM_JOB_ID 4711"


def test_several_runs_of_one_agent_job_know_which_came_next() -> None:
    job = JobFactory()
    first = RunFactory(run_id="aaa111", state="finished", heartbeat_at=before(hours=3))
    second = RunFactory(run_id="bbb222", created_at=before(hours=3))
    for run in (first, second):
        says(job, run.run_id)
    relink(run_pks=[first.pk, second.pk])
    found = jobs_of_runs([first.pk, second.pk])
    assert [(one.job, one.next_run) for one in found[first.pk]] == [(job, "bbb222")]
    assert [(one.job, one.next_run) for one in found[second.pk]] == [(job, "")]


def test_both_lives_of_a_requeued_job_are_linked() -> None:
    first = JobFactory(job_id="7", raw_id=7, state="PREEMPTED", end_at=before(hours=3))
    second = JobFactory(job_id="7", raw_id=7, submit_at=before(hours=3), start_at=before(hours=2))
    run = RunFactory(slurm_raw_id=7)
    relink(run_pks=[run.pk])
    assert [one.job for one in jobs_of_runs([run.pk])[run.pk]] == [first, second]


@pytest.mark.parametrize(
    "values",
    [{"name": "swp00x"}, {"command": "/shared/glue/agent.sbatch team/glue/swp00x"}, {"command": "a.sh --sweep=swp00x"}],
)
def test_a_job_whose_name_or_command_names_a_sweep_is_one_of_its_agents(values: dict[str, str]) -> None:
    sweep = SweepFactory(sweep_id="swp00x")
    job = JobFactory(**values)
    assert relink_agents(job_pks=[job.pk]) == {sweep.pk}
    assert AgentLink.objects.get().evidence == f"job {job.job_id} names sweep swp00x"
    assert relink_agents(job_pks=[job.pk]) == set()


def test_a_log_that_names_a_sweep_makes_its_job_an_agent() -> None:
    sweep = SweepFactory(sweep_id="swp00x")
    job = JobFactory()
    says(job, "", "swp00x")
    assert relink_agents(job_pks=[job.pk]) == {sweep.pk}


def test_a_job_that_carries_a_run_of_a_sweep_is_an_agent_of_it() -> None:
    link = RunLinkFactory()
    assert relink_agents(job_pks=[link.job.pk]) == {link.run.sweep.pk}
    assert agent_jobs([link.run.sweep.pk]) == {link.run.sweep.pk: [link.job]}


def test_an_agent_that_is_known_is_not_news() -> None:
    link = AgentLinkFactory()
    assert relink_agents(job_pks=[link.job.pk]) == set()


def test_a_change_of_a_job_or_its_log_touches_the_runs_that_it_may_carry() -> None:
    job = JobFactory(job_id="7", raw_id=4711, run_hint="hinted")
    says(job, "logged")
    named = RunFactory(slurm_raw_id=4711)
    hinted, logged = RunFactory(run_id="hinted"), RunFactory(run_id="logged")
    linked = RunLinkFactory(job=job).run
    RunFactory()
    assert runs_touched_by(job_pks=[job.pk]) == {run.pk for run in (named, hinted, logged, linked)}
    assert runs_touched_by(job_pks=[], log_keys=[("memory", "7")]) == {logged.pk, linked.pk}


def hours_in_jobs(*spans: tuple[float, float | None, tuple[Run, ...]]) -> dict[str, float]:
    """Make jobs of one GPU from so many to so many hours ago that carried these runs; return their hours by run id."""
    runs = {run for *_, some in spans for run in some}
    for begin, end, some in spans:
        job = JobFactory(
            submit_at=before(hours=begin), start_at=before(hours=begin), gpus=1,
            end_at=None if end is None else before(hours=end), state="RUNNING" if end is None else "COMPLETED",
        )  # fmt: skip
        for run in some:
            RunLinkFactory(run=run, job=job)
    found = gpu_hours_by_run([run.pk for run in runs], NOW)
    return {run.run_id: round(found[run.pk], 2) for run in runs}


def test_a_run_that_came_back_alone_was_in_its_agents_job_until_the_next_run_began() -> None:
    died = RunFactory(run_id="aaa111", state="crashed", created_at=before(hours=30), heartbeat_at=NOW)
    other = RunFactory(run_id="bbb222", state="finished", created_at=before(hours=27), heartbeat_at=before(hours=10))
    assert hours_in_jobs((30, 10, (died, other)), (8, 0, (died,))) == {"aaa111": 11, "bbb222": 17}


def test_runs_side_by_side_that_come_back_together_have_each_jobs_whole_time() -> None:
    pair = [
        RunFactory(run_id=name, state="finished", created_at=before(hours=30 - late), heartbeat_at=NOW)
        for name, late in (("aaa111", 0), ("bbb222", 0.5))
    ]
    assert hours_in_jobs((30, 20, tuple(pair)), (18, 0, tuple(pair))) == {"aaa111": 28, "bbb222": 27.5}


def test_two_runs_side_by_side_are_in_their_only_job_until_it_ends() -> None:
    pair = [
        RunFactory(run_id=name, state="finished", created_at=before(hours=30 - late), heartbeat_at=before(hours=20))
        for name, late in (("aaa111", 0), ("bbb222", 0.5))
    ]
    assert hours_in_jobs((30, 20, tuple(pair))) == {"aaa111": 10, "bbb222": 9.5}
