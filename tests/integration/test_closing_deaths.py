"""A worker that is killed at any line: whoever takes the request over brings it to the same end."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from apps.audit.models import AuditEvent
from apps.closing.confirming import confirm_closings
from apps.closing.models import CloseRequest
from apps.closing.services import LEASE
from apps.sweeps.models import Run
from tests.factories.closing import Lab
from tests.factories.moments import before

pytestmark = pytest.mark.django_db


class Death(BaseException):
    """A worker that is killed: nothing of it runs on."""


@contextmanager
def dying_at_query(number: int) -> Iterator[Callable[[], int]]:
    """Kill whoever asks the database for the ``number``th time; yields how often it was asked."""
    asked = 0

    def count(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        nonlocal asked
        if "SAVEPOINT" not in sql:
            asked += 1
            if asked == number:
                raise Death
        return execute(sql, params, many, context)

    with connection.execute_wrapper(count):
        yield lambda: asked


def _dies_and_is_taken_over(folder: Path, number: int) -> bool:
    """Return whether the worker died; at the end the story must be the same, wherever that was."""
    lab = Lab(folder)
    request = lab.ask()
    died = False
    with dying_at_query(number):
        try:
            lab.drive(request)
        except Death:
            died = True
    if died:
        lab.later(seconds=LEASE.total_seconds() + 1)
        lab.fresh_passes()
        lab.drive(request)
    lab.later(seconds=30)
    lab.sync()
    confirm_closings(now=lab.now)
    request.refresh_from_db()
    told = (request.state, request.shows, lab.project.runs[0].state, Run.objects.get().ended_at)
    assert told == ("verified", "failed", "failed", before(hours=1)), number
    types = list(AuditEvent.objects.order_by("pk").values_list("type", flat=True))
    assert types == ["run.close.requested", "run.close.done", "run.close.verified"], number
    assert len(lab.closer.closed) == 1, number
    return died


def test_a_death_at_any_question_to_the_database_ends_in_the_same_truth(tmp_path: Path) -> None:
    number, died = 0, True
    while died:
        number += 1
        with transaction.atomic():
            died = _dies_and_is_taken_over(tmp_path, number)
            transaction.set_rollback(True)
    assert number > 10
    assert CloseRequest.objects.count() == 0
