"""GPU hours by attempt, run, sweep and user: every attempt counts, within the span that is asked for."""

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.board.gpu_hours import gpu_hours
from apps.links.selectors import gpu_hours_by_run, gpu_hours_by_sweep
from apps.slurm.models import Job
from apps.slurm.selectors import gpu_hours_by_user, gpu_hours_of_attempts
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    AgentLinkFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    SweepFactory,
    SyncPassFactory,
    both_sources_answered,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _noon() -> object:
    with time_machine.travel(NOW, tick=False):
        yield


def attempt(begin: float, end: float | None, **values: object) -> Job:
    """An attempt from ``begin`` to ``end`` hours ago; None while it runs."""
    times = {"start_at": before(hours=begin), "end_at": None if end is None else before(hours=end)}
    state = "RUNNING" if end is None else "COMPLETED"
    job: Job = JobFactory(submit_at=before(hours=begin), **{"state": state, "user": "mia", **times, **values})
    return job


def hours(since: float | None = None) -> dict[int, float]:
    begin = None if since is None else before(hours=since)
    return {one.pk: round(one.hours, 6) for one in gpu_hours_of_attempts(begin, NOW)}


def test_an_attempts_hours_are_its_gpus_times_its_time() -> None:
    ended, running = attempt(10, 7, gpus=4), attempt(2, None, gpus=2)
    attempt(5, 4, gpus=0)
    JobFactory(state="PENDING", start_at=None, gpus=8)
    assert hours() == {ended.pk: 12, running.pk: 4}


def test_only_the_part_within_the_span_counts() -> None:
    across, inside = attempt(30, 20, gpus=1), attempt(3, 1, gpus=1)
    attempt(50, 30, gpus=1)
    assert hours(24) == {across.pk: 4, inside.pk: 2}


def test_an_attempt_that_a_later_one_replaced_counts_as_well() -> None:
    first = attempt(10, 8, job_id="77", state="PREEMPTED")
    second = attempt(7, None, job_id="77")
    assert hours() == {first.pk: 2, second.pk: 7}


def test_a_job_that_went_counts_until_that_was_noticed() -> None:
    gone = attempt(10, None, state="GONE", gone_at=before(hours=9))
    assert hours() == {gone.pk: 1}


def test_an_attempt_that_ended_without_telling_when_does_not_run_for_ever() -> None:
    ended = attempt(10, None, state="COMPLETED", elapsed_seconds=1800)
    assert hours() == {ended.pk: 0.5}


def test_users_have_the_hours_of_their_attempts() -> None:
    attempt(4, 2), attempt(4, 3), attempt(4, 1, user="tom", gpus=2)
    assert gpu_hours_by_user(gpu_hours_of_attempts(None, NOW)) == {"mia": 3, "tom": 6}


def test_a_run_has_the_hours_in_which_it_lived_in_its_attempts() -> None:
    agent = attempt(10, 4, gpus=2)
    first = RunFactory(state="finished", created_at=before(hours=9), heartbeat_at=before(hours=7))
    second = RunFactory(state="running", created_at=before(hours=6), heartbeat_at=before(hours=1))
    again = attempt(3, None, gpus=2)
    for run, job in ((first, agent), (second, agent), (second, again)):
        RunLinkFactory(run=run, job=job)
    assert gpu_hours_by_run([first.pk, second.pk], NOW) == {first.pk: 4, second.pk: 4 + 6}


def test_a_run_whose_agent_went_on_to_the_next_has_no_hours_after_that() -> None:
    agent = attempt(10, None, gpus=1)
    zombie = RunFactory(state="running", created_at=before(hours=9), heartbeat_at=before(hours=7, minutes=10))
    following = RunFactory(state="running", created_at=before(hours=7))
    for run in (zombie, following):
        RunLinkFactory(run=run, job=agent)
    assert gpu_hours_by_run([zombie.pk, following.pk], NOW) == {zombie.pk: 2, following.pk: 7}


def test_a_runs_attempt_that_ended_without_telling_when_does_not_run_for_ever() -> None:
    lost = attempt(9, None, state="NODE_FAIL", elapsed_seconds=2 * 3600, gpus=3)
    run = RunFactory(state="running", created_at=before(hours=9))
    RunLinkFactory(run=run, job=lost)
    assert gpu_hours_by_run([run.pk], NOW) == {run.pk: 6}


def test_a_sweep_has_the_hours_of_its_agents_and_no_hour_is_counted_twice() -> None:
    one, other = SweepFactory(), SweepFactory()
    mine, shared, free = attempt(4, 2), attempt(4, 2), attempt(2, 1)
    for sweep, job in ((one, mine), (one, shared), (other, shared)):
        AgentLinkFactory(sweep=sweep, job=job)
    found = gpu_hours_by_sweep(gpu_hours_of_attempts(None, NOW))
    assert found == {one.pk: 3, other.pk: 1, None: 1}
    assert sum(found.values()) == 5
    assert free.pk


def test_the_number_of_queries_does_not_grow_with_the_jobs() -> None:
    def queries() -> int:
        with CaptureQueriesContext(connection) as captured:
            gpu_hours(7, NOW)
        return len(captured)

    AgentLinkFactory(job=attempt(4, 2))
    few = queries()
    for _ in range(20):
        AgentLinkFactory(job=attempt(4, 2))
    assert queries() == few


# the page and the command


def test_the_page_shows_users_and_sweeps_largest_first(viewer: Client) -> None:
    both_sources_answered()
    sweep = SweepFactory(sweep_id="swp1", name="search lr")
    AgentLinkFactory(sweep=sweep, job=attempt(30, 20, gpus=4))
    attempt(3, 1, user="tom")
    text = viewer.get("/gpu-hours").content.decode()
    assert text.index(">mia<") < text.index(">tom<")
    assert "<strong>42.0 GPU h</strong> in 7 days, 2 attempts" in text
    assert 'search lr <a href="https://wandb.ai/team/glue/sweeps/swp1"' in text
    assert "no sweep is known of" in text
    assert "95 %" in text


def test_the_span_can_be_chosen_and_nonsense_means_the_usual_one(viewer: Client) -> None:
    attempt(30, 20, gpus=4)
    for query, total in {"days=1": "16.0", "days=30": "40.0", "days=-3": "40.0", "days=x%00": "40.0"}.items():
        assert f"<strong>{total} GPU h</strong>" in viewer.get(f"/gpu-hours?{query}").content.decode()


def test_htmx_gets_the_tables_alone(viewer: Client) -> None:
    part = viewer.get("/gpu-hours", headers={"HX-Request": "true", "HX-Target": "gpu-hours"}).content.decode()
    assert part.strip().startswith('<section id="gpu-hours"')
    assert "<html" not in part


def test_before_slurm_was_read_the_page_says_so(viewer: Client) -> None:
    assert "Slurm was not read yet" in viewer.get("/gpu-hours").content.decode()


def test_without_gpus_the_page_says_what_to_look_at(viewer: Client) -> None:
    both_sources_answered()
    assert "No job had a GPU in this span" in viewer.get("/gpu-hours").content.decode()


def test_a_silent_cluster_is_named_with_the_reason(viewer: Client) -> None:
    both_sources_answered()
    SyncPassFactory(source="slurm", scope="memory", started_at=NOW, finished_at=NOW, error="slurmctld is down.")
    attempt(3, 1)
    text = viewer.get("/gpu-hours").content.decode()
    assert "slurmctld is down." in text
    assert "2.0 GPU h" in text


def test_the_board_leads_to_the_page(viewer: Client) -> None:
    assert 'href="/gpu-hours"' in viewer.get("/").content.decode()


def test_the_page_needs_a_log_in(client: Client) -> None:
    assert client.get("/gpu-hours")["Location"] == "/login/?next=/gpu-hours"


def test_the_command_prints_both_tables(capsys: pytest.CaptureFixture[str]) -> None:
    SyncPassFactory(source="slurm", scope="north", finished_at=NOW, error="slurmctld is down.")
    AgentLinkFactory(sweep=SweepFactory(sweep_id="swp1", name="search lr"), job=attempt(30, 20, gpus=4))
    call_command("gpu_hours", "--days", "2")
    said = capsys.readouterr().out
    assert "40.0 GPU hours in 2 d, 1 attempts" in said
    assert "Slurm north did not answer at the last pass: slurmctld is down." in said
    assert "100.0 %  mia" in said
    assert "100.0 %  search lr swp1 https://wandb.ai/team/glue/sweeps/swp1" in said


def test_the_command_takes_no_impossible_span() -> None:
    with pytest.raises(CommandError, match="from 1 to 3650"):
        call_command("gpu_hours", "--days", "0")
