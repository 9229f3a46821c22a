"""What a plan's reports give to the next handover of its branch."""

from datetime import timedelta
from typing import Any

import pytest

from apps.approvals.domain.reports import Result
from apps.approvals.selectors import checks_since
from apps.approvals.services.deciding import reject_plan
from apps.approvals.services.deploying import finish_deploy, report_progress
from apps.handovers.domain.document import Check
from apps.handovers.services import prefilling
from apps.handovers.services.prefilling import once
from tests.factories.approvals import CODER, approved, person, plan
from tests.factories.moments import NOW

pytestmark = pytest.mark.django_db
LATER = NOW + timedelta(hours=1)
RESULTS = (Result("pytest -q tests/test_warmup.py", 0, "1 passed"), Result("pytest -q tests", 0))


def test_a_new_handover_of_the_branch_begins_with_what_its_plan_reported_since_the_last_one() -> None:
    made = approved()
    where = (made.handover.workspace, "feature/cosine")
    report_progress(plan=made, step=2, by=CODER, now=LATER)
    assert checks_since(*where, NOW) == []
    report_progress(plan=made, step=1, by=CODER, now=LATER, exit_status=1, output="E  assert 1\n\n1 failed\n")
    assert checks_since(*where, NOW) == [Check("pytest -q tests/test_warmup.py", "exit status 1: 1 failed")]
    finish_deploy(plan=made, results=RESULTS, by=CODER, now=LATER + timedelta(minutes=1))
    assert once(checks_since(*where, NOW)) == (
        Check("pytest -q tests/test_warmup.py", "exit status 0: 1 passed"),
        Check("pytest -q tests", "exit status 0"),
    )
    assert checks_since(*where, LATER + timedelta(minutes=1)) == [], "that is in the last handover already"
    assert checks_since(where[0], "another", None) == []
    assert checks_since in prefilling._SUPPLIERS


@pytest.mark.parametrize("turned_down", [False, True])
def test_a_plan_that_waits_or_was_rejected_hides_no_reports_of_the_one_before(
    django_assert_max_num_queries: Any, turned_down: bool
) -> None:
    made = approved()
    report_progress(plan=made, step=1, by=CODER, now=LATER, exit_status=0, output="1 passed")
    another = plan(made.handover, title="Another")
    if turned_down:
        reject_plan(plan=another, shown_sha256=another.sha256, by=person(), now=LATER, reason="no")
    with django_assert_max_num_queries(3):
        found = checks_since(made.handover.workspace, "feature/cosine", None)
    assert found == [Check("pytest -q tests/test_warmup.py", "exit status 0: 1 passed")]
