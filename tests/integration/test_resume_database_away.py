"""A database server that drops its connections in the middle of a resume: one press, one job."""

from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings as django_settings
from django.db import connection

from apps.resume.services import LEASE
from apps.resume.submitting import SETTLE
from tests.factories.resume import Lab

pytestmark = [
    pytest.mark.django_db(transaction=True),
    pytest.mark.skipif(
        "sqlite" in django_settings.DATABASES["default"]["ENGINE"], reason="SQLite has no server that can be lost."
    ),
]


class Dropping:
    """A scheduler around whose submission the database's server ends our connection, as a restart of it does."""

    def __init__(self, inner: Any, after: bool) -> None:
        self._inner, self._after = inner, after

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def submit(self, submission: Any) -> str:
        job_id: str = self._inner.submit(submission) if self._after else ""
        _drop()
        return job_id or self._inner.submit(submission)


def _drop() -> None:
    told = connection.get_connection_params()
    names = {"host", "port", "user", "password", "dbname"}
    with psycopg.connect(**{name: told[name] for name in names & told.keys()}, autocommit=True) as other:
        pid = connection.connection.info.backend_pid
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])


@pytest.mark.parametrize("after", [True, False], ids=["with a job", "before there is one"])
def test_a_lost_connection_around_the_submission_makes_no_second_job(
    workspace_root: Path, settings: Any, after: bool
) -> None:
    settings.CONFIG_FILE = ""
    lab = Lab(workspace_root)
    request = lab.ask()
    assert lab.drive(request, Dropping(lab.scheduler, after)) == "submitting"
    request.refresh_from_db()
    assert request.job_id == ""
    assert request.said.startswith("Sweepboard failed (OperationalError, ")
    lab.later(seconds=(LEASE + SETTLE).total_seconds())
    assert lab.drive(request) == "submitted"
    request.refresh_from_db()
    assert lab.jobs == [request.job_id]
