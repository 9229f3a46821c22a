"""The discrepancy log and the preemption history: what they tell, in the file and on screen, and what they cost."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.audit.services import record
from apps.board.incidents import flagged_discrepancies, preemptions, unflagged_discrepancies
from apps.board.report import active_sweeps_markdown
from apps.flags.models import Flag
from apps.flags.triage import Act, Wish, triage
from apps.links.models import RunLink
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    CheckpointFactory,
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    SweepFactory,
    WorkspaceFactory,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


def flagged(rule: str = "zombie", **values: Any) -> Flag:
    sweep = values.pop("sweep", None) or SweepFactory()
    run = RunFactory(sweep=sweep)
    flag: Flag = FlagFactory(run=run, sweep=sweep, rule=rule, wandb_state="running", slurm_state="COMPLETED", **values)
    return flag


def comment(flag: Flag, text: str) -> None:
    triage(flags=[flag.pk], wish=Wish(Act.COMMENT, "mira", text), now=NOW)


# Discrepancies


def test_the_log_tells_what_disagreed_since_when_and_what_was_done_by_whom() -> None:
    flag = flagged(opened_at=before(hours=2))
    comment(flag, "asked noor")
    (one,) = flagged_discrepancies(NOW)
    assert (one.rule, one.wandb_state, one.slurm_state) == ("zombie", "running", "COMPLETED")
    assert (one.since, one.until) == (before(hours=2), None)
    assert [(deed.what, deed.who, deed.note) for deed in one.done] == [("commented", "mira", "asked noor")]


def test_what_was_done_to_an_earlier_occurrence_is_not_told_of_a_later_one() -> None:
    flag = flagged(opened_at=before(hours=9))
    comment(flag, "long ago")
    Flag.objects.update(cleared_at=NOW + timedelta(minutes=1))
    again = FlagFactory(run=flag.run, sweep=flag.sweep, rule="zombie", opened_at=NOW + timedelta(hours=1))
    told = {one.flag_pk: len(one.done) for one in flagged_discrepancies(NOW)}
    assert told == {flag.pk: 1, again.pk: 0}


def test_what_was_cleared_by_hand_disagrees_until_it_really_ends(viewer: Client) -> None:
    flag = flagged(opened_at=before(hours=2))
    triage(flags=[flag.pk], wish=Wish(Act.DISMISS, "mira", "the node is being mended"), now=NOW)
    (one,) = flagged_discrepancies(NOW, show="open")
    assert (one.until, one.seen) == (None, "cleared by hand by mira")
    assert [(deed.what, deed.note) for deed in one.done] == [("cleared by hand", "the node is being mended")]
    assert "cleared by hand by mira" in viewer.get("/discrepancies?show=open").content.decode()
    assert "open (zombie)" in active_sweeps_markdown("", NOW)


def test_what_was_done_to_a_namesake_of_another_project_is_not_told(viewer: Client) -> None:
    flag = flagged(opened_at=before(hours=2))
    assert flag.run is not None
    for sweep in (flag.sweep.sweep_id, "another"):
        record(type="run.close.done", actor=f"of {sweep}", subject=f"run {flag.run.run_id}", sweep=sweep)
    (one,) = flagged_discrepancies(NOW)
    assert [deed.who for deed in one.done] == [f"of {flag.sweep.sweep_id}"]


def test_a_flag_that_speaks_of_no_disagreement_is_not_in_the_log() -> None:
    flagged("missing-seed")
    flagged("fast-completion")
    assert flagged_discrepancies(NOW) == []


def test_two_states_that_disagree_without_a_flag_are_told_as_well() -> None:
    run = RunFactory(state="finished")
    RunStatusFactory(run=run, job=JobFactory(state="TIMEOUT"), agree=False, pair="time limit", slurm_state="TIMEOUT")
    (one,) = unflagged_discrepancies()
    assert (one.what, one.wandb_state, one.slurm_state, one.until) == ("time limit", "finished", "TIMEOUT", None)
    FlagFactory(run=run, sweep=run.sweep, rule="state-mismatch")
    assert unflagged_discrepancies() == []


def test_the_file_says_the_same_as_the_screen() -> None:
    sweep = SweepFactory(state="RUNNING")
    flag = flagged(sweep=sweep, opened_at=before(hours=2), action="mark it crashed")
    comment(flag, "asked | noor")
    log = active_sweeps_markdown("", NOW).split("## Discrepancy Log")[1].split("##")[0]
    assert "commented by mira" in log
    assert r"asked \| noor; open (zombie): mark it crashed" in log


def test_the_screen_narrows_and_pages(viewer: Client) -> None:
    vision = SweepFactory(workspace=WorkspaceFactory(name="vision"), name="wide")
    flagged(sweep=vision, opened_at=before(hours=1))
    over = flagged(opened_at=before(hours=5), cleared_at=before(hours=4))
    text = viewer.get("/discrepancies").content.decode()
    assert "nothing by hand: it ended by itself" in text
    assert "<strong>open</strong>" in text
    only_open = viewer.get("/discrepancies?show=open").content.decode()
    assert f"/flags/{over.pk}" not in only_open
    assert f"/flags/{over.pk}" in viewer.get("/discrepancies?show=over").content.decode()
    assert f"/flags/{over.pk}" not in viewer.get("/discrepancies?workspace=vision").content.decode()
    assert "Nothing older" in viewer.get("/discrepancies?page=7").content.decode()
    for nonsense in ("?page=x", "?page=99999999", "?show=%00", "?workspace=%00"):
        assert viewer.get(f"/discrepancies{nonsense}").status_code == 200
    for _ in range(50):
        flagged(opened_at=before(hours=9))
    assert "older ›" in viewer.get("/discrepancies").content.decode()


# Preemptions


def preempted(**run: Any) -> RunLink:
    job = JobFactory(state="PREEMPTED", submit_at=before(hours=6), start_at=before(hours=5), end_at=before(hours=2))
    link: RunLink = RunLinkFactory(run=RunFactory(**run), job=job)
    return link


def test_a_preemption_that_nobody_resumed_is_told_with_what_it_cost() -> None:
    link = preempted(state="crashed")
    CheckpointFactory(run=link.run, modified_at=before(hours=3))
    (one,) = preemptions()
    assert (one.outcome, one.how, one.waited_seconds, one.lost_seconds) == ("not yet", "", None, 3600)


def test_a_requeued_attempt_and_another_job_are_told_apart() -> None:
    link = preempted(state="running")
    again = JobFactory(job_id=link.job.job_id, submit_at=before(hours=2), start_at=before(hours=1), state="RUNNING")
    RunLinkFactory(run=link.run, job=again)
    (one,) = preemptions()
    assert one.outcome == f"job {link.job.job_id} (RUNNING)"
    assert (one.how, one.waited_seconds) == ("requeued by Slurm", 3600)
    again.job_id, again.user = "31", "noor"
    again.save()
    assert preemptions()[0].how == "submitted by noor"


def test_a_run_that_finished_all_the_same_needs_no_resume() -> None:
    preempted(state="finished")
    assert preemptions()[0].outcome == "not needed: W&B says finished"


def test_the_preemptions_have_a_screen_and_an_empty_one(viewer: Client) -> None:
    assert "No run was preempted" in viewer.get("/preemptions").content.decode()
    link = preempted(state="crashed", name="<b>bold</b>")
    text = viewer.get("/preemptions").content.decode()
    assert "&lt;b&gt;bold&lt;/b&gt;" in text
    assert ">not yet<" in text
    assert link.job.job_id in text


@pytest.mark.parametrize("rows", [2, 30])
def test_both_screens_cost_a_fixed_number_of_queries(viewer: Client, rows: int, django_assert_num_queries: Any) -> None:
    for _ in range(rows):
        comment(flagged(opened_at=before(hours=1)), "seen")
        preempted(state="crashed")
    for path, queries in (("/discrepancies", 13), ("/preemptions", 12)):
        viewer.get(path)
        with django_assert_num_queries(queries):
            viewer.get(path)
