"""Bulk upsert: only what changed is touched, and what does not fit is made to fit."""

from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.core.upsert import upsert
from apps.slurm.models import Job
from apps.sweeps.models import Run
from tests.factories.moments import NOW
from tests.factories.rows import JobFactory, RunFactory

pytestmark = pytest.mark.django_db
KEY = ("entity", "project", "run_id")


def row(run_id: str, **values: object) -> dict[str, object]:
    return {"entity": "team", "project": "glue", "run_id": run_id, "state": "running", **values}


def test_new_rows_are_made_and_come_back_with_their_keys() -> None:
    result = upsert(Run, key=KEY, rows=[row("a"), row("b")])
    assert {run.run_id for run in result.created} == {"a", "b"}
    assert all(run.pk for run in result.created)


def test_rows_that_say_the_same_are_not_touched() -> None:
    upsert(Run, key=KEY, rows=[row("a", tags=["x"], heartbeat_at=NOW)])
    with CaptureQueriesContext(connection) as queries:
        result = upsert(Run, key=KEY, rows=[row("a", tags=["x"], heartbeat_at=NOW)])
    assert result.changed == []
    assert len(queries) == 1


def test_only_the_rows_that_changed_come_back_with_what_they_said_before() -> None:
    upsert(Run, key=KEY, rows=[row("a"), row("b")])
    result = upsert(Run, key=KEY, rows=[row("a", state="finished"), row("b")])
    (run,) = result.changed
    assert result.before == {run.pk: {"state": "running"}}
    assert Run.objects.get(run_id="a").state == "finished"


def test_of_two_rows_with_one_key_the_last_wins() -> None:
    upsert(Run, key=KEY, rows=[row("a"), row("a", state="crashed")])
    assert Run.objects.get().state == "crashed"


def test_an_empty_value_does_not_wipe_one_that_is_to_be_kept() -> None:
    job = JobFactory(comment="sweepboard:run=x", nodes="n1")
    values = {"cluster": job.cluster, "job_id": job.job_id, "submit_at": job.submit_at, "comment": "", "nodes": ""}
    upsert(Job, key=("cluster", "job_id", "submit_at"), rows=[values], keep_if_empty=("comment",))
    job.refresh_from_db()
    assert (job.comment, job.nodes) == ("sweepboard:run=x", "")


def test_the_submit_time_tells_two_attempts_apart() -> None:
    base = {"cluster": "memory", "job_id": "1", "state": "RUNNING"}
    rows = [{**base, "submit_at": NOW}, {**base, "submit_at": NOW + timedelta(seconds=1)}]
    assert len(upsert(Job, key=("cluster", "job_id", "submit_at"), rows=rows).created) == 2


def test_text_that_is_too_long_for_its_column_is_cut_and_stays_unchanged_after() -> None:
    long = row("a", group="g" * 900, url="u" * 3000)
    upsert(Run, key=KEY, rows=[long])
    run = Run.objects.get()
    assert (len(run.group), len(run.url)) == (500, 1000)
    assert upsert(Run, key=KEY, rows=[long]).changed == []


def test_a_nul_in_a_text_is_dropped_because_no_postgresql_takes_it() -> None:
    upsert(Run, key=KEY, rows=[row("a", notes="x\x00y")])
    assert Run.objects.get().notes == "xy"


def test_many_rows_cost_a_handful_of_queries() -> None:
    rows = [row(f"r{number}") for number in range(1200)]
    with CaptureQueriesContext(connection) as queries:
        upsert(Run, key=KEY, rows=rows)
    assert Run.objects.count() == 1200
    assert len(queries) < 60
    assert len(upsert(Run, key=KEY, rows=[{**one, "state": "finished"} for one in rows]).updated) == 1200


def test_other_rows_are_left_alone() -> None:
    other = RunFactory(state="running")
    upsert(Run, key=KEY, rows=[row("a", state="finished")])
    other.refresh_from_db()
    assert other.state == "running"
