"""What is reported of a deploy: a key stands for one report, and no result is kept that a page could not show."""

from datetime import timedelta
from typing import Any

import pytest

from apps.approvals.actors import Agent
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.reports import Result
from apps.approvals.models import FinalReport, StepReport
from apps.approvals.services.deploying import finish_deploy, report_progress
from tests.factories.approvals import CODER, approved, person
from tests.factories.moments import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
RESULTS = (Result("pytest -q tests/test_warmup.py", 0, "1 passed"), Result("pytest -q tests", 0, "212 passed"))


@pytest.mark.parametrize(
    "other", [{"step": 2}, {"exit_status": 1}, {"output": "2 passed"}, {"remark": "late"}, {"by": Agent("coder-2")}]
)
def test_a_key_of_a_report_stands_for_nothing_else(other: dict[str, Any]) -> None:
    told: dict[str, Any] = {"plan": approved(), "step": 1, "by": CODER, "now": LATER, "exit_status": 0, "key": "k1"}
    first = report_progress(**told, output="1 passed")
    assert report_progress(**told, output="1 passed") == first
    with pytest.raises(Refused, match="The key 'k1' stands for another report, of step 1 by coder-1"):
        report_progress(**{**told, "output": "1 passed", **other})
    assert StepReport.objects.count() == 1


@pytest.mark.parametrize("command", ["rm \ud800", "rm \x00", "x" * 3_000_000, "ls\u202e", "a\nb", " "])
def test_a_result_whose_command_no_page_could_show_is_refused(command: str) -> None:
    made = approved()
    with pytest.raises(Refused, match="The command of result 3"):
        finish_deploy(plan=made, results=(*RESULTS, Result(command, 0)), by=CODER, now=LATER)
    many = tuple(Result(f"test {number}", 0) for number in range(99))
    with pytest.raises(Refused, match="100 results at the most"):
        finish_deploy(plan=made, results=(*RESULTS, *many), by=CODER, now=LATER)
    assert not FinalReport.objects.exists()


def test_a_decision_that_is_asked_for_in_a_report_is_refused_with_the_form_to_use() -> None:
    made = approved()
    told: dict[str, Any] = {"plan": made, "step": 1, "now": LATER, "exit_status": 0}
    with pytest.raises(
        Refused, match=r"between 2 options in plain text.*ask_question\(title='Pick one - linear / cosine'"
    ):
        report_progress(**told, by=CODER, remark="Pick one - linear / cosine")
    with pytest.raises(Refused, match=r"ask_question\(.*'label': 'Resume'.*'label': 'restart'"):
        finish_deploy(plan=made, results=RESULTS, by=CODER, now=LATER, summary="All passed.\nResume or restart?")
    assert not StepReport.objects.exists()
    assert not FinalReport.objects.exists()
    report_progress(**told, by=CODER, remark="Trained with lr 0.1, 0.2 and 0.3.")
    report_progress(**told, by=person(), remark="Shall we stop or go on?")
    finish_deploy(plan=made, results=RESULTS, by=CODER, now=LATER, summary="Done:\n1. the test\n2. the schedule")
