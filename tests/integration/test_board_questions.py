"""The strip of questions above the sweeps: who sees it, what it costs, and how it renews itself."""

import re
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.audit.selectors import revision
from apps.core.clock import utcnow
from tests.factories.approvals import question
from tests.factories.moments import before
from tests.factories.rows import both_sources_answered

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


def text_of(client: Client, url: str = "/") -> str:
    response = client.get(url)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def test_the_oldest_questions_stand_above_the_sweeps_with_their_options(operator: Client) -> None:
    for number in range(5):
        question(title=f"Question {number}?", now=before(hours=9 - number))
    text = text_of(operator)
    strip = text[text.index('id="asked"') : text.index('id="filters"')]
    assert re.findall(r"Question \d\?</a>", strip) == ["Question 0?</a>", "Question 1?</a>", "Question 2?</a>"]
    for said in ("Questions that wait for an answer", "asked by coder-1 (agent)", "waits for 9 h", "Keep linear"):
        assert said in strip, said
    assert strip.count(">suggested</span>") == 3
    assert '<a id="more-asked" href="/inbox">and 2 more questions in the inbox</a>' in strip
    assert strip.count("csrfmiddlewaretoken") == 3


def test_a_question_with_several_answers_is_answered_on_its_page(operator: Client) -> None:
    several = question(allow_multiple=True)
    strip = text_of(operator)
    assert f'id="ticks-{several.pk}" href="/questions/{several.pk}"' in strip
    assert f'action="/questions/{several.pk}/answer"' not in strip


def test_who_may_not_answer_sees_no_strip_and_neither_does_a_board_without_questions(
    viewer: Client, operator: Client
) -> None:
    assert "Questions that wait" not in text_of(operator)
    question()
    assert "Questions that wait" in text_of(operator)
    assert 'id="asked"' not in text_of(viewer)
    assert 'id="asked"' not in text_of(viewer, "/board/updates?since=0&shown=1&asked=")


def test_a_press_on_the_board_answers_and_comes_back_to_the_same_view(operator: Client) -> None:
    asked = question()
    assert 'name="back" value="/?q=vit"' in text_of(operator, "/?q=vit")
    done = operator.post(f"/questions/{asked.pk}/answer", {"choice": "linear", "back": "/?q=vit"}, follow=True)
    assert done.redirect_chain == [("/?q=vit", 302)]
    assert "Answered: Keep linear." in done.content.decode()
    assert "Questions that wait" not in done.content.decode()


@pytest.mark.parametrize(
    "back", ["//evil.example.org/", "https://evil.example.org/?", "/\\evil.example.org", "/plans", "/../?x"]
)
def test_the_way_back_leads_to_the_board_and_nowhere_else(operator: Client, back: str) -> None:
    asked = question()
    done = operator.post(f"/questions/{asked.pk}/answer", {"choice": "linear", "back": back})
    assert done["Location"] == f"/questions/{asked.pk}"


def test_where_scripts_run_only_the_strip_and_the_count_come_back(operator: Client) -> None:
    first, second = question(), question(title="And the seed?")
    done = operator.post(
        f"/questions/{first.pk}/answer", {"choice": "linear", "back": "/"}, follow=True, headers={"HX-Request": "true"}
    )
    text = done.content.decode()
    assert done.redirect_chain == [("/board/questions", 302)]
    assert "Answered: Keep linear." in text
    assert f'action="/questions/{second.pk}/answer"' in text
    assert f'action="/questions/{first.pk}/answer"' not in text
    assert 'id="place-inbox" href="/inbox" hx-swap-oob="true"' in text
    assert "<html" not in text
    assert operator.get("/board/questions")["Location"] == "/"


def test_a_poll_brings_the_strip_when_a_question_came_or_went_and_nothing_otherwise(operator: Client) -> None:
    both_sources_answered()
    asked = question()
    at = f"/board/updates?since={revision()}&at={int(utcnow().timestamp())}&shown=1"
    assert operator.get(f"{at}&asked={asked.pk}").status_code == 204
    came = text_of(operator, f"{at}&asked=")
    assert '<div id="asked" hx-swap-oob="true">' in came
    assert "1 new question waits for an answer" in came
    assert operator.get(at).status_code == 204, "a page without the strip is not told of it"
    gone = text_of(operator, f"{at}&asked={asked.pk}.{asked.pk + 1}")
    assert "new question" not in gone
    assert f'name="asked" value="{asked.pk}"' in gone
    assert operator.get(f"{at}&asked={'9' * 5000}.x").status_code == 200


@pytest.mark.parametrize("questions", [0, 3, 30])
def test_the_strip_costs_one_query_however_many_questions_wait(
    questions: int, operator: Client, viewer: Client
) -> None:
    both_sources_answered()
    for number in range(questions):
        question(title=f"Question {number}?", allow_multiple=number == 1)
    operator.get("/"), viewer.get("/")
    costs = []
    for client in (viewer, operator):
        with CaptureQueriesContext(connection) as asked:
            client.get("/")
        costs.append(len(asked))
    of_plans_and_questions = 2  # in the header of whoever decides on them
    assert costs[1] == costs[0] + of_plans_and_questions + 1


def test_a_poll_with_a_strip_costs_one_query_more(operator: Client, django_assert_max_num_queries: Any) -> None:
    both_sources_answered()
    asked = question()
    with django_assert_max_num_queries(6):
        operator.get(f"/board/updates?since={revision()}&at={int(utcnow().timestamp())}&asked={asked.pk}")
