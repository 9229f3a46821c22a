"""The passes over handovers as beat sends them."""

from datetime import UTC, datetime, timedelta

import pytest

from apps.audit.models import SyncPass
from apps.config.schedule import beat_schedule
from apps.core.locks import lease
from apps.handovers.models import Handover
from apps.handovers.tasks import archive, scan
from apps.ops.sources import source_rows
from apps.workspaces.models import Workspace
from tests.factories.handovers import KEY, document, put

pytestmark = pytest.mark.django_db


def test_beat_looks_often_enough_that_a_new_file_is_known_within_a_minute() -> None:
    entry = beat_schedule()["scan-handovers"]
    assert (entry["task"], entry["schedule"]) == ("handovers.scan", 30.0)


def test_a_pass_reads_every_workspace_and_shows_among_the_sources(glue: Workspace) -> None:
    put(glue.path, f"{KEY}.md", document())
    scan()
    assert Handover.objects.get().key == KEY
    assert [(row.title, row.scope) for row in source_rows()] == [("Handovers", "glue")]


def test_a_pass_that_another_one_overlaps_does_nothing(glue: Workspace) -> None:
    with lease(f"handovers:{glue.pk}", seconds=30):
        scan()
    assert not SyncPass.objects.filter(source="handovers").exists()


def test_one_workspace_that_is_away_stops_no_other(glue: Workspace, tmp_path: object) -> None:
    Workspace.objects.create(name="away", root=f"{tmp_path}/nowhere")
    put(glue.path, f"{KEY}.md", document())
    old = f"HO-{datetime.now(tz=UTC) - timedelta(days=30):%Y%m%d-%H%M}-abcd"
    put(glue.path, f"{old}.md", document(old, branch="old"))
    scan()
    archive()
    assert Handover.objects.get(key=old).state == "archived"
    assert SyncPass.objects.filter(scope="away").exclude(error="").exists()
