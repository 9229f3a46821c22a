"""The wish that a run folder be uploaded: one at a time, driven to its end, whoever dies on the way."""

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from django.db import connection

from apps.audit.models import AuditEvent
from apps.core.errors import AlreadyDone, Permanent, Transient
from apps.sweeps.adapters.memory_folders import MemoryUploader
from apps.sweeps.models import RunFolder, UploadRequest
from apps.sweeps.services.uploads import (
    ATTEMPTS,
    LEASE,
    ask_for_upload,
    can_upload,
    drive_upload,
    unfinished_uploads,
)
from tests.factories.moments import NOW, before
from tests.factories.rows import RunFactory, WorkspaceFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def folder(db: None) -> RunFolder:
    return RunFolder.objects.create(
        workspace=WorkspaceFactory(), path="/shared/glue/wandb/offline-run-1", run_name="aaa", state="finished",
        modified_at=before(hours=5),
    )  # fmt: skip


def ask(folder: RunFolder) -> UploadRequest:
    return ask_for_upload(folder=folder, actor="mia", now=NOW)


def drive(request: UploadRequest, uploader: MemoryUploader, now: datetime = NOW) -> str:
    return drive_upload(request_pk=request.pk, uploader=uploader, clock=lambda: now)


def test_a_wish_is_a_row_and_an_audit_event(folder: RunFolder) -> None:
    request = ask(folder)
    assert (request.state, request.asked_by, unfinished_uploads(NOW)) == ("queued", "mia", [request.pk])
    event = AuditEvent.objects.get()
    assert (event.type, event.actor, event.subject) == ("upload.requested", "mia", "run aaa")


def test_a_second_wish_is_told_that_the_first_is_under_way(folder: RunFolder) -> None:
    ask(folder)
    with pytest.raises(AlreadyDone, match="under way already"):
        ask(folder)
    assert (UploadRequest.objects.count(), AuditEvent.objects.count()) == (1, 1)


def test_an_upload_ends_as_done_with_the_clients_last_word(folder: RunFolder) -> None:
    request, uploader = ask(folder), MemoryUploader("Syncing 1 run(s):", "Finished syncing")
    assert drive(request, uploader) == "done"
    request.refresh_from_db()
    folder.refresh_from_db()
    assert (request.said, request.finished_at, folder.synced) == ("Finished syncing", NOW, True)
    assert uploader.uploaded == [Path(folder.path)]
    assert AuditEvent.objects.filter(type="upload.done").count() == 1


def test_a_run_is_uploaded_into_the_project_in_which_the_board_shows_it(folder: RunFolder) -> None:
    uploader = MemoryUploader()
    folder.run = RunFactory(run_id="aaa", offline=True, state="finished")
    folder.save()
    drive(ask(folder), uploader)
    assert uploader.projects == ["team/glue"]


def test_a_folder_of_a_project_that_nobody_follows_goes_where_it_says_itself(folder: RunFolder) -> None:
    uploader = MemoryUploader()
    drive(ask(folder), uploader)
    assert uploader.projects == [""]


def test_a_message_that_comes_twice_uploads_once(folder: RunFolder) -> None:
    request, uploader = ask(folder), MemoryUploader()
    assert [drive(request, uploader), drive(request, uploader)] == ["done", "done"]
    assert len(uploader.uploaded) == 1


def test_a_request_that_somebody_drives_is_left_to_them_until_their_lease_ends(folder: RunFolder) -> None:
    request, uploader = ask(folder), MemoryUploader()
    UploadRequest.objects.update(state="running", claimed_at=NOW, attempts=1)  # a worker that died here
    assert drive(request, uploader, NOW + LEASE / 2) == "running"
    assert unfinished_uploads(NOW + LEASE / 2) == []
    late = NOW + LEASE + timedelta(seconds=1)
    assert unfinished_uploads(late) == [request.pk]
    assert drive(request, uploader, late) == "done"
    assert len(uploader.uploaded) == 1


def test_wandb_that_does_not_answer_is_tried_again_a_bounded_number_of_times(folder: RunFolder) -> None:
    request, uploader = ask(folder), MemoryUploader(failure=Transient("W&B does not answer."))
    states = [drive(request, uploader) for _ in range(ATTEMPTS)]
    assert states == ["queued"] * (ATTEMPTS - 1) + ["failed"]
    request.refresh_from_db()
    assert request.error == "W&B does not answer."
    assert request.error_id
    assert unfinished_uploads(NOW + timedelta(days=1)) == []
    assert AuditEvent.objects.get(type="upload.failed").detail["error_id"] == request.error_id


def test_a_refusal_is_not_tried_again_and_a_new_wish_may_follow(folder: RunFolder) -> None:
    request = ask(folder)
    assert drive(request, MemoryUploader(failure=Permanent("user is not logged in"))) == "failed"
    assert drive(ask(folder), MemoryUploader()) == "done"


def test_a_defect_of_ours_fails_the_request_with_a_reference(folder: RunFolder) -> None:
    class Broken(MemoryUploader):
        def upload(self, path: Path, say: object, project: str = "") -> None:
            raise ZeroDivisionError

    request = ask(folder)
    assert drive(request, Broken()) == "failed"
    request.refresh_from_db()
    assert "ZeroDivisionError" in request.error
    assert request.error_id


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"synced": True}, "on W&B already"),
        ({"state": "running", "modified_at": before(seconds=30)}, "still being written"),
        ({"problem": "rubbish"}, "rubbish"),
    ],
)
def test_what_cannot_be_uploaded_is_refused_with_a_sentence(
    folder: RunFolder, values: dict[str, object], sentence: str
) -> None:
    RunFolder.objects.update(**values)
    folder.refresh_from_db()
    assert not can_upload(folder, NOW)
    with pytest.raises(Permanent, match=sentence):
        ask(folder)


@pytest.mark.django_db(transaction=True)
def test_ten_presses_at_once_are_one_request(folder: RunFolder) -> None:
    outcomes: list[str] = []
    start = threading.Barrier(10)

    def press() -> None:
        start.wait()
        try:
            ask(folder)
            outcomes.append("asked")
        except AlreadyDone:
            outcomes.append("already")
        finally:
            connection.close()

    people = [threading.Thread(target=press) for _ in range(10)]
    for one in people:
        one.start()
    for one in people:
        one.join()
    assert sorted(outcomes) == ["already"] * 9 + ["asked"]
    assert UploadRequest.objects.count() == 1
