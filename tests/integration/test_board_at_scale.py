"""A hundred thousand runs, and on PostgreSQL a million jobs: what the board and the passes ask stays indexed."""

import json
import re
from collections.abc import Callable, Iterator

import pytest
from django.db import connection
from django.db.transaction import atomic
from django.test import Client
from django.test.utils import CaptureQueriesContext
from pytest_django.plugin import DjangoDbBlocker

from apps.audit.selectors import freshness, last_good_cursor
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep
from tests.factories.people import UserFactory
from tests.factories.scale import Size, fill

pytestmark = [pytest.mark.django_db, pytest.mark.timeout(300)]
LARGE = {"sweeps_run", "slurm_job", "flags_runstatus", "links_runlink", "checkpoints_checkpoint", "flags_flag",
         "audit_syncpass", "sweeps_runhistory", "joblogs_logtrace", "joblogs_logfile"}  # fmt: skip

# A walk down the primary key that ends after a page is as short as the page.
THE_LATEST = re.compile(r'^(?!.* WHERE ).* ORDER BY "audit_syncpass"\."id" DESC LIMIT \d+$')


@pytest.fixture(scope="module")
def years(django_db_setup: None, django_db_blocker: DjangoDbBlocker) -> Iterator[Size]:
    """The rows of years, taken back after the module."""
    size = Size(100_000, 1_000_000 if connection.vendor == "postgresql" else 100_000)
    with django_db_blocker.unblock():
        block = atomic()
        block.__enter__()
        try:
            fill(size)
            yield size
        finally:
            connection.set_rollback(True)
            block.__exit__(None, None, None)


def whole_tables_read(ask: Callable[[], object]) -> dict[str, str]:
    """Return which large tables any query of ``ask`` reads row by row, with the query."""
    with CaptureQueriesContext(connection) as queries:
        ask()
    found = {}
    for query in queries.captured_queries:
        if query["sql"].lstrip("( ").startswith("SELECT"):
            found.update(dict.fromkeys(_read_whole(query["sql"]) & LARGE, query["sql"][:2000]))
    return {table: sql for table, sql in found.items() if not THE_LATEST.search(sql)}


def _read_whole(sql: str) -> set[str]:
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute(f"EXPLAIN (FORMAT JSON) {sql}")
            plan = cursor.fetchone()[0]
            return _sequential((json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"])
        cursor.execute(f"EXPLAIN QUERY PLAN {sql}")
        steps = [row[3] for row in cursor.fetchall()]
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'index' AND sql LIKE '% WHERE %'")
        partial = {row[0] for row in cursor.fetchall()}
    # A whole index read from end to end is as long as its table; a partial one is not.
    scans = [found for step in steps if (found := re.match(r"SCAN (\w+)(?: USING (?:COVERING )?INDEX (\w+))?", step))]
    return {found[1] for found in scans if found[2] not in partial}


def _sequential(plan: dict[str, object]) -> set[str]:
    found = {str(plan["Relation Name"])} if plan["Node Type"] == "Seq Scan" else set()
    inner = plan.get("Plans", [])
    assert isinstance(inner, list)
    return found.union(*(_sequential(one) for one in inner))


def test_the_board_and_its_updates_read_no_large_table_from_end_to_end(years: Size, settings: object) -> None:
    settings.CONFIG_FILE = ""  # type: ignore[attr-defined]
    client = Client()
    client.force_login(UserFactory(), "django.contrib.auth.backends.ModelBackend")
    live = Sweep.objects.live().order_by("pk").last()
    assert live is not None
    for path in (
        "/",
        f"/?open={live.pk}",
        f"/board/updates?since=1&shown={live.pk}",
        "/inbox",
        "/flags",
        "/flags?show=cleared",
        "/discrepancies",
        "/preemptions",
        "/offline",
        "/ops/sources",
    ):
        assert whole_tables_read(lambda path=path: client.get(path)) == {}, path  # type: ignore[misc]  # bound now


def test_what_every_pass_asks_reads_no_large_table_from_end_to_end(years: Size) -> None:
    questions: dict[str, Callable[[], object]] = {
        "live runs": lambda: list(Run.objects.live().values_list("pk", flat=True)),
        "live jobs": lambda: list(Job.objects.live().values_list("pk", flat=True)),
        "runs by name": lambda: list(Run.objects.of_project("team/glue").filter(run_id__in=["run5", "run77"])),
        "freshness": freshness,
        "cursor": lambda: last_good_cursor("wandb", "team/glue"),
    }
    assert {name: found for name, ask in questions.items() if (found := whole_tables_read(ask))} == {}
