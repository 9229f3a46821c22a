"""Stages and nudges over real checkouts: what git, runs, pickups and agents tell, and what comes of it."""

from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.errors import Permanent
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.adapters.git_cli import GitCli
from apps.handovers.domain.nudges import NudgeKind
from apps.handovers.domain.stages import StageFacts, stage_of
from apps.handovers.models import CheckoutKey, CheckoutWork, Exchange, Handover
from apps.handovers.nudging import nudges
from apps.handovers.services import stages
from apps.handovers.services.exchanges import report_exchanges
from apps.handovers.services.pickups import GIVEN_BACK, pick_up, release
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.services.working import look_at_work
from apps.workspaces.models import Workspace
from tests.factories.handovers import document, git, put, repository, workspace_at, worktree
from tests.factories.moments import NOW
from tests.factories.rows import JobFactory, RunFactory, RunLinkFactory
from tests.integration.test_handover_command import call, lines

pytestmark = pytest.mark.django_db
YESTERDAY = "HO-20261122-0900-abcd12"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    one = workspace_at(repository(tmp_path / "glue"), config={"projects": ["team/glue"]})
    put(one.path, f"{YESTERDAY}.md", document(YESTERDAY, branch="main"))
    return one


def commit(checkout: Path, name: str = "model.py") -> None:
    (checkout / name).write_text("x = 1\n")
    git(checkout, "add", name)
    git(checkout, "commit", "-q", "-m", f"Add {name}")


def look(workspace: Workspace, now: object = NOW) -> None:
    scan_workspace(workspace=workspace, store=FilesystemDocumentStore(), now=NOW)
    look_at_work(workspace=workspace, source=GitCli(), now=now)  # type: ignore[arg-type]  # a moment


def due(kind: NudgeKind) -> list[str]:
    return [one.sentence for one in nudges(NOW) if one.kind is kind]


def test_commits_since_the_handover_of_another_day_make_one_due(workspace: Workspace) -> None:
    commit(workspace.path)
    look(workspace)
    assert due(NudgeKind.WORK)[0].endswith("since its handover of 2026-11-22, and no handover of today.")
    today = f"HO-{NOW:%Y%m%d}-0800-abcd13"
    put(workspace.path, f"{today}.md", document(today, branch="main"))
    look(workspace)
    assert due(NudgeKind.WORK) == []


def test_runs_count_for_the_checkout_from_which_their_job_was_started(workspace: Workspace) -> None:
    other = worktree(workspace.path, "feature/x")
    look(workspace)
    CheckoutWork.objects.update(commits=0)
    run = RunFactory(entity="team", project="glue", run_id="r1", sweep=None, created_at=NOW - timedelta(hours=1))
    RunLinkFactory(run=run, job=JobFactory(work_dir=f"{other}/experiments"))
    RunFactory(entity="team", project="glue", run_id="r2", sweep=None, created_at=NOW - timedelta(hours=1))
    RunFactory(entity="team", project="else", run_id="r3", sweep=None, created_at=NOW - timedelta(hours=1))
    assert due(NudgeKind.WORK) == [
        "main has 1 run since its handover of 2026-11-22, and no handover of today.",
        "feature/x has 1 run and no handover yet.",
    ]


def test_git_that_does_not_answer_is_unknown_and_neither_a_nudge_nor_an_all_clear(
    workspace: Workspace, tmp_path: Path
) -> None:
    commit(workspace.path)
    look(workspace)
    look_at_work(workspace=workspace, source=GitCli(program=str(tmp_path / "none")), now=NOW)
    row = CheckoutWork.objects.get()
    assert row.commits is None
    assert "git cannot be run" in row.problem
    assert due(NudgeKind.WORK) == []


def test_a_checkout_that_goes_to_another_branch_is_seen_and_one_that_is_gone_is_forgotten(workspace: Workspace) -> None:
    look(workspace)
    git(workspace.path, "switch", "-q", "-c", "feature/y")
    look(workspace, NOW)
    assert due(NudgeKind.SWITCH) == [f"{workspace.path} went from main to feature/y without a handover since."]
    later = f"HO-{NOW:%Y%m%d}-{NOW:%H%M}-abcd14"
    put(workspace.path, f"{later}.md", document(later, branch="main"))
    look(workspace)
    assert due(NudgeKind.SWITCH) == []
    CheckoutKey.objects.all().delete()
    look_at_work(workspace=workspace, source=GitCli(), now=NOW)
    assert not CheckoutWork.objects.exists()


def test_an_agent_that_reports_fifteen_exchanges_is_nudged_and_the_last_report_counts(workspace: Workspace) -> None:
    look(workspace)
    for count in (3, 15):
        report_exchanges(workspace=workspace, branch="main", agent="coder-1", count=count, now=NOW)
    assert Exchange.objects.get().count == 15
    assert due(NudgeKind.EXCHANGES) == ["coder-1 is at 15 exchanges on main (a handover is due at 15)."]
    report_exchanges(workspace=workspace, branch="main", agent="coder-1", count=1, now=NOW)
    assert due(NudgeKind.EXCHANGES) == []


@pytest.mark.parametrize(("branch", "agent", "count"), [("", "a", 1), ("main", " ", 1), ("main", "a", -1)])
def test_a_report_that_makes_no_sense_is_refused_with_a_sentence(
    workspace: Workspace, branch: str, agent: str, count: int
) -> None:
    with pytest.raises(Permanent, match=r"names its branch|no number of exchanges"):
        report_exchanges(workspace=workspace, branch=branch, agent=agent, count=count, now=NOW)
    assert not Exchange.objects.exists()


def test_what_is_due_costs_the_same_however_many_checkouts_there_are(workspace: Workspace) -> None:
    look(workspace)
    with CaptureQueriesContext(connection) as few:
        nudges(NOW)
    for number in range(5):
        worktree(workspace.path, f"branch-{number}")
    look(workspace)
    with CaptureQueriesContext(connection) as many:
        nudges(NOW)
    assert len(many) == len(few) <= 6


def test_the_command_line_tells_what_is_due(workspace: Workspace) -> None:
    look(workspace)
    report_exchanges(workspace=workspace, branch="main", agent="coder-1", count=20, now=NOW)
    status, out, _ = call("list", "glue", "--nudges", "--json")
    assert status == 0
    assert "many-exchanges" in [line["nudge"] for line in lines(out)]
    assert "coder-1 is at 20 exchanges" in call("list", "--nudges")[1]
    status, _, err = call("list", str(workspace.path.parent), "--nudges")
    assert status == 2
    assert "belongs to no workspace" in err


@pytest.fixture
def supplied() -> Iterator[dict[int, StageFacts]]:
    """A room above that knows of plans."""
    told: dict[int, StageFacts] = {}

    @stages.tells_stages
    def supplier(pks: Sequence[int]) -> dict[int, StageFacts]:
        return {pk: told[pk] for pk in pks if pk in told}

    yield told
    stages._SUPPLIERS.remove(supplier)


def stage(one: Handover) -> str:
    return stage_of(stages.stage_facts([one])[one.pk]).value


def test_a_stage_is_moved_by_pickups_and_by_what_a_room_above_knows_of_plans(
    workspace: Workspace, supplied: dict[int, StageFacts]
) -> None:
    look(workspace)
    one = Handover.objects.get()
    assert stage(one) == "Handover"
    picked = pick_up(handover=one, who="mia", kind="person", now=NOW)
    assert stage(one) == "Plan mode"
    supplied[one.pk] = StageFacts(plan_posted_at=NOW, questions_open=1)
    assert stage(one) == "Questions"
    supplied[one.pk] = StageFacts(plan_posted_at=NOW)
    assert stage(one) == "Approval"
    supplied.clear()
    release(pickup=picked.pickup, why=f"{GIVEN_BACK} by mia", now=NOW)
    assert stage(one) == "Handover"


def test_a_pickup_that_ended_because_the_work_was_handed_on_still_happened(workspace: Workspace) -> None:
    look(workspace)
    one = Handover.objects.get()
    release(pickup=pick_up(handover=one, who="mia", kind="person", now=NOW).pickup, why="handed on by HO-x", now=NOW)
    assert stage(one) == "Plan mode"


def test_a_supplier_that_fails_stops_no_page(workspace: Workspace) -> None:
    look(workspace)

    @stages.tells_stages
    def failing(pks: Sequence[int]) -> dict[int, StageFacts]:
        raise RuntimeError("no")

    try:
        assert stage(Handover.objects.get()) == "Handover"
    finally:
        stages._SUPPLIERS.remove(failing)
