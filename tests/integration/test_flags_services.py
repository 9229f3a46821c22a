"""From rows to status and flags: opened, updated, cleared with their history, uncertain without a source."""

from datetime import timedelta
from pathlib import Path

import pytest

from apps.checkpoints.models import Checkpoint
from apps.core.units import with_ages
from apps.flags.facts import gather
from apps.flags.models import Flag, RunStatus
from apps.flags.services import clear_settled_flags, evaluate_runs, evaluate_sweeps
from apps.flags.sweep_facts import gather_sweeps
from apps.joblogs.models import LogFile, LogTrace
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    REPEATABLE,
    CheckpointFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    SweepFactory,
    SyncPassFactory,
    WorkspaceFactory,
    both_sources_answered,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _answered() -> None:
    both_sources_answered()


def evaluate(*runs: Run, minutes: float = 0) -> set[int]:
    """Judge runs that have a checkpoint, so that only what a test is about is odd."""
    for run in runs:
        if not Checkpoint.objects.filter(run=run).exists():
            CheckpointFactory(run=run)
    return evaluate_runs(run_pks=[run.pk for run in runs], now=NOW + timedelta(minutes=minutes))


def trace(job: Job, run_id: str = "", **values: object) -> None:
    log, _ = LogFile.objects.get_or_create(
        path=f"/logs/{job.job_id}.out", defaults={"cluster": job.cluster, "job_id": job.job_id}
    )
    LogTrace.objects.create(log=log, run_id=run_id, **values)


def open_flags(run: Run) -> list[str]:
    return sorted(Flag.objects.open().filter(run=run).values_list("rule", flat=True))


def ended_under(run: Run, state: str, minutes: float = 30) -> Run:
    RunLinkFactory(run=run, job=JobFactory(state=state, end_at=before(minutes=minutes)))
    return run


def test_a_healthy_run_has_a_status_and_no_flag() -> None:
    link = RunLinkFactory()
    evaluate(link.run)
    status = RunStatus.objects.get(run=link.run)
    assert (status.slurm_state, status.pair, status.agree, status.job) == ("RUNNING", "normal", True, link.job)
    assert (status.runtime_seconds, status.ticking_since) == (0, link.run.created_at)
    assert status.runtime_at(NOW) == 5 * 3600
    assert open_flags(link.run) == []


def test_a_zombie_is_flagged_end_to_end() -> None:
    run = ended_under(RunFactory(heartbeat_at=before(minutes=31)), "COMPLETED")
    assert evaluate(run) == {run.pk}
    flag = Flag.objects.get()
    assert (flag.rule, flag.severity, flag.sweep, flag.uncertain) == ("zombie", "critical", run.sweep, False)
    assert (flag.wandb_state, flag.slurm_state) == ("running", "COMPLETED")
    assert "ended COMPLETED 30 min ago; last heartbeat 31 min ago" in with_ages(flag.evidence, NOW)


def test_a_run_without_any_job_is_a_zombie_once_slurm_answered_after_its_beginning() -> None:
    run = RunFactory(heartbeat_at=before(minutes=10))
    evaluate(run)
    assert open_flags(run) == ["zombie"]


def test_a_run_that_beats_without_a_job_runs_elsewhere() -> None:
    run = RunFactory(heartbeat_at=before(seconds=30))
    evaluate(run)
    assert RunStatus.objects.get().slurm_state == "UNKNOWN"
    assert open_flags(run) == []


def test_a_run_that_began_after_slurm_was_asked_is_no_zombie_yet() -> None:
    run = RunFactory(created_at=NOW + timedelta(minutes=1), heartbeat_at=None)
    evaluate(run, minutes=10)
    assert open_flags(run) == []


def test_a_stale_heartbeat_is_flagged_end_to_end() -> None:
    run = RunLinkFactory(run__heartbeat_at=before(minutes=45)).run
    evaluate(run)
    assert open_flags(run) == ["stale-heartbeat"]


def test_a_fast_completion_is_flagged_with_the_logs_epoch() -> None:
    run = RunFactory(
        state="finished",
        config={**REPEATABLE, "epochs": 10},
        created_at=before(minutes=40),
        heartbeat_at=before(minutes=20),
    )
    ended_under(run, "COMPLETED", 19)
    trace(run.job_links.get().job, run.run_id, epoch=2, step=400)
    evaluate(run)
    flag = Flag.objects.get()
    assert (flag.rule, flag.severity) == ("fast-completion", "critical")
    assert flag.evidence == "Finished after 20 min (limit 2 h 00 min) at epoch 2 of 10 (log)."


def test_the_workspaces_own_policy_decides() -> None:
    WorkspaceFactory(config={"projects": ["team/glue"], "policy": {"stale_heartbeat_minutes": 90}})
    run = RunLinkFactory(run__heartbeat_at=before(minutes=45)).run
    evaluate(run)
    assert open_flags(run) == []


def test_a_flag_that_stands_is_updated_and_not_opened_again() -> None:
    run = RunLinkFactory(run__heartbeat_at=before(minutes=45)).run
    evaluate(run)
    opened = Flag.objects.get()
    assert evaluate(run, minutes=60) == set()
    Run.objects.update(heartbeat_at=before(minutes=40))
    assert evaluate(run, minutes=60) == {run.pk}
    flag = Flag.objects.get()
    assert (flag.pk, flag.opened_at) == (opened.pk, opened.opened_at)
    assert "1 h 40 min ago" in with_ages(flag.evidence, NOW + timedelta(minutes=60))


def test_a_flag_that_no_longer_stands_is_cleared_and_kept() -> None:
    run = RunLinkFactory(run__heartbeat_at=before(minutes=45)).run
    evaluate(run)
    Run.objects.update(heartbeat_at=NOW)
    assert run.pk in evaluate(run, minutes=1)
    flag = Flag.objects.get()
    assert (flag.quiet_since, flag.cleared_at) == (NOW + timedelta(minutes=1), None)
    assert evaluate(run, minutes=3) == set()
    assert run.pk in evaluate(run, minutes=4)
    flag = Flag.objects.get()
    assert (flag.opened_at, flag.cleared_at) == (NOW, NOW + timedelta(minutes=4))


def test_a_flag_clears_by_time_alone_when_nothing_of_its_run_changes_any_more() -> None:
    run = RunLinkFactory(run__heartbeat_at=before(minutes=45)).run
    evaluate(run)
    Run.objects.update(heartbeat_at=NOW)
    evaluate(run, minutes=1)
    assert clear_settled_flags(now=NOW + timedelta(minutes=3)) == 0
    assert clear_settled_flags(now=NOW + timedelta(minutes=4)) == 1
    assert clear_settled_flags(now=NOW + timedelta(minutes=5)) == 0


def test_a_condition_that_flaps_is_one_flag_that_never_clears() -> None:
    WorkspaceFactory(config={"projects": ["team/glue"], "policy": {"clear_minutes": 10}})
    run = RunLinkFactory(run__heartbeat_at=before(minutes=45)).run
    for minute in range(0, 40, 5):
        Run.objects.update(heartbeat_at=NOW + timedelta(minutes=minute, hours=-1 if minute % 2 == 0 else 0))
        evaluate(run, minutes=minute)
        clear_settled_flags(now=NOW + timedelta(minutes=minute))
    flag = Flag.objects.get()
    assert (flag.opened_at, flag.cleared_at) == (NOW, None)


def test_silence_of_a_source_does_not_count_towards_clearing() -> None:
    run = ended_under(RunFactory(heartbeat_at=before(minutes=31)), "COMPLETED")
    evaluate(run)
    Run.objects.update(state="crashed")
    evaluate(run, minutes=1)
    Run.objects.update(state="running")
    SyncPassFactory(source="slurm", scope="memory", error="Slurm does not answer.")
    evaluate(run, minutes=2)
    flag = Flag.objects.get(rule="zombie")
    assert (flag.uncertain, flag.quiet_since, flag.clears_at) == (True, None, None)
    assert clear_settled_flags(now=NOW + timedelta(hours=1)) == 0


def test_a_flag_that_comes_back_is_a_new_one() -> None:
    run = RunLinkFactory(run__heartbeat_at=before(minutes=45)).run
    evaluate(run)
    Run.objects.update(heartbeat_at=NOW)
    evaluate(run, minutes=1)
    evaluate(run, minutes=10)
    evaluate(run, minutes=60)
    assert Flag.objects.count() == 2
    assert open_flags(run) == ["stale-heartbeat"]


def test_a_flag_whose_source_does_not_answer_neither_stands_nor_falls() -> None:
    run = ended_under(RunFactory(heartbeat_at=before(minutes=31)), "COMPLETED")
    evaluate(run)
    SyncPassFactory(source="slurm", scope="memory", error="Slurm does not answer.")
    evaluate(run, minutes=1)
    flag = Flag.objects.get()
    assert (flag.uncertain, flag.cleared_at) == (True, None)
    SyncPassFactory(source="slurm", scope="memory")
    evaluate(run, minutes=2)
    flag.refresh_from_db()
    assert (flag.uncertain, flag.cleared_at) == (False, None)


def test_without_wandb_nothing_is_raised() -> None:
    SyncPassFactory(error="W&B does not answer.")
    run = ended_under(RunFactory(heartbeat_at=before(minutes=31)), "COMPLETED")
    evaluate(run)
    assert Flag.objects.count() == 0


def test_another_projects_silence_does_not_matter() -> None:
    SyncPassFactory(scope="team/other", error="W&B does not answer.")
    run = RunFactory(heartbeat_at=before(minutes=10))
    evaluate(run)
    assert open_flags(run) == ["zombie"]


def test_progress_comes_from_the_log_then_the_checkpoint_then_the_summary() -> None:
    link = RunLinkFactory(run__summary={"epoch": 1, "global_step": 10}, run__config={"epochs": 10})
    evaluate_runs(run_pks=[link.run.pk], now=NOW)
    assert (RunStatus.objects.get().epoch, RunStatus.objects.get().progress_source) == (1.0, "summary")
    CheckpointFactory(run=link.run, epoch=4, step=40)
    evaluate(link.run)
    assert (RunStatus.objects.get().epoch, RunStatus.objects.get().progress_source) == (4.0, "checkpoint")
    trace(link.job, link.run.run_id, epoch=5)
    evaluate(link.run)
    status = RunStatus.objects.get()
    assert (status.epoch, status.progress_source, status.percent) == (5.0, "log", 50.0)


def test_lines_before_any_run_count_only_in_the_log_of_a_job_with_one_run() -> None:
    alone, shared = RunLinkFactory(), RunLinkFactory()
    trace(alone.job, "", epoch=2)
    trace(shared.job, "", epoch=2)
    trace(shared.job, "somebody-else", epoch=7)
    found = {one.run.pk: one.facts.progress.epoch for one in gather([alone.run.pk, shared.run.pk], NOW)}
    assert found == {alone.run.pk: 2.0, shared.run.pk: None}


def test_gpu_time_of_an_attempt_that_was_replaced_counts_as_well() -> None:
    run = RunFactory(created_at=before(hours=5))
    times = [(5, 3, "PREEMPTED"), (2, None, "RUNNING")]
    for start, end, state in times:
        job = JobFactory(
            job_id="7",
            raw_id=7,
            submit_at=before(hours=start, minutes=1),
            start_at=before(hours=start),
            end_at=before(hours=end) if end else None,
            state=state,
            gpus=2,
        )
        RunLinkFactory(run=run, job=job)
    evaluate(run)
    status = RunStatus.objects.get()
    assert (status.runtime_seconds, status.gpu_seconds, status.ticking_gpus) == (2 * 3600, 4 * 3600, 2)
    assert (status.runtime_at(NOW), status.job_time.gpu_seconds_at(NOW)) == (4 * 3600, 8 * 3600)


def test_why_a_run_died_is_told_with_the_line_that_proves_it() -> None:
    run = ended_under(RunFactory(state="crashed", heartbeat_at=before(minutes=31)), "FAILED")
    item = {"class": "cuda-oom", "line": 12, "text": "torch.OutOfMemoryError: CUDA out of memory."}
    trace(run.job_links.get().job, run.run_id, evidence=[item])
    CheckpointFactory(run=run)
    evaluate(run)
    status = RunStatus.objects.get()
    assert (status.crash_class, status.resumable) == ("cuda-oom", "after a change")
    assert status.proof.endswith(".out:12: torch.OutOfMemoryError: CUDA out of memory.")


def test_why_an_earlier_job_of_the_run_ended_is_history() -> None:
    run = RunFactory(state="crashed", heartbeat_at=before(minutes=31))
    for hours, line in ((5, "torch.OutOfMemoryError: CUDA out of memory."), (2, "ModuleNotFoundError: No module 'x'")):
        end = before(hours=hours - 1)
        job = JobFactory(state="FAILED", submit_at=before(hours=hours), start_at=before(hours=hours), end_at=end)
        RunLinkFactory(run=run, job=job)
        slug = "cuda-oom" if "Memory" in line else "missing-dependency"
        trace(job, run.run_id, evidence=[{"class": slug, "line": 1, "text": line}])
    evaluate(run)
    status = RunStatus.objects.get()
    assert (status.crash_class, status.resumable) == ("missing-dependency", "no")


def test_an_error_after_which_training_went_on_is_no_cause() -> None:
    run = ended_under(RunFactory(state="crashed", heartbeat_at=before(minutes=31)), "FAILED")
    item = {"class": "cuda-oom", "line": 12, "text": "torch.OutOfMemoryError: CUDA out of memory.", "went_on": True}
    trace(run.job_links.get().job, run.run_id, evidence=[item], epoch=4.0)
    evaluate(run)
    status = RunStatus.objects.get()
    assert (status.crash_class, status.resumable, status.proof) == ("unknown", "look first", "")


def test_an_agent_that_went_on_leaves_a_zombie_and_a_healthy_run() -> None:
    job = JobFactory()
    left = RunFactory(created_at=before(hours=5), heartbeat_at=before(hours=2, minutes=1))
    right = RunFactory(created_at=before(hours=2))
    for run in (left, right):
        RunLinkFactory(run=run, job=job)
    evaluate(left, right)
    assert RunStatus.objects.get(run=left).slurm_state == "NEXT RUN"
    assert open_flags(left) == ["zombie"]
    assert open_flags(right) == []


@pytest.mark.parametrize("state", ["CANCELLED", "TIMEOUT", "PREEMPTED", "OUT_OF_MEMORY", "FAILED", "NODE_FAIL"])
def test_how_an_agents_job_ended_says_nothing_of_the_runs_before_its_last(state: str) -> None:
    job = JobFactory(state=state, start_at=before(hours=20), end_at=before(minutes=10))
    whole = RunFactory(state="finished", created_at=before(hours=20), heartbeat_at=before(hours=2, minutes=1))
    crashed = RunFactory(state="crashed", created_at=before(hours=2), heartbeat_at=before(hours=1, minutes=1))
    last = RunFactory(state="crashed", created_at=before(hours=1), heartbeat_at=before(minutes=10))
    for run in (whole, crashed, last):
        RunLinkFactory(run=run, job=job)
    evaluate(whole, crashed, last)
    told = {status.run_id: status for status in RunStatus.objects.all()}
    assert (told[whole.pk].slurm_state, told[whole.pk].agree, told[whole.pk].crash_class) == ("NEXT RUN", True, "")
    assert (told[crashed.pk].slurm_state, told[crashed.pk].crash_class) == ("NEXT RUN", "unknown")
    assert told[last.pk].slurm_state == state


@pytest.mark.parametrize(
    ("state", "epoch", "soon"),
    [("RUNNING", 4, True), ("CANCELLED", 4, False), ("PREEMPTED", 4, False), ("RUNNING", 10, False)],
)
def test_only_a_run_that_trains_towards_its_target_has_time_left(state: str, epoch: int, soon: bool) -> None:
    ended = None if state == "RUNNING" else before(minutes=1)
    run = RunFactory(created_at=before(hours=5), config={"epochs": 10})
    RunLinkFactory(run=run, job=JobFactory(state=state, start_at=before(hours=5), end_at=ended))
    trace(run.job_links.get().job, run.run_id, epoch=epoch, progress_at=before(minutes=2))
    evaluate(run)
    status = RunStatus.objects.get()
    assert status.epochs_per_hour
    assert (status.done_at is not None) is soon


def test_evaluating_again_at_the_same_moment_changes_nothing() -> None:
    run = ended_under(RunFactory(heartbeat_at=before(minutes=31)), "COMPLETED")
    evaluate(run)
    assert evaluate(run) == set()


def test_many_runs_are_gathered_in_a_fixed_number_of_queries(django_assert_max_num_queries: object) -> None:
    runs = [RunLinkFactory().run for _ in range(12)]
    with django_assert_max_num_queries(11):  # type: ignore[operator]
        assert len(gather([run.pk for run in runs], NOW)) == 12


def test_a_sweep_without_a_link_is_flagged_and_cleared() -> None:
    sweep = SweepFactory(url="", state="FINISHED")
    assert evaluate_sweeps(sweep_pks=[sweep.pk], now=NOW) == {sweep.pk}
    assert Flag.objects.get().rule == "no-wandb-url"
    sweep.url = "https://wandb.ai/team/glue/sweeps/x"
    sweep.save()
    evaluate_sweeps(sweep_pks=[sweep.pk], now=NOW)
    evaluate_sweeps(sweep_pks=[sweep.pk], now=NOW + timedelta(minutes=3))
    assert Flag.objects.open().count() == 0


@pytest.mark.parametrize(
    ("summary", "told"),
    [({}, True), ({"_runtime": 9, "_step": 0}, True), ({"_step": 40}, False), ({"loss": 0.5}, False)],
)
def test_a_finished_run_of_which_wandb_holds_nothing_is_told(summary: dict[str, object], told: bool) -> None:
    run = ended_under(RunFactory(state="finished", summary=summary, heartbeat_at=before(minutes=31)), "COMPLETED")
    evaluate_runs(run_pks=[run.pk], now=NOW)
    assert ("zero-epochs" in open_flags(run)) is told


def test_room_is_measured_where_the_checkpoints_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A workspace's outputs may be a link to scratch, which is another disk."""
    scratch = tmp_path / "scratch"
    sweep = SweepFactory(workspace=WorkspaceFactory(root=str(tmp_path)))
    run = RunFactory(sweep=sweep)
    room = {tmp_path: 1 << 40, scratch: 1 << 20}
    monkeypatch.setattr("apps.flags.sweep_facts.free_bytes", room.get)
    assert gather_sweeps([sweep], NOW)[sweep.pk].free_bytes == 1 << 40
    CheckpointFactory(run=run, path=str(scratch / "step_5.pt"), bytes=7)
    facts = gather_sweeps([sweep], NOW)[sweep.pk]
    assert (facts.checkpoint_bytes, facts.free_bytes) == (7, 1 << 20)
