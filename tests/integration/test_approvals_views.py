"""The pages of plans and questions: who may press what, what a press carries, and what a page says."""

import re
import time
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client, RequestFactory

from apps.approvals.actors import person_at
from apps.approvals.domain.errors import NotAPerson
from apps.approvals.domain.plans import Step
from apps.approvals.models import Answer, Comment, Decision, Plan, Question
from apps.approvals.services.deploying import report_progress
from apps.approvals.services.plans import comment_on_plan, revise_plan
from apps.core.permissions import Role
from tests.factories.approvals import CODER, approved, draft, handover, plan, question
from tests.factories.moments import NOW
from tests.integration.conftest import client_of

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


def hash_on(page: str) -> str:
    found = re.search(r'name="sha256" value="([0-9a-f]{64})"', page)
    assert found, "the page offers nothing to approve"
    return found[1]


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_shows_all_of_a_plan_and_one_press_approves_what_it_shows(operator: Client) -> None:
    made = plan()
    page = text_of(operator, f"/plans/{made.pk}")
    for said in (
        "Count warm-up in steps", "bug fix", "waits for a decision", "Validated by: pytest -q tests",
        "Old checkpoints hold an epoch count", "sweep swp00001", made.sha256, "Comments approve nothing",
    ):  # fmt: skip
        assert said in page, said
    done = operator.post(f"/plans/{made.pk}/approve", {"sha256": hash_on(page)}, follow=True)
    assert done.redirect_chain == [(f"/plans/{made.pk}", 302)]
    assert "Version 1 is approved." in done.content.decode()
    assert 'id="approve"' not in done.content.decode()
    operator.post(f"/plans/{made.pk}/approve", {"sha256": made.sha256})
    assert Decision.objects.count() == 1


def test_an_approval_needs_the_csrf_token_a_post_and_the_permission(operator: Client, viewer: Client) -> None:
    made = plan()
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(User.objects.get(groups__name="operator"), "django.contrib.auth.backends.ModelBackend")
    path, told = f"/plans/{made.pk}/approve", {"sha256": made.sha256}
    assert strict.post(path, told).status_code == 403
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', text_of(strict, f"/plans/{made.pk}"))
    assert operator.get(path, told).status_code == 405
    assert viewer.post(path, told).status_code == 403
    assert Client().post(path, told).status_code == 302, "who is not logged in is sent to the log-in"
    assert Plan.objects.get().state == "posted"
    assert token is not None
    assert strict.post(path, {**told, "csrfmiddlewaretoken": token[1]}).status_code == 302
    assert Plan.objects.get().state == "approved"


def test_who_came_by_another_door_than_a_session_is_no_person(operator: Client) -> None:
    request = RequestFactory().post("/plans/1/approve")
    request.user = User.objects.get(groups__name="operator")
    request.session = {}  # type: ignore[assignment]  # as a token would leave it
    with pytest.raises(NotAPerson):
        person_at(request)
    request.session = operator.session
    assert person_at(request).name == request.user.username


def test_a_viewer_sees_a_plan_and_no_button(viewer: Client) -> None:
    made = plan()
    page = text_of(viewer, f"/plans/{made.pk}")
    assert "Approving a plan needs the role" in page
    assert 'id="approve"' not in page
    assert 'id="comment"' not in page


def test_a_text_that_changed_while_it_was_read_is_refused_and_the_new_one_shown(operator: Client) -> None:
    made = plan()
    page = text_of(operator, f"/plans/{made.pk}")
    assert operator.get(f"/plans/{made.pk}/changes?seen=1").status_code == 204
    revise_plan(plan=made, draft=draft(risks=("The queue is full",)), by=CODER, now=NOW)
    assert "changed since the page was loaded" in text_of(operator, f"/plans/{made.pk}/changes?seen=1")
    done = operator.post(f"/plans/{made.pk}/approve", {"sha256": hash_on(page)})
    assert done.status_code == 422
    assert "it is version 2 now. Nothing was approved" in done.content.decode()
    assert "The queue is full" in done.content.decode()
    assert not Decision.objects.exists()


def test_a_void_approval_is_said_and_the_difference_shown(operator: Client) -> None:
    made = approved()
    revise_plan(plan=made, draft=draft(risks=("The queue is full",)), by=CODER, now=NOW)
    page = text_of(operator, f"/plans/{made.pk}")
    assert "The approval is void." in page
    assert "approved version 1; coder-1 posted version 2" in page
    assert re.search(r"<ins>.*The queue is full</ins>", page)
    assert re.search(r"<del>.*Old checkpoints hold an epoch count</del>", page)
    old = text_of(operator, f"/plans/{made.pk}?version=1")
    assert "Version 1, which is not the newest" in old
    assert 'id="approve"' not in old, "what is not the newest text cannot be approved"
    operator.post(f"/plans/{made.pk}/approve", {"sha256": hash_on(page)})
    assert "exactly the text below" in text_of(operator, f"/plans/{made.pk}")
    assert "exactly the text below" not in text_of(operator, f"/plans/{made.pk}?version=1")
    revise_plan(plan=made, draft=draft(), by=CODER, now=NOW)
    assert 'id="approve"' in text_of(operator, f"/plans/{made.pk}?version=99%00")


@pytest.mark.parametrize("said", ["yes", "sounds good", "go ahead"])
def test_a_comment_approves_nothing_and_the_page_says_so(operator: Client, said: str) -> None:
    made = plan()
    done = operator.post(f"/plans/{made.pk}/comment", {"text": said, "key": "k"}, follow=True)
    operator.post(f"/plans/{made.pk}/comment", {"text": said, "key": "k"})
    assert "The comment is kept. Comments approve nothing" in done.content.decode()
    assert "a comment, and no approval" in done.content.decode()
    assert (Comment.objects.count(), Plan.objects.get().state, Decision.objects.count()) == (1, "posted", 0)


def test_a_plan_is_turned_back_with_a_reason_and_what_was_typed_stays(operator: Client) -> None:
    made = plan()
    path = f"/plans/{made.pk}/turn-back"
    missing = operator.post(path, {"sha256": made.sha256, "act": "rejected", "reason": " "})
    assert missing.status_code == 422
    assert "Say why" in missing.content.decode()
    odd = operator.post(path, {"sha256": made.sha256, "act": "approved", "reason": "Name the seed"})
    assert odd.status_code == 422
    assert ">Name the seed</textarea>" in odd.content.decode()
    done = operator.post(
        path, {"sha256": made.sha256, "act": "change-requested", "reason": "Name the seed"}, follow=True
    )
    assert "asked for a change" in done.content.decode()
    assert "Name the seed" in done.content.decode()


def test_an_expired_plan_says_so_and_its_button_rests(operator: Client) -> None:
    made = plan()
    Plan.objects.update(expires_at=NOW)
    page = text_of(operator, f"/plans/{made.pk}")
    assert "This plan expired on 2026-11-23 12:00 UTC" in page
    assert re.search(r'id="approve"[^>]* disabled', page)
    assert "plan-state expired" in text_of(operator, "/plans?show=expired")
    assert "No plan matches" in text_of(operator, "/plans?show=open")


def test_progress_and_hostile_words_are_shown_as_text(operator: Client) -> None:
    made = approved(title="<script>alert(1)</script>", risks=("<img src=x onerror=alert(1)>",))
    report_progress(plan=made, step=1, by=CODER, now=NOW, exit_status=1, output="<b>1 failed</b>")
    comment_on_plan(plan=made, text="</pre><script>alert(2)</script>", by=CODER, now=NOW)
    page = text_of(operator, f"/plans/{made.pk}")
    assert "exit status 1" in page
    assert "&lt;b&gt;1 failed&lt;/b&gt;" in page
    assert "<script>alert" not in page
    assert "<img src=x" not in page


def test_lists_say_what_there_is_and_why_they_are_empty(viewer: Client) -> None:
    assert "No plan was posted yet" in text_of(viewer, "/plans")
    assert "Nobody has asked anything yet" in text_of(viewer, "/questions")
    plan()
    question()
    assert "Count warm-up in steps" in text_of(viewer, "/plans?q=warm-up+coder")
    assert "Which schedule do we keep?" in text_of(viewer, "/questions?show=open&q=cosine%00")
    assert "No question matches" in text_of(viewer, "/questions?show=answered")


@pytest.mark.parametrize("screen", ["plans", "questions"])
def test_a_list_costs_the_same_however_long_it_is(viewer: Client, screen: str, django_assert_num_queries: Any) -> None:
    on = handover()
    for number in range(15):
        plan(on, title=f"Plan {number}")
        question(handover=on, title=f"Question {number}?")
    with django_assert_num_queries(9):
        viewer.get(f"/{screen}")


# Questions


def test_one_press_answers_a_question(operator: Client) -> None:
    asked = question()
    page = text_of(operator, f"/questions/{asked.pk}")
    for said in ("Keep linear", "suggested", "three runs start over", "Cosine stalls at epoch 12"):
        assert said in page, said
    assert page.index("Keep linear") < page.index("suggested") < page.index("Go back to cosine")
    done = operator.post(f"/questions/{asked.pk}/answer", {"choice": "cosine", "note": "seed 3"}, follow=True)
    assert "Answered: Go back to cosine." in done.content.decode()
    assert "seed 3" in done.content.decode()
    second = client_of(Role.OPERATOR).post(f"/questions/{asked.pk}/answer", {"choice": "linear"})
    assert second.status_code == 422
    assert "That counts; yours was not kept." in second.content.decode()
    assert Answer.objects.get().chosen == ["cosine"]
    assert "Go back to cosine" in text_of(operator, "/questions?q=seed")


def test_nothing_chosen_is_no_answer_and_a_viewer_gives_none(operator: Client, viewer: Client) -> None:
    asked = question(allow_multiple=True)
    empty = operator.post(f"/questions/{asked.pk}/answer", {"note": "hm"})
    assert empty.status_code == 422
    assert ">hm</textarea>" in empty.content.decode()
    assert viewer.post(f"/questions/{asked.pk}/answer", {"choice": "linear"}).status_code == 403
    assert "needs the role" in text_of(viewer, f"/questions/{asked.pk}")
    operator.post(f"/questions/{asked.pk}/answer", {"choice": ["both", "linear"]})
    assert Answer.objects.get().chosen == ["linear", "both"]


def test_an_agents_question_cannot_be_withdrawn_by_somebody_else(operator: Client) -> None:
    asked = question()
    refused = operator.post(f"/questions/{asked.pk}/withdraw")
    assert refused.status_code == 422
    assert Question.objects.get().state == "open"


def test_a_missing_plan_or_question_is_not_found(operator: Client) -> None:
    assert operator.get("/plans/999").status_code == 404
    assert operator.post("/questions/999/answer", {"choice": "a"}).status_code == 404


def test_a_plan_leads_to_its_handover(viewer: Client) -> None:
    on = handover()
    made = plan(on)
    assert f'href="/handovers/{on.pk}"' in viewer.get(f"/plans/{made.pk}").content.decode()
    assert viewer.get(f"/handovers/{on.pk}").status_code == 200


def test_a_page_of_two_long_versions_says_that_they_are_too_long_to_compare(viewer: Client) -> None:
    steps = [[Step("\n".join(f"{word} {at} of {part}" for at in range(95)), "pytest") for part in range(50)]
             for word in ("train", "trial")]  # fmt: skip
    made = plan(steps=tuple(steps[0]))
    revise_plan(plan=made, draft=draft(steps=tuple(steps[1])), by=CODER, now=NOW)
    begun = time.perf_counter()
    assert "too long to compare" in text_of(viewer, f"/plans/{made.pk}?version=2")
    assert time.perf_counter() - begun < 5
    assert "too long to compare" not in text_of(viewer, f"/plans/{made.pk}?version=1")
