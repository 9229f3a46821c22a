"""The screen of sources, the screen of offline runs, and who may act on them."""

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from apps.audit.models import AuditEvent, SyncPass
from apps.core.clock import utcnow
from apps.ops.sources import recent_passes, source_rows
from apps.sweeps.models import RunFolder, RunHistory, UploadRequest
from tests.factories.moments import NOW, before
from tests.factories.rows import RunFactory, SweepFactory, SyncPassFactory, WorkspaceFactory

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


@pytest.fixture(autouse=True)
def _no_configuration(settings: Any) -> None:
    settings.CONFIG_FILE = ""


@pytest.fixture
def folder() -> RunFolder:
    run = RunFactory(offline=True, state="finished", sweep=SweepFactory(), name="calm-sea")
    return RunFolder.objects.create(
        workspace=WorkspaceFactory(name="glue"), path="/shared/glue/wandb/offline-run-1", run_name=run.run_id, run=run,
        state="finished", step=12, modified_at=before(hours=5, minutes=2),
    )  # fmt: skip


def test_every_source_tells_its_last_pass_and_its_next(viewer: Client) -> None:
    SyncPassFactory(started_at=before(seconds=12), finished_at=before(seconds=10), seen=150, changed=3, requests=4)
    (row,) = source_rows()
    assert (row.title, row.scope, row.level, row.task) == ("W&B", "team/glue", "ok", "wandb")
    assert row.next_at == before(seconds=12) + timedelta(seconds=30)
    text = viewer.get("/ops/sources").content.decode()
    for said in ("team/glue", "2.00 s", "150", "✓ well"):
        assert said in text, said
    assert re.search(r"in 1\d s", text)
    assert re.search(r"1\d s ago", text)


def test_a_source_in_trouble_stands_first_with_its_sentence_and_its_last_good_pass(viewer: Client) -> None:
    SyncPassFactory(source="wandb", finished_at=before(minutes=7), started_at=before(minutes=7))
    SyncPassFactory(source="slurm", scope="hpc")
    SyncPassFactory(source="wandb", error="W&B fails with HTTP 500.", error_id="3f9c21ab77d0")
    assert [(row.source, row.level) for row in source_rows()] == [("wandb", "failed"), ("slurm", "ok")]
    text = viewer.get("/ops/sources").content.decode()
    assert "W&amp;B fails with HTTP 500." in text
    assert "3f9c21ab77d0" in text
    assert "7 min ago" in text


def test_a_source_whose_passes_stopped_is_stale() -> None:
    SyncPassFactory(started_at=before(minutes=9), finished_at=before(minutes=9))
    assert source_rows()[0].level == "stale"


def test_a_source_that_asked_to_wait_is_shown_as_held(viewer: Client) -> None:
    SyncPassFactory(error="W&B asks us to slow down.", retry_at=NOW + timedelta(minutes=2))
    (row,) = source_rows()
    assert (row.held, row.next_at) == (True, NOW + timedelta(minutes=2))
    assert "held until 12:02:00 UTC" in viewer.get("/ops/sources").content.decode()


def test_the_past_is_filtered_by_source_and_by_failure(viewer: Client) -> None:
    SyncPassFactory(source="slurm", scope="hpc", error="slurmctld is down")
    SyncPassFactory(source="wandb")
    assert [row.title for row in recent_passes()] == ["W&B", "Slurm"]
    assert [row.title for row in recent_passes(failed=True)] == ["Slurm"]
    assert "slurmctld is down" not in viewer.get("/ops/sources?source=wandb").content.decode().split("lately")[1]
    assert viewer.get("/ops/sources?source=%00nothing").status_code == 200


def test_the_screen_says_what_to_do_before_the_first_pass(viewer: Client) -> None:
    assert "No source was read yet" in viewer.get("/ops/sources").content.decode()


def test_only_an_operator_is_offered_a_pass_and_it_is_audited(viewer: Client, operator: Client, settings: Any) -> None:
    settings.CELERY_BROKER_URL = "memory://"
    SyncPassFactory()
    assert "Sync now" not in viewer.get("/ops/sources").content.decode()
    assert "Sync now" in operator.get("/ops/sources").content.decode()
    assert viewer.post("/ops/sync", {"source": "wandb"}).status_code == 403
    answer = operator.post("/ops/sync", {"source": "histories", "next": "/ops/sources"})
    assert answer["Location"] == "/ops/sources"
    assert AuditEvent.objects.get().subject == "what runs logged"
    operator.post("/ops/sync", {"source": "nonsense"})
    assert AuditEvent.objects.count() == 1


def test_the_sources_cost_a_fixed_number_of_queries(viewer: Client, django_assert_num_queries: Any) -> None:
    for number in range(30):
        SyncPassFactory(scope=f"team/p{number}")
    viewer.get("/ops/sources")
    with django_assert_num_queries(12):
        viewer.get("/ops/sources")


def test_an_offline_run_is_shown_with_how_long_it_is_not_synced(viewer: Client, folder: RunFolder) -> None:
    text = viewer.get("/offline").content.decode()
    for said in ("calm-sea", "not synced for 5 h 02 min", folder.path, "12 log calls", "glue"):
        assert said in text, said
    assert "<button" not in text.split('id="offline"')[1]


def test_the_header_counts_what_is_not_on_wandb(viewer: Client, folder: RunFolder) -> None:
    assert '<span class="tag">1</span>' in viewer.get("/offline").content.decode()


def test_an_operator_asks_for_an_upload_and_a_second_press_changes_nothing(operator: Client, folder: RunFolder) -> None:
    answer = operator.post(f"/offline/{folder.pk}/upload", follow=True)
    assert "is asked for" in answer.content.decode()
    assert "waiting for a worker" in answer.content.decode()
    again = operator.post(f"/offline/{folder.pk}/upload", headers={"HX-Request": "true", "HX-Target": "offline"})
    assert "under way already" in again.content.decode()
    assert UploadRequest.objects.count() == 1


def test_a_viewer_may_not_upload(viewer: Client, folder: RunFolder) -> None:
    assert viewer.post(f"/offline/{folder.pk}/upload").status_code == 403
    assert viewer.post("/offline/upload-all").status_code == 403
    assert UploadRequest.objects.count() == 0


def test_a_run_that_is_still_written_cannot_be_uploaded_and_the_button_says_why(
    operator: Client, folder: RunFolder
) -> None:
    RunFolder.objects.update(state="running", modified_at=before(seconds=20))
    text = operator.get("/offline").content.decode()
    assert 'disabled title="Run' in text
    assert "still being written" in text


def test_all_that_can_be_uploaded_is_asked_for_at_once(operator: Client, folder: RunFolder) -> None:
    RunFolder.objects.create(
        workspace=folder.workspace, path="/x", run_name="live", state="running", modified_at=before(seconds=5)
    )
    assert "1 uploads are asked for" in operator.post("/offline/upload-all", follow=True).content.decode()
    assert UploadRequest.objects.get().folder == folder
    assert "No run can be uploaded" in operator.post("/offline/upload-all", follow=True).content.decode()


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"state": "running", "said": "setting up run aaa", "claimed_at": NOW}, "setting up run aaa"),
        ({"state": "queued", "error": "W&B does not answer.", "attempts": 2}, "tried 2 times"),
        ({"state": "failed", "error": "user is not logged in", "error_id": "3f9c21ab77d0"}, "3f9c21ab77d0"),
    ],
)
def test_the_progress_of_an_upload_is_shown(
    operator: Client, folder: RunFolder, values: dict[str, Any], said: str
) -> None:
    UploadRequest.objects.create(folder=folder, asked_by="mia", asked_at=utcnow(), **values)
    assert said in operator.get("/offline").content.decode()


def test_without_offline_runs_the_screen_says_so(viewer: Client) -> None:
    assert "Nobody has looked yet" in viewer.get("/offline").content.decode()
    SyncPassFactory(source="wandb-local", scope="glue")
    assert "Every run is on W&amp;B" in viewer.get("/offline").content.decode()
    SyncPassFactory(source="wandb-local", scope="glue", error="/shared is not there", error_id="3f9c21ab77d0")
    assert "/shared is not there" in viewer.get("/offline").content.decode()


def test_the_board_shows_purpose_curve_gpu_and_what_is_offline(viewer: Client, folder: RunFolder) -> None:
    run = folder.run
    assert run is not None
    assert run.sweep is not None
    run.sweep.purpose = "Does warm-up matter?"
    run.sweep.save()
    run.gpu_percent, run.metric_value = 93, 0.5
    run.save()
    RunHistory.objects.create(run=run, metric=[[0, 2.0], [1, 0.5]], loss=[[0, 3.0], [1, 1.0]])
    text = viewer.get(f"/?open={run.sweep.pk}").content.decode()
    for said in (
        "Does warm-up matter?",
        "loss: from 2 to 0.5 over 2 points",
        "93 %",
        'href="/offline"',
        ">offline</a>",
    ):
        assert said in text, said


def test_old_passes_stay_readable(viewer: Client) -> None:
    SyncPassFactory(source="retention", scope="old rows", finished_at=before(days=2), started_at=before(days=2))
    assert SyncPass.objects.get().seconds == 0
    assert "Thinning out" in viewer.get("/ops/sources").content.decode()
