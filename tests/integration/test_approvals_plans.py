"""Plans: posted once, approved by one thing only, void when the text changes, reported with every result."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from apps.approvals.actors import Agent, AtShell
from apps.approvals.domain.errors import NotAPerson, Refused
from apps.approvals.domain.plans import Step
from apps.approvals.domain.reports import Result
from apps.approvals.domain.text import sha_of
from apps.approvals.models import Comment, Decision, FinalReport, Plan, PlanVersion, StepReport
from apps.approvals.selectors import plan_view, plans, stage_facts_of, waiting_plans
from apps.approvals.services.deciding import approve_plan, reject_plan, request_change
from apps.approvals.services.deploying import finish_deploy, report_progress
from apps.approvals.services.plans import comment_on_plan, create_plan, revise_plan
from apps.audit.models import AuditEvent
from apps.core.errors import AlreadyDone
from apps.core.permissions import Role
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.domain.stages import StageFacts
from apps.handovers.services.archiving import archive_old
from apps.handovers.services.scanning import scan_workspace
from tests.factories.approvals import CODER, approved, draft, handover, person, plan, question
from tests.factories.handovers import KEY, document, put, workspace_at
from tests.factories.moments import NOW
from tests.services.together import together

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
RESULTS = (Result("pytest -q tests/test_warmup.py", 0, "1 passed"), Result("pytest -q tests", 0, "212 passed"))


def acts(subject: Plan) -> list[tuple[str, str]]:
    return list(AuditEvent.objects.filter(subject=subject.subject).order_by("pk").values_list("type", "actor"))


# Posting


def test_a_posted_plan_is_a_row_a_version_and_an_audit_event_of_the_agent() -> None:
    made = plan()
    version = made.versions.get()
    assert (made.state, made.kind, version.number) == ("posted", "bug fix", 1)
    assert version.sha256 == made.sha256 == sha_of(version.text)
    assert version.draft == draft()
    assert made.expires_at == NOW + timedelta(hours=72)
    assert acts(made) == [("plan.posted", "coder-1")]
    assert AuditEvent.objects.get().detail["by_kind"] == "agent"


def test_a_request_that_is_sent_again_makes_one_plan() -> None:
    on = handover()
    told: dict[str, Any] = {"handover": on, "draft": draft(), "by": CODER, "now": NOW}
    first = create_plan(**told, key="k1")
    assert create_plan(**told, key="k1") == first
    assert create_plan(**told) == first, "the same text on the same handover is the same plan"
    with pytest.raises(Refused, match="stands for plan"):
        create_plan(**{**told, "draft": draft(title="Another")}, key="k1")
    assert create_plan(**{**told, "draft": draft(title="Another"), "by": Agent("coder-2")}, key="k1") != first
    assert (Plan.objects.count(), PlanVersion.objects.count()) == (2, 2)


def test_a_plan_on_a_handover_that_is_over_is_refused_naming_what_to_go_on_with() -> None:
    newer = handover("HO-20261104-0900-ffffff")
    for number, (state, after, said) in enumerate([
        ("gone", None, "is gone"), ("gone", newer, "go on with that one"), ("archived", None, "Bring it back first"),
        ("archived", newer, f"{newer.key} came after"), ("superseded", newer, f"{newer.key} came after .* on that one"),
    ]):  # fmt: skip
        old = handover(f"HO-20261103-1405-a1b2c{number}", state=state, superseded_by=after, workspace=newer.workspace)
        with pytest.raises(Refused, match=said):
            plan(old)
    made = plan(newer)
    newer.state = "archived"
    newer.save()
    assert create_plan(handover=newer, draft=draft(), by=CODER, now=NOW) == made, "the same plan again is no new one"


def test_the_database_itself_takes_no_second_open_plan_of_a_text_and_no_second_approval() -> None:
    made = approved()
    double = {name: getattr(made, name) for name in ("handover", "title", "kind", "sha256", "by", "by_kind")}
    times = {"posted_at": NOW, "moved_at": NOW, "expires_at": LATER}
    with pytest.raises(IntegrityError), transaction.atomic():
        Plan.objects.create(**double, **times, key="other")
    one = made.decisions.get()
    with pytest.raises(IntegrityError), transaction.atomic():
        Decision.objects.create(plan=made, version=one.version, act="approved", sha256=one.sha256, by="x", at=NOW)


def test_an_incomplete_plan_leaves_nothing_behind() -> None:
    with pytest.raises(Refused, match="failing test"):
        plan(failing_test="")
    with pytest.raises(Refused, match="name of whoever asks is empty"):
        plan(by=Agent(" "))
    assert (Plan.objects.count(), AuditEvent.objects.count()) == (0, 0)


# Approving


def test_a_person_approves_exactly_the_text_that_was_shown() -> None:
    made, mia = plan(), person(username="mia")
    done = approve_plan(plan=made, shown_sha256=made.sha256, by=mia, now=LATER)
    made.refresh_from_db()
    assert (made.state, done.by, done.sha256) == ("approved", "mia", made.sha256)
    assert approve_plan(plan=made, shown_sha256=made.sha256, by=mia, now=LATER) == done
    assert acts(made) == [("plan.posted", "coder-1"), ("plan.approved", "mia")]
    with pytest.raises(AlreadyDone, match="approved before"):
        approve_plan(plan=made, shown_sha256=made.sha256, by=person(), now=LATER)


@pytest.mark.parametrize("actor", [CODER, AtShell("mia"), "mia", None])
@pytest.mark.parametrize("act", [approve_plan, reject_plan, request_change])
def test_no_agent_and_no_command_decides(act: Any, actor: Any) -> None:
    made = plan()
    reason = {} if act is approve_plan else {"reason": "because"}
    with pytest.raises(NotAPerson):
        act(plan=made, shown_sha256=made.sha256, by=actor, now=NOW, **reason)
    made.refresh_from_db()
    assert (made.state, Decision.objects.count(), len(acts(made))) == ("posted", 0, 1)


def test_a_viewer_decides_nothing() -> None:
    made = plan()
    with pytest.raises(PermissionDenied, match="role 'operator'"):
        approve_plan(plan=made, shown_sha256=made.sha256, by=person(Role.VIEWER), now=NOW)
    assert not made.decisions.exists()


def test_a_text_that_changed_meanwhile_is_not_approved() -> None:
    made = plan()
    shown = made.sha256
    revise_plan(plan=made, draft=draft(risks=("none that we know",)), by=CODER, now=NOW)
    with pytest.raises(Refused, match="it is version 2 now"):
        approve_plan(plan=made, shown_sha256=shown, by=person(), now=LATER)
    with pytest.raises(Refused, match="changed meanwhile"):
        reject_plan(plan=made, reason="no", shown_sha256=shown, by=person(), now=LATER)
    made.refresh_from_db()
    assert made.state == "posted"


def test_a_text_that_was_changed_in_the_database_is_not_approved() -> None:
    made = plan()
    PlanVersion.objects.filter(plan=made).update(text="Plan: something else\n")
    with pytest.raises(Refused, match="not the one that was posted"):
        approve_plan(plan=made, shown_sha256=made.sha256, by=person(), now=LATER)


def test_a_revision_makes_an_approval_void_and_says_so() -> None:
    made = approved()
    version = revise_plan(plan=made, draft=draft(title="Another way"), by=CODER, now=LATER, key="r1")
    assert revise_plan(plan=made, draft=draft(title="Another way"), by=CODER, now=LATER, key="r1") == version
    made.refresh_from_db()
    view = plan_view(made)
    assert (made.state, made.title, view.approval) == ("posted", "Another way", None)
    assert view.void is not None
    assert "posted version 2" in view.void.voided_why
    assert ("plan.approval.voided", "coder-1") in acts(made)
    with pytest.raises(Refused, match="approval is void"):
        report_progress(plan=made, step=1, by=CODER, now=LATER)
    back = revise_plan(plan=made, draft=draft(), by=CODER, now=LATER)
    made.refresh_from_db()
    assert (back.number, back.sha256) == (3, plan_view(made).versions[0].sha256)
    assert made.state == "posted", "the old text once more is not approved by the old approval"


def test_the_same_text_again_voids_nothing() -> None:
    made = approved()
    revise_plan(plan=made, draft=draft(), by=CODER, now=LATER)
    made.refresh_from_db()
    assert (made.state, made.versions.count()) == ("approved", 1)


@pytest.mark.parametrize("said", ["yes", "sounds good", "go ahead"])
def test_an_affirmative_comment_is_a_comment(said: str) -> None:
    made = plan()
    kept = comment_on_plan(plan=made, text=said, by=person(), now=NOW, key="c1")
    assert (kept.text, kept.affirmative) == (said, True)
    made.refresh_from_db()
    assert made.state == "posted"
    with pytest.raises(Refused, match="not approved"):
        report_progress(plan=made, step=1, by=CODER, now=NOW)


def test_a_comment_that_is_sent_twice_is_kept_once_and_an_agents_choice_is_refused() -> None:
    made, mia = plan(), person()
    first = comment_on_plan(plan=made, text="Why step 2?", by=mia, now=NOW, key="c1")
    assert comment_on_plan(plan=made, text="Why step 2?", by=mia, now=NOW, key="c1") == first
    assert comment_on_plan(plan=made, text="And step 3?", by=mia, now=NOW, key="c1") != first
    with pytest.raises(Refused, match=r"ask_question\(title="):
        comment_on_plan(plan=made, text="Should I resume or restart?", by=CODER, now=NOW)
    comment_on_plan(plan=made, text="Should we resume or restart?", by=mia, now=NOW)
    assert Comment.objects.count() == 3


def test_a_plan_is_turned_back_with_a_reason_and_only_with_one() -> None:
    made, mia = plan(), person()
    with pytest.raises(Refused, match="Say why"):
        request_change(plan=made, reason="  ", shown_sha256=made.sha256, by=mia, now=NOW)
    request_change(plan=made, reason="Name the seed", shown_sha256=made.sha256, by=mia, now=NOW)
    made.refresh_from_db()
    assert made.state == "change-requested"
    assert list(waiting_plans(NOW)) == []
    revise_plan(plan=made, draft=draft(risks=("seed 3",)), by=CODER, now=LATER)
    made.refresh_from_db()
    assert list(waiting_plans(LATER)) == [made]
    reject_plan(plan=made, reason="Not this month", shown_sha256=made.sha256, by=mia, now=LATER)
    reject_plan(plan=made, reason="Not this month", shown_sha256=made.sha256, by=mia, now=LATER)
    made.refresh_from_db()
    assert (made.state, made.decisions.count()) == ("rejected", 2)
    with pytest.raises(Refused, match="post a new plan"):
        revise_plan(plan=made, draft=draft(title="again"), by=CODER, now=LATER)


def test_a_plan_expires_by_policy_and_is_approved_only_after_it_was_posted_again() -> None:
    on = handover()
    on.workspace.config = {"policy": {"plan_expires_hours": 1}}
    on.workspace.save()
    made = plan(on)
    with pytest.raises(Refused, match="expired on 2026-11-23 13:00 UTC"):
        approve_plan(plan=made, shown_sha256=made.sha256, by=person(), now=LATER)
    assert list(waiting_plans(LATER)) == []
    assert list(plans("expired", now=LATER)) == [made]
    with pytest.raises(Refused, match="post it again as its revision"):
        plan(on, now=LATER)
    revise_plan(plan=made, draft=draft(), by=CODER, now=LATER)
    approve_plan(plan=made, shown_sha256=made.sha256, by=person(), now=LATER)
    with pytest.raises(Refused, match="expired on 2026-11-23 14:00 UTC"):
        report_progress(plan=made, step=1, by=CODER, now=LATER + timedelta(hours=1))


def test_a_second_press_after_the_plan_expired_does_not_say_that_it_is_approved() -> None:
    made, mia = plan(), person(username="mia")
    first = approve_plan(plan=made, shown_sha256=made.sha256, by=mia, now=NOW)
    assert approve_plan(plan=made, shown_sha256=made.sha256, by=mia, now=LATER) == first
    for who in (mia, person()):
        with pytest.raises(Refused, match="expired on"):
            approve_plan(plan=made, shown_sha256=made.sha256, by=who, now=NOW + timedelta(hours=72))


# Deploying


def test_progress_is_kept_per_step_with_its_output_bounded() -> None:
    made = approved()
    report_progress(plan=made, step=1, by=CODER, now=LATER, key="s1")
    report_progress(plan=made, step=1, by=CODER, now=LATER, key="s1")
    report_progress(plan=made, step=1, by=CODER, now=LATER, exit_status=1, output="E\x00" * 30_000, remark="as wanted")
    made.refresh_from_db()
    first, second = plan_view(made).steps
    assert (made.state, first.state, second.state) == ("deploying", "failed", "to-come")
    assert len(first.reports) == 2
    assert first.last is not None
    assert len(first.last.output) < 21_000
    with pytest.raises(Refused, match="steps 1 to 2"):
        report_progress(plan=made, step=3, by=CODER, now=LATER)
    with pytest.raises(Refused, match="needs the exit status"):
        report_progress(plan=made, step=1, by=CODER, now=LATER, output="hm")
    assert made.expires_at == LATER + timedelta(hours=72), "a plan that moves on does not expire"


def test_a_final_report_without_every_command_is_refused_naming_the_missing_ones() -> None:
    made = approved()
    with pytest.raises(Refused, match=r"lacks the result of 'pytest -q tests/test_warmup.py'; 'pytest -q tests':"):
        finish_deploy(plan=made, results=(), by=CODER, now=LATER)
    with pytest.raises(Refused, match=r"lacks the result of 'pytest -q tests':"):
        finish_deploy(plan=made, results=RESULTS[:1], by=CODER, now=LATER)
    assert not FinalReport.objects.exists()
    done = finish_deploy(plan=made, results=RESULTS, by=CODER, now=LATER, summary="Counted in steps now.")
    assert finish_deploy(plan=made, results=RESULTS, by=CODER, now=LATER) == done
    made.refresh_from_db()
    assert (made.state, done.passed) == ("deployed", True)
    assert done.results[0] == {"command": "pytest -q tests/test_warmup.py", "exit_status": 0, "output": "1 passed"}
    with pytest.raises(Refused, match="nothing more can be reported"):
        report_progress(plan=made, step=1, by=CODER, now=LATER)
    assert [what for what, _ in acts(made)] == ["plan.posted", "plan.approved", "plan.deployed"]


def test_a_deploy_whose_validation_failed_is_failed_and_may_be_posted_again() -> None:
    made = approved()
    done = finish_deploy(plan=made, results=(RESULTS[0], Result("pytest -q tests", 2)), by=CODER, now=LATER)
    made.refresh_from_db()
    assert (made.state, done.passed) == ("failed", False)
    revise_plan(plan=made, draft=draft(), by=CODER, now=LATER)
    made.refresh_from_db()
    assert (made.state, made.versions.count()) == ("posted", 2)


@pytest.mark.parametrize("moved", ["posted", "rejected", "expired"])
def test_nothing_is_reported_of_a_plan_that_is_not_approved(moved: str) -> None:
    made, now = (approved() if moved == "expired" else plan()), LATER
    if moved == "rejected":
        reject_plan(plan=made, reason="no", shown_sha256=made.sha256, by=person(), now=NOW)
    if moved == "expired":
        now = NOW + timedelta(hours=72)
    for act in (
        lambda: report_progress(plan=made, step=1, by=CODER, now=now),
        lambda: finish_deploy(plan=made, results=RESULTS, by=CODER, now=now),
    ):
        with pytest.raises(Refused):
            act()
    assert not StepReport.objects.exists()


# At once


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("turn", range(4))
def test_an_approval_and_a_revision_at_one_moment_leave_no_text_approved_that_nobody_read(turn: int) -> None:
    made, mia, other = plan(), person(), person()
    shown, newer = made.sha256, draft(title=f"Another way {turn}")
    told = together(
        [
            lambda: approve_plan(plan=made, shown_sha256=shown, by=mia, now=NOW),
            lambda: revise_plan(plan=made, draft=newer, by=CODER, now=NOW),
            lambda: approve_plan(plan=made, shown_sha256=shown, by=other, now=NOW),
        ]
    )
    made.refresh_from_db()
    view = plan_view(made)
    assert isinstance(told[1], PlanVersion), told
    assert (made.state, view.approval, view.version.draft.title) == ("posted", None, newer.title)
    assert sum(isinstance(one, Decision) for one in told) <= 1, told


@pytest.mark.django_db(transaction=True)
def test_a_plan_that_is_posted_by_four_requests_at_once_is_one_plan() -> None:
    on = handover()
    told = together([lambda: create_plan(handover=on, draft=draft(), by=CODER, now=NOW, key="k") for _ in range(4)])
    assert {getattr(one, "pk", one) for one in told} == {Plan.objects.get().pk}
    assert AuditEvent.objects.filter(type="plan.posted").count() == 1


# What other rooms see


def test_the_stages_of_a_handover_are_told(django_assert_num_queries: Any) -> None:
    on, other = handover(), handover()
    assert stage_facts_of([on.pk]) == {}
    made = approved(on)
    question(plan=made)
    assert stage_facts_of([on.pk]) == {on.pk: StageFacts(plan_posted_at=NOW, approved_at=NOW, questions_open=1)}
    report_progress(plan=made, step=1, by=CODER, now=LATER, exit_status=0)
    finish_deploy(plan=made, results=RESULTS, by=CODER, now=LATER)
    assert stage_facts_of([on.pk])[on.pk].deployed_at == LATER
    plan(on, title="The next one")
    plan(other, title="Another's")
    with django_assert_num_queries(4):
        told = stage_facts_of([on.pk, other.pk])
    assert told[on.pk] == StageFacts(plan_posted_at=NOW, questions_open=1), "the open plan is the one that counts"
    assert told[other.pk] == StageFacts(plan_posted_at=NOW)


def test_an_open_plan_keeps_its_handover_from_the_archive(tmp_path: Path) -> None:
    root = tmp_path / "glue"
    workspace, store = workspace_at(root), FilesystemDocumentStore()
    put(root, f"{KEY}.md", document())
    scan_workspace(workspace=workspace, store=store, now=NOW)
    made = plan(workspace.handovers.get(), now=NOW + timedelta(days=300))
    outcome = archive_old(workspace=workspace, store=store, now=NOW, actor="test", only=[KEY])[0]
    assert not outcome.archive
    assert f"plan {made.pk} 'Count warm-up in steps' is posted" in outcome.reason
    reject_plan(plan=made, reason="no", shown_sha256=made.sha256, by=person(), now=NOW)
    assert archive_old(workspace=workspace, store=store, now=NOW, actor="test", only=[KEY])[0].moved


def test_a_plan_costs_a_fixed_number_of_queries(django_assert_max_num_queries: Any) -> None:
    made = approved(steps=tuple(Step(f"step {n}", f"check {n}") for n in range(20)))
    for number in range(1, 21):
        report_progress(plan=made, step=number, by=CODER, now=LATER, exit_status=0, output="ok")
    with django_assert_max_num_queries(4):
        assert len(plan_view(made).steps) == 20


def test_everything_is_one_transaction_with_its_event(monkeypatch: pytest.MonkeyPatch) -> None:
    made = plan()

    def broken(*args: Any, **values: Any) -> None:
        raise RuntimeError("the trail is away")

    monkeypatch.setattr("apps.approvals.services.common.record", broken)
    with pytest.raises(RuntimeError):
        approve_plan(plan=made, shown_sha256=made.sha256, by=person(), now=NOW)
    with pytest.raises(RuntimeError):
        plan(title="Another")
    made.refresh_from_db()
    assert (made.state, Decision.objects.count(), Plan.objects.count()) == ("posted", 0, 1)
