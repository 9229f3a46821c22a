"""How far a handover has come, and when one is due: pure rules, every row of them."""

from datetime import datetime, timedelta

import pytest

from apps.handovers.domain.nudges import BranchFacts, NudgeKind, Reported, nudges_of
from apps.handovers.domain.stages import ORDER, Stage, StageFacts, stage_of, steps_of
from tests.factories.moments import NOW, before

PICKED = StageFacts(picked_up_at=before(hours=5))
POSTED = StageFacts(picked_up_at=before(hours=5), plan_posted_at=before(hours=4))
APPROVED = StageFacts(picked_up_at=before(hours=5), plan_posted_at=before(hours=4), approved_at=before(hours=3))


@pytest.mark.parametrize(
    ("facts", "stage"),
    [
        (StageFacts(), Stage.HANDOVER),
        (PICKED, Stage.PLAN),
        (POSTED, Stage.APPROVAL),
        (StageFacts(plan_posted_at=NOW), Stage.APPROVAL),
        (StageFacts(picked_up_at=NOW, questions_open=1), Stage.QUESTIONS),
        (StageFacts(picked_up_at=NOW, plan_posted_at=NOW, questions_open=2), Stage.QUESTIONS),
        (APPROVED, Stage.DEPLOY),
        (StageFacts(approved_at=NOW, questions_open=1), Stage.QUESTIONS),
        (StageFacts(approved_at=NOW, deployed_at=NOW, questions_open=1), Stage.QUESTIONS),
        (StageFacts(approved_at=NOW, deployed_at=NOW), Stage.DEPLOY),
    ],
)
def test_facts_alone_decide_the_stage(facts: StageFacts, stage: Stage) -> None:
    assert stage_of(facts) is stage


def test_the_tracker_shows_six_steps_in_order_with_what_moved_each() -> None:
    steps = steps_of(POSTED, before(hours=6))
    assert [step.stage for step in steps] == list(ORDER)
    assert [step.standing for step in steps] == ["done", "done", "done", "done", "now", "ahead"]
    assert steps[1].at == before(hours=5)
    assert steps[4].evidence == "the plan waits for its approval"


def test_a_question_that_waits_is_counted_and_holds_the_flow() -> None:
    told = steps_of(StageFacts(picked_up_at=NOW, plan_posted_at=NOW, questions_open=2), NOW)
    assert (told[3].standing, told[3].evidence) == ("now", "2 questions wait for an answer")
    assert [step.standing for step in told[4:]] == ["ahead", "ahead"]
    assert steps_of(StageFacts(questions_open=1), NOW)[3].evidence == "1 question waits for an answer"


def test_what_nobody_picked_up_says_so_and_what_is_deployed_is_done() -> None:
    first = steps_of(StageFacts(), before(hours=6))
    assert (first[0].standing, first[0].evidence) == ("now", "written; nobody has picked it up yet")
    last = steps_of(StageFacts(NOW, NOW, 0, NOW, NOW), NOW)
    assert {step.standing for step in last} == {"done"}


def test_an_approval_that_became_void_takes_the_flow_back() -> None:
    assert stage_of(POSTED) is Stage.APPROVAL
    assert steps_of(POSTED, NOW)[4].standing == "now"


def kinds(facts: BranchFacts, now: datetime = NOW) -> list[NudgeKind]:
    return [one.kind for one in nudges_of([facts], now, 15)]


def branch(**told: object) -> BranchFacts:
    return BranchFacts(**{"workspace": "glue", "branch": "feature/x", "checkout": "/w/x", **told})  # type: ignore[arg-type]


def test_a_branch_with_work_and_no_handover_today_is_nudged_with_the_numbers() -> None:
    told = nudges_of([branch(handed_over_at=before(days=2), commits=3, runs=1)], NOW, 15)
    assert [one.sentence for one in told] == [
        "feature/x has 3 commits and 1 run since its handover of 2026-11-21, and no handover of today."
    ]
    assert kinds(branch(commits=1)) == [NudgeKind.WORK]
    assert nudges_of([branch(runs=2)], NOW, 15)[0].sentence == "feature/x has 2 runs and no handover yet."


@pytest.mark.parametrize(
    "facts",
    [
        branch(commits=3, handed_over_at=before(hours=1)),
        branch(commits=0, runs=0),
        branch(),
        branch(commits=None, runs=None, handed_over_at=before(days=9)),
    ],
    ids=["handed over today", "no work", "nothing known", "git does not answer"],
)
def test_a_branch_is_left_alone_without_known_work_or_with_a_handover_of_today(facts: BranchFacts) -> None:
    assert kinds(facts) == []


def test_the_day_turns_at_midnight_utc() -> None:
    late = branch(commits=1, handed_over_at=NOW.replace(hour=23, minute=59))
    assert kinds(late, NOW.replace(hour=23, minute=59, second=30)) == []
    assert kinds(late, NOW.replace(hour=0) + timedelta(days=1)) == [NudgeKind.WORK]


@pytest.mark.parametrize(("count", "due"), [(14, False), (15, True), (90, True)])
def test_fifteen_exchanges_are_one_session(count: int, due: bool) -> None:
    assert (kinds(branch(reported=(Reported("coder-1", count, NOW),))) == [NudgeKind.EXCHANGES]) is due


def test_of_several_sessions_the_longest_speaks_and_one_that_was_handed_over_is_over() -> None:
    several = (Reported("coder-1", 16, before(hours=1)), Reported("coder-2", 40, before(hours=1)))
    (told,) = nudges_of([branch(reported=several)], NOW, 15)
    assert told.sentence == "coder-2 is at 40 exchanges on feature/x (a handover is due at 15)."
    assert kinds(branch(reported=several, handed_over_at=before(minutes=30))) == []


def test_a_checkout_that_went_to_another_branch_is_nudged_until_one_of_the_two_is_handed_over() -> None:
    switched = {"switched_from": "main", "switched_at": before(hours=2)}
    assert kinds(branch(**switched)) == [NudgeKind.SWITCH]
    assert kinds(branch(**switched, handed_over_at=before(hours=3), left_at=before(hours=4))) == [NudgeKind.SWITCH]
    assert kinds(branch(**switched, left_at=before(hours=1))) == []
    assert kinds(branch(**switched, handed_over_at=before(hours=1))) == []


def test_what_is_due_is_told_apart_and_written_for_scripts() -> None:
    (told,) = nudges_of([branch(commits=1)], NOW, 15)
    assert told.id == "work-without-handover:glue:feature/x"
    assert set(told.as_json()) == {"nudge", "workspace", "branch", "checkout", "sentence"}
