"""Pulling one project into the database: a pass costs what changed, and an error costs nothing that was stored."""

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from apps.audit.models import SyncPass
from apps.core.errors import Permanent, Transient
from apps.sweeps.adapters.memory import MemoryProject, MemorySource
from apps.sweeps.models import Run, RunStateChange, Sweep, SweepAgent
from apps.sweeps.ports import RunJob
from apps.sweeps.services.project import METADATA_TRIES, Changes, look_for_gone_runs, sync_project
from tests.factories.moments import NOW, before
from tests.factories.records import agent_record, run_record, sweep_record
from tests.factories.rows import RunFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db
PROJECT = "team/glue"


@pytest.fixture
def glue() -> MemoryProject:
    return MemoryProject(
        sweeps=[sweep_record()],
        runs=[run_record("aaa"), run_record("bbb", state="finished", heartbeat_at=before(hours=2))],
        agents={"swp1": [agent_record()]},
    )


def sync(project: MemoryProject, source: MemorySource | None = None, **options: bool) -> Changes:
    return sync_project(project=PROJECT, source=source or MemorySource({PROJECT: project}), now=NOW, **options)


def last_pass() -> SyncPass:
    found = SyncPass.objects.first()
    assert found is not None
    return found


def test_the_first_pass_stores_sweeps_agents_and_every_run(glue: MemoryProject) -> None:
    workspace = WorkspaceFactory(config={"projects": [PROJECT]})
    changes = sync(glue)
    sweep = Sweep.objects.get()
    assert (sweep.workspace, sweep.metric_name, sweep.state) == (workspace, "loss", "RUNNING")
    assert {run.run_id: (run.state, run.metric_value) for run in sweep.runs.all()} == {
        "aaa": ("running", 0.5),
        "bbb": ("finished", 0.5),
    }
    assert changes.ok
    assert changes.runs == set(Run.objects.values_list("pk", flat=True))


def test_a_pass_is_noted_with_what_it_saw_changed_and_cost(glue: MemoryProject) -> None:
    sync(glue)
    noted = last_pass()
    assert (noted.source, noted.scope, noted.error) == ("wandb", PROJECT, "")
    assert (noted.seen, noted.changed, noted.requests) == (3, 3, 2)
    assert noted.cursor == {"heartbeat": before(seconds=20).isoformat()}


def test_a_steady_pass_touches_nothing_and_asks_little(glue: MemoryProject) -> None:
    sync(glue)
    sync(glue)  # brings the agents of the sweep, which the first one did not know yet
    source = MemorySource({PROJECT: glue})
    changes = sync(glue, source)
    assert (changes.runs, changes.sweeps) == (set(), set())
    assert [call for call, _ in source.asked] == ["sweeps", "runs"]


def test_only_the_runs_that_changed_are_touched(glue: MemoryProject) -> None:
    sync(glue)
    glue.runs[0] = replace(glue.runs[0], summary={"loss": 0.4}, heartbeat_at=NOW)
    changes = sync(glue)
    assert changes.runs == {Run.objects.get(run_id="aaa").pk}
    assert Run.objects.get(run_id="aaa").metric_value == 0.4


def test_runs_are_asked_for_since_the_newest_heartbeat_less_an_overlap(glue: MemoryProject) -> None:
    sync(glue)
    late = run_record("late", state="finished", heartbeat_at=before(minutes=2))
    old = run_record("old", state="finished", heartbeat_at=before(minutes=10))
    glue.runs += [late, old]
    sync(glue)
    assert set(Run.objects.values_list("run_id", flat=True)) == {"aaa", "bbb", "late"}


def test_a_full_pass_asks_for_everything(glue: MemoryProject) -> None:
    sync(glue)
    glue.runs.append(run_record("old", state="finished", heartbeat_at=before(days=3)))
    sync(glue, full=True)
    assert Run.objects.filter(run_id="old").exists()


def test_the_watermark_stays_where_it_was_when_nothing_beats(glue: MemoryProject) -> None:
    sync(glue)
    first = last_pass().cursor
    glue.runs.clear()
    sync(glue)
    assert last_pass().cursor == first


def test_a_run_that_crashed_without_a_heartbeat_is_noticed(glue: MemoryProject) -> None:
    glue.runs[0] = replace(glue.runs[0], heartbeat_at=before(hours=3))
    sync(glue)
    glue.runs[0] = replace(glue.runs[0], state="crashed")
    source = MemorySource({PROJECT: glue})
    sync(glue, source)
    assert Run.objects.get(run_id="aaa").state == "crashed"
    assert ("runs", "aaa") in source.asked


def test_a_run_that_is_gone_from_wandb_is_marked_deleted(glue: MemoryProject) -> None:
    glue.runs[0] = replace(glue.runs[0], heartbeat_at=before(hours=3))
    sync(glue)
    del glue.runs[0]
    changes = sync(glue)
    run = Run.objects.get(run_id="aaa")
    assert run.state == "deleted"
    assert run.pk in changes.runs


def states_of(run_id: str) -> list[tuple[str, datetime]]:
    changes = RunStateChange.objects.filter(run__run_id=run_id).order_by("seen_at", "pk")
    return [(one.state, one.seen_at) for one in changes]


def test_each_state_is_kept_with_the_pass_that_saw_it_first(glue: MemoryProject) -> None:
    """W&B keeps the last state only: that a run crashed in between and came back is learnt from the passes."""
    ended = next(one.run_id for one in glue.runs if one.state == "finished")
    for minutes, state in enumerate(["running", "running", "crashed", "crashed", "running"]):
        at = NOW + timedelta(minutes=minutes)
        glue.runs[0] = replace(glue.runs[0], state=state, heartbeat_at=at)
        sync_project(project=PROJECT, source=MemorySource({PROJECT: glue}), now=at)
    del glue.runs[0]
    gone = NOW + timedelta(hours=1)
    sync_project(project=PROJECT, source=MemorySource({PROJECT: glue}), now=gone)
    assert states_of("aaa") == [
        ("running", NOW),
        ("crashed", NOW + timedelta(minutes=2)),
        ("running", NOW + timedelta(minutes=4)),
        ("deleted", gone),
    ]
    assert states_of(ended) == []  # over before the first pass: since when, nobody saw


def test_a_run_that_comes_twice_is_stored_once(glue: MemoryProject) -> None:
    glue.runs.append(glue.runs[0])
    sync(glue)
    assert Run.objects.count() == 2
    assert last_pass().seen == 3


def test_a_run_outside_any_sweep_and_one_of_a_sweep_that_nobody_told_are_kept(glue: MemoryProject) -> None:
    glue.runs += [run_record("free", sweep_id=""), run_record("odd", sweep_id="gone")]
    sync(glue)
    assert {run.run_id for run in Run.objects.filter(sweep=None)} == {"free", "odd"}


def test_the_same_run_id_in_another_project_is_another_run(glue: MemoryProject) -> None:
    other = RunFactory(project="other", run_id="aaa", state="running")
    sync(glue)
    glue.runs[0] = replace(glue.runs[0], state="crashed", heartbeat_at=NOW)
    sync(glue)
    other.refresh_from_db()
    assert other.state == "running"


@pytest.mark.parametrize("error", [Transient("W&B does not answer."), Permanent("W&B refuses the key.")])
def test_an_error_keeps_what_was_stored_and_is_noted_as_a_sentence(glue: MemoryProject, error: Exception) -> None:
    sync(glue)
    source = MemorySource({PROJECT: glue})
    source.fail(error, call="runs")  # type: ignore[arg-type]
    changes = sync(glue, source)
    assert not changes.ok
    assert (last_pass().error, last_pass().requests) == (str(error), 2)
    assert last_pass().error_id
    assert Run.objects.count() == 2


def test_what_was_read_before_an_error_in_the_middle_is_kept(glue: MemoryProject) -> None:
    glue.runs = [run_record(heartbeat_at=before(seconds=2000 - number)) for number in range(700)]
    source = MemorySource({PROJECT: glue})
    source.fail(Transient("gone"), call="runs", after=600)
    changes = sync(glue, source)
    assert not changes.ok
    assert Run.objects.count() == len(changes.runs) == 500


def test_after_an_error_the_next_pass_goes_on_from_the_last_good_one(glue: MemoryProject) -> None:
    sync(glue)
    good = last_pass().cursor
    source = MemorySource({PROJECT: glue})
    source.fail(Transient("gone"))
    sync(glue, source)
    glue.runs.append(run_record("missed", state="finished", heartbeat_at=before(minutes=1)))
    sync(glue)
    assert Run.objects.filter(run_id="missed").exists()
    assert last_pass().cursor == good


def test_a_defect_of_ours_is_noted_with_a_reference_and_not_raised(glue: MemoryProject) -> None:
    glue.runs.append(run_record("bad", tags=None))
    changes = sync(glue)
    assert not changes.ok
    assert f"Reference: {last_pass().error_id}" in last_pass().error


def test_the_jobs_of_a_runs_processes_are_kept_the_latest_in_front(glue: MemoryProject) -> None:
    jobs = (RunJob(4711, host="g01", started_at=before(hours=5)), RunJob(4755, host="g02", started_at=before(hours=1)))
    glue.runs[0] = replace(glue.runs[0], jobs=jobs)
    source = MemorySource({PROJECT: glue})
    sync(glue, source)
    run = Run.objects.get(run_id="aaa")
    assert (run.slurm_raw_id, run.host, run.raw_job_ids) == (4755, "g02", {4711, 4755})
    assert [call for call, _ in source.asked] == ["sweeps", "runs"]


def test_the_metadata_file_is_asked_for_of_runs_of_old_clients_only(glue: MemoryProject) -> None:
    glue.jobs = {"aaa": RunJob(4713, array_job_id=4711, array_task_id=2, host="g01"), "bbb": RunJob(1)}
    glue.runs[0] = replace(glue.runs[0], ask_metadata=True)
    source = MemorySource({PROJECT: glue})
    sync(glue, source)
    assert [about for call, about in source.asked if call == "job_of"] == ["aaa"]
    run = Run.objects.get(run_id="aaa")
    assert (run.slurm_raw_id, run.host, run.slurm_jobs[0]["array_task_id"]) == (4713, "g01", 2)
    glue.runs[0] = replace(glue.runs[0], heartbeat_at=NOW + timedelta(seconds=1))
    again = MemorySource({PROJECT: glue})
    sync(glue, again)
    assert [about for call, about in again.asked if call == "job_of"] == []
    assert Run.objects.get(run_id="aaa").slurm_raw_id == 4713


def test_a_run_without_a_metadata_file_is_given_up_on_and_looked_at_once_more_when_its_state_changes(
    glue: MemoryProject,
) -> None:
    glue.runs[0] = replace(glue.runs[0], ask_metadata=True)
    for number in range(METADATA_TRIES + 3):
        glue.runs[0] = replace(glue.runs[0], heartbeat_at=NOW + timedelta(seconds=number))
        sync(glue)
    assert Run.objects.get(run_id="aaa").metadata_tries == METADATA_TRIES
    glue.runs[0] = replace(glue.runs[0], state="finished")
    glue.jobs["aaa"] = RunJob(4711)
    sync(glue)
    assert Run.objects.get(run_id="aaa").slurm_raw_id == 4711


def test_agents_come_with_the_next_pass_and_of_live_sweeps_only(glue: MemoryProject) -> None:
    glue.sweeps.append(sweep_record("done", state="FINISHED"))
    glue.agents["done"] = [agent_record("old")]
    sync(glue)
    assert SweepAgent.objects.count() == 0
    sync(glue)
    assert [(agent.agent_id, agent.sweep.sweep_id) for agent in SweepAgent.objects.all()] == [("agent1", "swp1")]


def test_a_sweep_that_is_gone_from_wandb_is_marked_deleted(glue: MemoryProject) -> None:
    sync(glue)
    glue.sweeps.clear()
    changes = sync(glue)
    assert Sweep.objects.get().state == "DELETED"
    assert changes.sweeps == {Sweep.objects.get().pk}
    assert sync(glue).sweeps == set()


def test_ended_runs_that_vanish_are_found_by_the_slow_pass(glue: MemoryProject) -> None:
    sync(glue)
    glue.runs = [run for run in glue.runs if run.run_id != "bbb"]
    assert sync(glue).runs == set()
    source = MemorySource({PROJECT: glue})
    changes = look_for_gone_runs(project=PROJECT, source=source, now=NOW)
    assert changes.runs == {Run.objects.get(run_id="bbb").pk}
    assert Run.objects.get(run_id="bbb").state == "deleted"
    assert (last_pass().source, last_pass().requests) == ("wandb-deletions", 1)


def test_a_run_that_another_project_holds_now_was_moved(glue: MemoryProject) -> None:
    sync(glue)
    RunFactory(project="other", run_id="bbb", state="finished")
    glue.runs = [run for run in glue.runs if run.run_id != "bbb"]
    look_for_gone_runs(project=PROJECT, source=MemorySource({PROJECT: glue}), now=NOW)
    assert Run.objects.get(project="glue", run_id="bbb").state == "moved"


def test_an_equal_run_id_in_another_project_does_not_make_a_deleted_run_a_moved_one(glue: MemoryProject) -> None:
    sync(glue)
    RunFactory(project="other", run_id="bbb", state="finished", created_at=before(hours=90))
    glue.runs = [run for run in glue.runs if run.run_id != "bbb"]
    look_for_gone_runs(project=PROJECT, source=MemorySource({PROJECT: glue}), now=NOW)
    assert Run.objects.get(project="glue", run_id="bbb").state == "deleted"


def test_a_run_that_came_from_another_project_long_after_its_last_heartbeat_is_found_by_the_slow_pass(
    glue: MemoryProject,
) -> None:
    sync(glue)
    gone = RunFactory(project="other", run_id="old", state="deleted", heartbeat_at=before(days=9))
    glue.runs.append(run_record("old", state="finished", heartbeat_at=before(days=9)))
    assert sync(glue).runs == set()
    source = MemorySource({PROJECT: glue})
    changes = look_for_gone_runs(project=PROJECT, source=source, now=NOW)
    assert Run.objects.get(project="glue", run_id="old").state == "finished"
    gone.refresh_from_db()
    assert gone.state == "moved"
    assert changes.runs == {gone.pk, Run.objects.get(project="glue", run_id="old").pk}
    assert (last_pass().changed, last_pass().requests) == (2, 2)


def test_runs_that_wandb_lists_again_come_back(glue: MemoryProject) -> None:
    sync(glue)
    away = MemoryProject(sweeps=glue.sweeps)
    look_for_gone_runs(project=PROJECT, source=MemorySource({PROJECT: away}), now=NOW)
    assert Run.objects.get(run_id="bbb").state == "deleted"
    look_for_gone_runs(project=PROJECT, source=MemorySource({PROJECT: glue}), now=NOW)
    assert Run.objects.get(run_id="bbb").state == "finished"
    source = MemorySource({PROJECT: glue})
    assert look_for_gone_runs(project=PROJECT, source=source, now=NOW).runs == set()
    assert source.requests == 1


def test_the_slow_pass_leaves_the_first_reading_of_a_project_to_the_quick_one(glue: MemoryProject) -> None:
    source = MemorySource({PROJECT: glue})
    assert look_for_gone_runs(project=PROJECT, source=source, now=NOW).runs == set()
    assert source.requests == 1


def test_a_run_that_begins_while_the_slow_pass_asks_is_not_gone(glue: MemoryProject) -> None:
    sync(glue)

    class Slow(MemorySource):
        def run_ids(self, project: str) -> set[str]:
            present = super().run_ids(project)
            RunFactory(run_id="new")
            return present

    assert look_for_gone_runs(project=PROJECT, source=Slow({PROJECT: glue}), now=NOW).runs == set()
    assert Run.objects.get(run_id="new").state == "running"


def test_a_heartbeat_from_the_future_hides_no_later_one(glue: MemoryProject) -> None:
    glue.runs[0] = replace(glue.runs[0], heartbeat_at=NOW + timedelta(hours=1))
    sync(glue)
    glue.runs.append(run_record("late", state="finished", heartbeat_at=NOW + timedelta(seconds=5)))
    sync(glue)
    assert Run.objects.filter(run_id="late").exists()


def test_a_run_that_was_uploaded_after_it_trained_has_its_own_times(glue: MemoryProject) -> None:
    glue.runs[1] = replace(
        glue.runs[1], created_at=NOW, heartbeat_at=NOW, trained_from=before(days=3), trained_until=before(days=1)
    )
    sync(glue)
    run = Run.objects.get(run_id="bbb")
    assert (run.created_at, run.ended_at, run.heartbeat_at) == (before(days=3), before(days=1), NOW)


def test_twelve_hundred_runs_cost_three_requests(glue: MemoryProject) -> None:
    glue.runs = [run_record(state="finished", heartbeat_at=before(hours=1)) for _ in range(1200)]
    source = MemorySource({PROJECT: glue})
    sync(glue, source)
    assert source.requests == 4  # sweeps and three pages
    assert Run.objects.count() == 1200
