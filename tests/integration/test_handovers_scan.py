"""The registry follows what happens to the documents of a workspace, and keeps every version."""

import os
from pathlib import Path
from typing import Any

import pytest

from apps.audit.models import SyncPass
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.models import CheckoutKey, Content, Handover, Mention, Version
from apps.handovers.services import scanning
from apps.handovers.services.reading import bytes_of
from apps.handovers.services.scanning import Scanned, scan_workspace
from apps.workspaces.models import Workspace
from tests.factories.handovers import KEY, LATER, document, put, repository, workspace_at, worktree
from tests.factories.moments import NOW
from tests.factories.rows import JobFactory, RunFactory, SweepFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_at(repository(tmp_path / "glue"))


def scan(workspace: Workspace, **options: Any) -> Scanned:
    return scan_workspace(workspace=workspace, store=FilesystemDocumentStore(), now=NOW, **options)


def events(key: str = KEY) -> list[str]:
    return list(Version.objects.filter(handover__key=key).values_list("event", flat=True))


def test_a_new_document_is_in_the_registry_with_all_that_it_says(workspace: Workspace) -> None:
    path = put(workspace.path, f"{KEY}.md", document())
    assert scan(workspace).ok
    row = Handover.objects.get()
    assert (row.key, row.path, row.state, row.branch, row.agent) == (
        KEY, str(path), "current", "feature/cosine", "coder-1",
    )  # fmt: skip
    assert (row.focus, row.pending_open, row.pending_done) == ("why the cosine schedule stalls", 1, 1)
    assert "Key Decisions" in row.sections
    assert (row.date_source, row.findings) == ("key", [])
    assert row.content is not None
    assert row.content.text == document()
    assert events() == ["appeared"]


def test_a_pass_in_which_nothing_changed_opens_no_document_and_writes_its_own_row_only(
    workspace: Workspace, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        put(workspace.path, f"HO-20261103-14{number:02}-a1b2c3.md", document(f"HO-20261103-14{number:02}-a1b2c3"))
    assert scan(workspace).reads == 30
    before = [model.objects.count() for model in (Version, Mention, Content)]
    with django_assert_max_num_queries(10):
        second = scan(workspace)
    assert (second.reads, second.changed, second.ok) == (0, set(), True)
    assert [model.objects.count() for model in (Version, Mention, Content)] == before
    assert SyncPass.objects.filter(source="handovers").count() == 2


def test_an_edit_keeps_both_versions(workspace: Workspace) -> None:
    path = put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    path.write_text(document(focus="another one"))
    scan(workspace)
    assert events() == ["appeared", "edited"]
    row = Handover.objects.get()
    assert row.focus == "another one"
    assert row.handed_over != row.content
    assert Content.objects.count() == 2


def test_a_file_that_was_only_touched_is_read_and_tells_nothing(workspace: Workspace) -> None:
    path = put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    os.utime(path, (1, 1))
    assert scan(workspace).reads == 1
    assert events() == ["appeared"]


def test_a_move_to_the_archive_and_back_is_told_as_such(workspace: Workspace) -> None:
    path = put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    (workspace.path / "CLAUDE" / "archive").mkdir()
    archived = path.rename(workspace.path / "CLAUDE" / "archive" / path.name)
    scan(workspace)
    row = Handover.objects.get()
    assert (row.state, row.path) == ("archived", str(archived))
    archived.rename(path)
    scan(workspace)
    assert events() == ["appeared", "moved", "moved"]
    assert Version.objects.last().path_before == str(archived)  # type: ignore[union-attr]
    assert Handover.objects.get().state == "current"


def test_many_documents_that_move_at_once_are_all_told_as_moved(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(scanning, "AT_ONCE", 3)
    keys = [f"HO-20261103-14{number:02}-a1b2c3" for number in range(10)]
    paths = [put(workspace.path, f"{key}.md", document(key)) for key in keys]
    scan(workspace)
    (workspace.path / "CLAUDE" / "archive").mkdir()
    for path in paths:
        path.rename(path.parent / "archive" / path.name)
    scan(workspace)
    assert [events(key) for key in keys] == [["appeared", "moved"]] * 10


def test_a_rename_stays_the_same_handover(workspace: Workspace) -> None:
    path = put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    pk = Handover.objects.get().pk
    path.rename(path.with_name(f"{LATER}.md"))
    scan(workspace)
    row = Handover.objects.get()
    assert (row.pk, row.key, row.text_key) == (pk, LATER, KEY)
    assert events(LATER) == ["appeared", "renamed"]
    assert "key-mismatch" in [one["id"] for one in row.findings]


def test_a_document_that_lies_twice_and_is_renamed_in_both_places_is_renamed_once(
    workspace: Workspace, tmp_path: Path
) -> None:
    other = worktree(workspace.path, "feature/cosine")
    paths = [put(root, f"{KEY}.md", document()) for root in (workspace.path, other)]
    scan(workspace)
    for path in paths:
        path.rename(path.with_name(f"{LATER}.md"))
    scan(workspace)
    assert [row.key for row in Handover.objects.all()] == [LATER]
    assert events(LATER) == ["appeared", "renamed"]


def test_a_deleted_document_is_gone_and_keeps_what_it_said_until_it_is_back(workspace: Workspace) -> None:
    path = put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    path.unlink()
    scan(workspace)
    row = Handover.objects.get()
    assert (row.state, row.focus) == ("gone", "why the cosine schedule stalls")
    assert row.content is not None
    put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    assert events() == ["appeared", "deleted", "restored"]
    assert Handover.objects.get().state == "current"


def test_a_document_that_is_written_twice_is_one_handover(workspace: Workspace) -> None:
    other = worktree(workspace.path, "feature/cosine")
    for root in (workspace.path, other):
        put(root, f"{KEY}.md", document())
    scan(workspace)
    row = Handover.objects.get()
    assert (row.files.count(), row.findings, row.path) == (2, [], str(workspace.path / "CLAUDE" / f"{KEY}.md"))
    assert events() == ["appeared"]
    (other / "CLAUDE" / f"{KEY}.md").write_text(document(focus="only here"))
    scan(workspace)
    assert "copies-differ" in [one["id"] for one in Handover.objects.get().findings]
    assert Content.objects.count() == 2


def test_two_files_with_one_key_are_both_there_and_both_say_so(workspace: Workspace) -> None:
    put(workspace.path, f"{KEY}.md", document())
    second = put(workspace.path, f"{KEY}-draft.md", document(focus="the other one"))
    scan(workspace)
    rows = Handover.objects.filter(key=KEY)
    assert {row.focus for row in rows} == {"why the cosine schedule stalls", "the other one"}
    assert all("two-files-one-key" in [one["id"] for one in row.findings] for row in rows)
    second.unlink()
    scan(workspace)
    assert Handover.objects.get(name=KEY).findings == []


def test_the_newest_of_a_branch_is_current_and_the_older_one_says_by_which_it_is_superseded(
    workspace: Workspace,
) -> None:
    put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    put(workspace.path, f"{LATER}.md", document(LATER))
    scan(workspace)
    older = Handover.objects.get(key=KEY)
    assert older.superseded_by is not None
    assert (older.state, older.superseded_by.key) == ("superseded", LATER)
    (workspace.path / "CLAUDE.md").write_text(f"Handover Key: {KEY}\n")
    scan(workspace)
    assert set(Handover.objects.values_list("key", "state")) == {(KEY, "current"), (LATER, "current")}
    assert CheckoutKey.objects.get().key == KEY


def test_a_key_in_the_prose_of_an_index_makes_no_handover_current(workspace: Workspace) -> None:
    put(workspace.path, f"{KEY}.md", document(branch="main"))
    put(workspace.path, f"{LATER}.md", document(LATER, branch="main"))
    (workspace.path / "CLAUDE.md").write_text(f"# Ours\n\nThe seed of [{KEY}](CLAUDE/{KEY}.md) must stay.\n")
    scan(workspace)
    assert dict(Handover.objects.values_list("key", "state")) == {KEY: "superseded", LATER: "current"}
    row = CheckoutKey.objects.get()
    assert (row.key, row.mentions) == ("", {KEY: 3})
    (workspace.path / "CLAUDE.md").write_text(f"# Ours\n\nHandover Key: {LATER}\nThe seed of {KEY} must stay.\n")
    scan(workspace)
    row.refresh_from_db()
    assert (row.key, row.mentions) == (LATER, {})


def test_a_document_of_a_worktree_without_a_branch_has_that_of_its_worktree(workspace: Workspace) -> None:
    other = worktree(workspace.path, "feature/warmup")
    put(other, f"{KEY}.md", "# Notes\n\nfree text")
    scan(workspace)
    assert Handover.objects.get().branch == "feature/warmup"
    assert set(CheckoutKey.objects.values_list("branch", "is_main")) == {("main", True), ("feature/warmup", False)}


def test_what_a_document_names_is_linked_at_once_or_when_it_appears(workspace: Workspace) -> None:
    text = document(next_actions=("Resume run 8x2kq0ab of sweep swp00001, job 4711_2 has its log",))
    put(workspace.path, f"{KEY}.md", text)
    sweep = SweepFactory(sweep_id="swp00001")
    scan(workspace)
    assert [one.handover.key for one in sweep.handover_mentions.all()] == [KEY]
    run, job = RunFactory(run_id="8x2kq0ab", sweep=sweep), JobFactory(job_id="4711_2")
    assert scan(workspace).reads == 0
    assert (run.handover_mentions.count(), job.handover_mentions.count()) == (1, 1)


def test_what_an_edited_document_no_longer_names_is_linked_no_longer(workspace: Workspace) -> None:
    sweep = SweepFactory(sweep_id="swp00001")
    path = put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    assert sweep.handover_mentions.count() == 1
    path.write_text(document(changes=("nothing",)))
    scan(workspace)
    assert sweep.handover_mentions.count() == 0


def test_a_workspace_that_is_away_loses_nothing(workspace: Workspace) -> None:
    put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    workspace.path.rename(workspace.path.with_name("elsewhere"))
    assert not scan(workspace).ok
    assert "is not there" in SyncPass.objects.latest("pk").error
    assert Handover.objects.get().state == "current"


def test_bytes_that_are_no_text_are_kept_as_they_are(workspace: Workspace) -> None:
    data = b"\xef\xbb\xbf# Handover\r\n\xff\xfe\x00 caf\xe9\r\n"
    put(workspace.path, f"{KEY}.md", data)
    scan(workspace)
    row = Handover.objects.get()
    assert row.content is not None
    assert bytes_of(row.content) == data
    assert {"byte-order-mark", "not-utf8", "nul-characters", "line-ends"} <= {one["id"] for one in row.findings}


def test_a_document_beyond_the_limit_is_kept_up_to_it_and_says_so(workspace: Workspace) -> None:
    put(workspace.path, f"{KEY}.md", document() + "x" * 5000)
    scan(workspace, limit=3000)
    row = Handover.objects.get()
    assert row.content is not None
    assert (row.content.size, row.content.cut, row.focus) == (3000, True, "why the cosine schedule stalls")
    assert "too-large" in [one["id"] for one in row.findings]


def test_what_is_no_document_is_a_finding_and_is_not_looked_at_again(workspace: Workspace, tmp_path: Path) -> None:
    folder = workspace.path / "CLAUDE"
    folder.mkdir()
    outside = tmp_path / "outside.md"
    outside.write_text(document())
    os.mkfifo(folder / "HO-20261103-0001-aaaa.md")
    (folder / "HO-20261103-0002-aaaa.md").symlink_to(outside)
    (folder / "HO-20261103-0003-aaaa.md").symlink_to("nothing")
    (folder / "HO-20261103-0004-aaaa.md").mkdir()
    (folder / "HO-20261103-0005-aaaa.md").symlink_to("/dev/zero")
    scan(workspace)
    told = {row.key[12:16]: row.findings[0]["id"] for row in Handover.objects.all()}
    assert told == {
        "0001": "not-a-file", "0002": "link-leads-out", "0003": "dangling-link", "0004": "not-a-file",
        "0005": "link-leads-out",
    }  # fmt: skip
    assert scan(workspace).changed == set()
