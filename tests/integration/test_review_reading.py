"""The facts of a week as they are read from the database: whole, by workspace, and in a fixed number of queries."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.alerts.models import AlertDelivery
from apps.approvals.services.deciding import approve_plan, request_change
from apps.approvals.services.plans import revise_plan
from apps.approvals.services.questions import answer_question
from apps.audit.models import SyncPass
from apps.checkpoints.models import CheckpointTime
from apps.flags.models import Flag, RunStatus
from apps.handovers.models import Pickup, Version
from apps.links.models import RunLink
from apps.review.domain.numbers import WeekNumbers
from apps.review.domain.weeks import parse_week
from apps.review.reading.meeting import review_of
from apps.review.reading.weeks import numbers_of
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.factories.alerts import channel
from tests.factories.approvals import CODER, draft, handover, person, plan, question
from tests.factories.rows import (
    AgentLinkFactory,
    CheckpointFactory,
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepFactory,
    WorkspaceFactory,
    both_sources_answered,
)

pytestmark = pytest.mark.django_db
WEEK = parse_week("2026-W47")
START, END = WEEK.start, WEEK.end
NOW = END + timedelta(hours=1)
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _watched() -> None:
    """Sweepboard was there before the week, and both sources told all of it."""
    both_sources_answered(at=START - timedelta(days=20))
    both_sources_answered(at=NOW)


def counted(workspace: str = "", week: str = "2026-W47") -> WeekNumbers:
    return numbers_of(parse_week(week), workspace=workspace, now=NOW)


def values(numbers: WeekNumbers) -> dict[str, float | None]:
    return {id: one.value for id, one in numbers.figures.items()}


def trained(hours: float = 10, *, begin: float = 5, sweep: object = None, **run: object) -> Run:
    """A run that trained in the week on a job of its own with two GPUs, and was judged."""
    made: Run = RunFactory(
        sweep=sweep or SweepFactory(created_at=START + HOUR), created_at=START + begin * HOUR,
        heartbeat_at=START + (begin + hours) * HOUR, **{"state": "finished", "metric_value": 0.4, **run},
    )  # fmt: skip
    job = JobFactory(
        submit_at=START + (begin - 1) * HOUR, start_at=START + begin * HOUR, end_at=made.heartbeat_at, gpus=2,
        state="COMPLETED", user="mia", elapsed_seconds=int(hours * 3600),
    )  # fmt: skip
    RunLinkFactory(run=made, job=job)
    AgentLinkFactory(sweep=made.sweep, job=job)
    RunStatusFactory(run=made, job=job, verdict="done", runtime_seconds=hours * 3600)
    return made


def test_training_of_a_week_is_counted() -> None:
    workspace = WorkspaceFactory(name="glue")
    sweep = SweepFactory(created_at=START + HOUR, workspace=workspace, config={"parameters": {"lr": {}}})
    good = trained(sweep=sweep)
    CheckpointFactory(run=good, modified_at=good.heartbeat_at)
    dead = trained(3, begin=20, sweep=sweep, state="crashed")
    FlagFactory(run=dead, rule="fast-completion", opened_at=START + 24 * HOUR, cleared_at=START + 26 * HOUR)
    trained(begin=-400)  # long before
    found = values(counted())
    assert (found["sweeps-started"], found["sweeps-active"]) == (2, 2)
    assert (found["runs"], found["verdict-done"]) == (2, 2)
    assert (found["hours-total"], found["hours-useful"], found["hours-crashed"]) == (26, 20, 6)
    assert (found["flags-raised"], found["flags-cleared"], found["flags-open"]) == (1, 1, 0)
    assert (found["flags-median"], found["fast"]) == (7200, 1)


def test_a_run_that_was_resumed_is_counted_also_when_its_first_attempt_is_long_ago() -> None:
    run = RunFactory(state="running", created_at=START - 100 * HOUR, heartbeat_at=NOW)
    RunStatusFactory(run=run, runtime_seconds=3600, verdict="healthy")
    CheckpointFactory(run=run, modified_at=START - 60 * HOUR)
    for begin, end, state in ((-100, -50, "PREEMPTED"), (4, None, "RUNNING")):
        job = JobFactory(
            submit_at=START + (begin - 1) * HOUR, start_at=START + begin * HOUR,
            end_at=None if end is None else START + end * HOUR, state=state, job_id="77",
        )  # fmt: skip
        RunLinkFactory(run=run, job=job)
    found = values(counted())
    assert (found["resumes"], found["resume-median"], found["preemptions"]) == (1, 54 * 3600, 0)
    assert found["hours-saved"] == 40
    assert found["hours-total"] == 164


def test_the_best_metric_is_held_against_the_runs_before_the_week() -> None:
    sweep = SweepFactory(created_at=START - 300 * HOUR, config={"parameters": {"lr": {}, "depth": {}}})
    trained(begin=-200, sweep=sweep, metric_value=0.6, config={"lr": 0.1, "depth": 2})
    trained(begin=-150, sweep=sweep, metric_value=0.7, config={"lr": 0.3})
    best = trained(sweep=sweep, metric_value=0.5, config={"lr": 0.01, "depth": 2})
    numbers = counted()
    assert numbers.figures["results"].keys == (sweep.pk,)
    assert numbers.tables["results"].rows[0].cells == ("loss ↓", "0.6", "0.5", best.name, "lr 0.1 → 0.01")


def test_what_people_did_is_counted() -> None:
    at = START + 30 * HOUR
    written = handover("HO-20261117-0900-ab12", date=at, first_seen_at=at, changed_at=at)
    left = handover("HO-20261117-1000-ab13", date=at, first_seen_at=at, changed_at=at)
    Pickup.objects.create(handover=written, who="mia", at=at + HOUR)
    Version.objects.create(
        handover=left, event="moved", at=at + HOUR, path="/x/CLAUDE/archive/HO.md", path_before="/x/CLAUDE/HO.md"
    )
    made = plan(written, now=at)
    approve_plan(plan=made, shown_sha256=made.sha256, by=person(), now=at + HOUR)
    plan(written, now=END - HOUR, title="Waits")
    asked = question(now=at, handover=written)
    answer_question(question=asked, chosen=["linear"], by=person(), now=at + 2 * HOUR)
    question(now=at, handover=left, title="Open?")
    for state in ("sent", "failed"):
        AlertDelivery.objects.create(
            channel=channel(f"ops {state}"), state=state, subject="x", body="y", made_at=at, next_try_at=at, sent_at=at
        )
    found = values(counted())
    assert (found["handovers-written"], found["handovers-picked"], found["handovers-never"]) == (2, 1, 1)
    assert found["handovers-archived"] == 1
    assert (found["plans-approved"], found["plans-rejected"], found["plans-open"]) == (1, 0, 1)
    assert (found["questions-answered"], found["questions-wait"], found["questions-open"]) == (1, 7200, 1)
    assert (found["alerts-sent"], found["alerts-unsent"]) == (1, 1)


def test_a_plan_that_was_sent_back_and_revised_waits_again() -> None:
    at = END - 20 * HOUR
    made = plan(handover(date=at), now=at)
    request_change(plan=made, reason="Smaller steps.", shown_sha256=made.sha256, by=person(), now=at + HOUR)
    assert values(counted())["plans-open"] == 0
    revise_plan(plan=made, draft=draft(title="Smaller steps"), by=CODER, now=at + 2 * HOUR)
    assert values(counted())["plans-open"] == 1


def test_a_flag_that_a_person_cleared_is_over_though_its_condition_goes_on() -> None:
    run = trained()
    FlagFactory(run=run, opened_at=START + 6 * HOUR, dismissed_at=START + 8 * HOUR)
    found = values(counted())
    assert (found["flags-cleared"], found["flags-open"], found["flags-median"]) == (1, 0, 7200)


def test_a_sweep_is_finished_in_the_week_of_its_last_run_and_in_no_other() -> None:
    sweep = SweepFactory(state="FINISHED", created_at=START - 99 * HOUR, updated_at=START + HOUR)
    trained(begin=-90, sweep=sweep)
    assert values(counted())["sweeps-finished"] == 0
    assert values(counted(week="2026-W46"))["sweeps-finished"] == 1


def test_what_an_earlier_attempt_had_saved_is_remembered() -> None:
    run = trained(10, begin=20, sweep=SweepFactory(workspace=WorkspaceFactory()))
    first = JobFactory(state="FAILED", gpus=2, submit_at=START, start_at=START + HOUR, end_at=START + 11 * HOUR)
    Run.objects.filter(pk=run.pk).update(created_at=START + HOUR)
    RunLinkFactory(run=run, job=first)
    CheckpointFactory(run=run, modified_at=START + 29 * HOUR)
    assert values(counted())["hours-untold"] == 20
    CheckpointTime.objects.create(run=run, hour=START + 5 * HOUR, at=START + 5 * HOUR)
    found = values(counted())
    assert (found["hours-crashed"], found["hours-untold"], found["hours-saved"]) == (12, 0, 4)


def test_a_workspaces_review_holds_its_own_rows_only() -> None:
    ours, theirs = WorkspaceFactory(name="ours"), WorkspaceFactory(name="theirs")
    for workspace in (ours, theirs, theirs):
        run = trained(sweep=SweepFactory(created_at=START + HOUR, workspace=workspace))
        FlagFactory(run=run, opened_at=START + 9 * HOUR)
    JobFactory(start_at=START, end_at=START + HOUR, state="COMPLETED")  # nobody's
    assert values(counted("ours"))["hours-total"] == 20
    assert values(counted("theirs"))["flags-raised"] == 2
    assert values(counted())["hours-total"] == 61
    assert counted("ours").figures["sweeps-started"].value == 1


def test_a_job_that_worked_for_two_workspaces_gives_each_its_own_hours() -> None:
    job = JobFactory(start_at=START, end_at=START + 20 * HOUR, state="COMPLETED", gpus=1)
    for begin, name in ((0, "ours"), (10, "theirs")):
        sweep = SweepFactory(created_at=START, workspace=WorkspaceFactory(name=name))
        run = RunFactory(
            sweep=sweep, state="finished", created_at=START + begin * HOUR, heartbeat_at=START + (begin + 10) * HOUR
        )
        RunLinkFactory(run=run, job=job)
        AgentLinkFactory(sweep=sweep, job=job)
    for scope, hours in (("", 20), ("ours", 10), ("theirs", 10)):
        found = values(counted(scope))
        assert (found["hours-total"], found["hours-useful"], found["hours-untold"]) == (hours, hours, 0), scope


def test_runs_without_a_sweep_are_of_the_workspace_of_their_project() -> None:
    WorkspaceFactory(name="ours", config={"projects": ["team/glue"]})
    WorkspaceFactory(name="theirs", config={"projects": ["team/other"]})
    run = trained()
    Run.objects.filter(pk=run.pk).update(sweep=None)
    FlagFactory(run=run, sweep=None, opened_at=START + 9 * HOUR)
    for scope, there in (("", 1), ("ours", 1), ("theirs", 0)):
        found = values(counted(scope))
        assert (found["runs"], found["hours-total"], found["flags-raised"]) == (there, 20 * there, there), scope


def test_a_run_that_never_sent_a_heartbeat_lived_all_the_same() -> None:
    RunFactory(state="crashed", created_at=START + HOUR, heartbeat_at=None)
    assert values(counted())["runs"] == 1


def test_a_week_that_has_not_begun_has_no_numbers() -> None:
    RunFactory(state="running", created_at=START, heartbeat_at=NOW)
    figures = counted(week="2030-W10").figures
    assert {one.value for one in figures.values()} == {None}
    assert figures["runs"].why == "the week has not begun"


def test_before_anything_was_read_everything_is_unknown_and_says_why() -> None:
    SyncPass.objects.all().delete()
    figures = counted().figures
    assert figures["hours-total"].why == "Slurm was never read"
    assert figures["runs"].why == "W&B was never read"
    assert figures["flags-raised"].why == "Sweepboard was not there yet"
    assert {figures[name].value for name in ("hours-total", "runs", "flags-raised", "alerts-sent")} == {None}


def test_a_week_before_sweepboard_was_there_has_unknown_flags_and_not_nought() -> None:
    trained(begin=-168 * 6)
    figures = counted(week="2026-W41").figures
    assert figures["flags-raised"].why == "Sweepboard was not there yet"
    assert figures["hours-total"].why == "accounting was read from 2026-10-13 on only"
    assert figures["runs"].value == 1
    assert counted(week="2026-W42").figures["hours-total"].why == "known since 2026-10-13 00:00 UTC only"


def test_what_is_known_in_part_says_until_when() -> None:
    SyncPass.objects.filter(source="slurm", started_at=NOW).update(error="slurmctld is away", started_at=NOW)
    figures = counted().figures
    assert figures["hours-total"].value == 0
    assert figures["hours-total"].why == "Slurm memory has told nothing since 2026-10-27 00:00 UTC"


def test_old_messages_that_were_thinned_out_are_unknown() -> None:
    both_sources_answered(at=START - timedelta(days=300))
    figures = counted(week="2026-W20").figures
    assert figures["alerts-sent"].why == "messages are kept for 90 days"


def many(runs: int, sweeps: int = 2) -> None:
    """Runs of a week with all that belongs to them, made by bulk."""
    made = [SweepFactory(created_at=START + HOUR, config={"parameters": {"lr": {}}}) for _ in range(sweeps)]
    rows = Run.objects.bulk_create(
        Run(
            entity="team", project="glue", run_id=f"r{n}", name=f"r{n}", sweep=made[n % sweeps], user="mia",
            state="crashed" if n % 10 == 0 else "finished", metric_value=n, created_at=START + HOUR,
            heartbeat_at=START + 3 * HOUR, config={"lr": n},
        )
        for n in range(runs)
    )  # fmt: skip
    jobs = Job.objects.bulk_create(
        Job(
            cluster="memory", job_id=str(n), raw_id=n, submit_at=START, start_at=START + HOUR,
            end_at=START + 3 * HOUR, state="PREEMPTED" if n % 10 == 0 else "COMPLETED", gpus=1, user=f"user{n % 3}",
        )
        for n in range(runs)
    )  # fmt: skip
    RunLink.objects.bulk_create(
        RunLink(run=run, job=job, how="log", evidence="it says so") for run, job in zip(rows, jobs, strict=True)
    )
    RunStatus.objects.bulk_create(RunStatus(run=run, verdict="done", runtime_seconds=7200) for run in rows)
    Flag.objects.bulk_create(
        Flag(
            rule="zombie", severity="critical", run=run, sweep=run.sweep, evidence="x", action="y",
            opened_at=START + HOUR, cleared_at=START + 2 * HOUR,
        )
        for run in rows[:: 20]
    )  # fmt: skip


def queries(runs: int) -> int:
    many(runs)
    with CaptureQueriesContext(connection) as asked:
        review_of(WEEK, workspace="", now=NOW)
    return len(asked)


def test_two_runs_and_two_hundred_ask_the_same_number_of_queries() -> None:
    few = queries(2)
    for model in (Flag, RunStatus, RunLink, Job, Run):
        model.objects.all().delete()
    assert queries(200) == few
    assert few <= 70


def test_ten_thousand_runs_in_a_week_are_counted_to_the_last() -> None:
    many(10_000, sweeps=5)
    with CaptureQueriesContext(connection) as asked:
        found = values(counted())
    assert len(asked) <= 35
    assert (found["runs"], found["verdict-done"]) == (10_000, 10_000)
    assert (found["hours-total"], found["preemptions"]) == (20_000, 1000)
    assert (found["flags-raised"], found["flags-cleared"], found["flags-median"]) == (500, 500, 3600)
    lost = {name: found[f"hours-{name}"] for name in ("lost", "zombie", "crashed", "useful", "untold")}
    # Nobody looks for checkpoints here: what crashed is not told apart, and what the zombies lost neither.
    assert lost == {"lost": 0, "zombie": 0, "crashed": 0, "useful": 18_000, "untold": 2000}


def test_ten_thousand_runs_of_a_workspace_lose_what_no_checkpoint_holds() -> None:
    many(10_000, sweeps=5)
    workspace = WorkspaceFactory(name="glue")
    Run.objects.first().sweep.__class__.objects.update(workspace=workspace)  # type: ignore[union-attr]  # there is one
    found = values(counted("glue"))
    assert (found["hours-total"], found["hours-zombie"], found["hours-crashed"]) == (20_000, 1000, 1000)
    assert (found["hours-lost"], found["hours-useful"]) == (2000, 18_000)
