"""Writing, picking up, verifying and archiving handovers of a workspace, on real git checkouts."""

import os
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from apps.audit.models import AuditEvent
from apps.core.errors import Permanent
from apps.handovers import selectors
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.adapters.git_cli import GitCli
from apps.handovers.domain.document import Check
from apps.handovers.domain.index import pointer_in
from apps.handovers.domain.parsing import parse
from apps.handovers.domain.verifying import verify
from apps.handovers.models import Handover, Version
from apps.handovers.services import archiving, prefilling
from apps.handovers.services.archiving import Outcome, archive_old, restore
from apps.handovers.services.pickups import pick_up, release_old
from apps.handovers.services.prefilling import Prefill, prefill
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.services.writing import Wish, Written, write_handover
from apps.workspaces.models import Workspace
from tests.factories.handovers import KEY, LATER, document, git, put, repository, workspace_at, worktree
from tests.factories.moments import NOW
from tests.factories.rows import FlagFactory, RunFactory, SweepFactory

pytestmark = pytest.mark.django_db
STORE = FilesystemDocumentStore()
WISH = Wish("why it stalls", ("Resume run 8x2kq0ab",), agent="coder-1", checks=(Check("pytest -q", "12 passed"),))


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    return workspace_at(repository(tmp_path / "glue"))


def filled(workspace: Workspace, checkout: Path | None = None) -> Prefill:
    return prefill(checkout=checkout or workspace.path, store=STORE, work=GitCli(), workspace=workspace)


def hand_over(workspace: Workspace, checkout: Path | None = None, wish: Wish = WISH, now: datetime = NOW) -> Written:
    told = filled(workspace, checkout)
    return write_handover(wish=wish, prefill=told, store=STORE, now=now, actor="mia", workspace=workspace)


def scan(workspace: Workspace) -> None:
    scan_workspace(workspace=workspace, store=STORE, now=NOW)


def answers(key: str, checkout: str = "") -> dict[str, str]:
    facts = selectors.verify_facts(selectors.handover_of(key), checkout)
    return {line.id: line.answer.value for line in verify(facts)}


def test_a_handover_in_a_worktree_is_written_twice_and_both_indexes_point_at_it(workspace: Workspace) -> None:
    other = worktree(workspace.path, "feature/cosine")
    (other / "CLAUDE.md").write_bytes(b"# Ours\r\nkeep\r\n")
    done = hand_over(workspace, other)
    texts = {Path(path).read_text() for path in done.paths}
    assert texts == {done.text}
    assert [Path(path).parents[1] for path in done.paths] == [other, workspace.path]
    for index in done.indexes:
        pointer = pointer_in(Path(index).read_bytes())
        assert pointer is not None
        assert pointer.key == done.key
    assert (other / "CLAUDE.md").read_bytes().endswith(b"# Ours\r\nkeep\r\n")
    row = Handover.objects.get()
    assert (row.key, row.state, row.branch, row.findings) == (done.key, "current", "feature/cosine", [])
    assert AuditEvent.objects.filter(type="handover.written", subject=done.key, actor="mia").exists()
    assert done.prompt.startswith(f"Handover Key: {done.key}\nBranch: feature/cosine\n")


def test_what_git_and_the_workspace_tell_is_filled_in(workspace: Workspace) -> None:
    workspace.config = {"projects": ["team/glue"]}
    workspace.save()
    other = worktree(workspace.path, "feature/cosine")
    (other / "model.py").write_text("x = 1\n")
    git(other, "add", "model.py")
    git(other, "commit", "-q", "-m", "Count warm-up in steps | not epochs")
    (other / "notes.txt").write_text("not added")
    sweep = SweepFactory(sweep_id="swp00001", workspace=workspace)
    run = RunFactory(run_id="8x2kq0ab", sweep=sweep)
    FlagFactory(run=run)
    told = filled(workspace, other)
    assert told.branch == "feature/cosine"
    assert told.commits[0].subject == "Count warm-up in steps | not epochs"
    assert told.uncommitted == ("?? notes.txt",)
    assert "8x2kq0ab of sweep swp00001" in told.runs[0]
    assert told.flags == ("Flag zombie (critical) on run 8x2kq0ab",)
    assert told.problems == ()


def test_what_the_last_handover_of_the_branch_left_open_is_carried_over(workspace: Workspace) -> None:
    put(workspace.path, f"{KEY}.md", document(branch="main"))
    scan(workspace)
    told = filled(workspace)
    assert (told.previous, [box.text for box in told.pending]) == (KEY, ["Rerun the ablation"])
    written = hand_over(workspace)
    read = parse(written.text.encode(), f"{written.key}.md")
    assert [box.text for box in read.pending_open] == ["Rerun the ablation"]


def test_only_commits_since_the_last_handover_are_listed(workspace: Workspace) -> None:
    put(workspace.path, "HO-20990101-0000-abcdef.md", document("HO-20990101-0000-abcdef", branch="main"))
    scan(workspace)
    assert filled(workspace).commits == ()


@pytest.mark.parametrize(("wish", "why"), [(Wish("", ("x",)), "focus"), (Wish("x", (" ",)), "next action")])
def test_focus_and_next_action_are_required(workspace: Workspace, wish: Wish, why: str) -> None:
    with pytest.raises(Permanent, match=why):
        hand_over(workspace, wish=wish)
    assert not (workspace.path / "CLAUDE").exists()


def test_a_claim_without_a_command_and_its_result_is_warned_of(workspace: Workspace) -> None:
    done = hand_over(workspace, wish=Wish("x", ("y",), changes=("All tests pass",)))
    assert [one.id for one in done.warnings] == ["claim-without-proof"]
    assert hand_over(workspace).warnings == ()


def test_the_last_handovers_commands_are_carried_over_and_their_results_are_not(workspace: Workspace) -> None:
    hand_over(workspace)
    assert filled(workspace).checks == (Check("pytest -q", ""),)
    claiming = Wish("x", ("y",), changes=("All tests pass",))
    done = hand_over(workspace, wish=claiming, now=NOW + timedelta(days=1))
    assert [one.id for one in done.warnings] == ["claim-without-proof", "check-without-result"]
    anew = Wish("x", ("y",), checks=(Check("pytest -q", "14 passed"), Check("ruff check .", "clean")))
    done = hand_over(workspace, wish=anew, now=NOW + timedelta(days=2))
    assert done.warnings == ()
    assert done.text.count("pytest -q") == 1
    assert "| `pytest -q` | 14 passed |" in done.text


def test_what_a_room_above_knows_of_validations_is_carried_over_and_a_failure_there_stops_nothing(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> list[Check]:
        raise RuntimeError("no")

    hand_over(workspace)
    told = [Check("pytest -q", "exit status 0: 14 passed")]
    monkeypatch.setattr(prefilling, "_SUPPLIERS", [fails, lambda *_: told])
    assert filled(workspace).checks == tuple(told)


def test_two_handovers_of_one_moment_have_two_keys(workspace: Workspace) -> None:
    keys = {hand_over(workspace).key for _ in range(3)}
    assert len(keys) == 3


def test_git_that_hangs_or_is_missing_is_said_and_stops_nothing(workspace: Workspace, tmp_path: Path) -> None:
    slow = tmp_path / "git"
    slow.write_text("#!/bin/sh\nsleep 60\n")
    slow.chmod(0o755)
    told = GitCli(seconds=0.2, program=str(slow)).work(workspace.path, None)
    assert any("did not answer within 0.2 seconds" in one for one in told.problems)
    told = GitCli(program=str(tmp_path / "none")).work(workspace.path, None)
    assert any("cannot be run" in one for one in told.problems)
    assert GitCli().work(tmp_path, None).problems[0].endswith("branch and commits are unknown.")


def test_nothing_that_a_repository_configures_is_run(workspace: Workspace, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "diff.external"):
        git(workspace.path, "config", key, str(trap))
    assert GitCli().work(workspace.path, None).branch == "main"
    assert not (tmp_path / "sprung").exists()


def test_a_second_pickup_is_recorded_and_told_of_the_first(workspace: Workspace) -> None:
    put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    row = Handover.objects.get()
    first = pick_up(handover=row, who="mia", kind="person", now=NOW)
    again = pick_up(handover=row, who="mia", kind="person", now=NOW)
    second = pick_up(handover=row, who="coder-2", kind="agent", now=NOW + timedelta(hours=1))
    assert (first.before, again.pickup.pk) == (None, first.pickup.pk)
    assert second.before == first.pickup
    assert second.sentence.endswith(f"mia had picked it up already, at {NOW:%Y-%m-%d %H:%M} UTC.")
    assert row.pickups.count() == 2
    with pytest.raises(Permanent, match="needs a name"):
        pick_up(handover=row, who=" ", kind="person", now=NOW)


def test_a_handover_that_is_over_is_not_picked_up_and_of_a_superseded_one_the_newer_is_told(
    workspace: Workspace,
) -> None:
    put(workspace.path, f"{KEY}.md", document())
    put(workspace.path, f"{LATER}.md", document(LATER))
    scan(workspace)
    row = Handover.objects.get(key=KEY)
    assert f"{LATER} came after {KEY}" in pick_up(handover=row, who="mia", kind="person", now=NOW).sentence
    for state, said in (("gone", "is gone"), ("archived", f"in the archive. {LATER} came after it")):
        Handover.objects.filter(key=KEY).update(state=state)
        with pytest.raises(Permanent, match=said):
            pick_up(handover=row, who="tom", kind="person", now=NOW)
    assert row.pickups.count() == 1


def test_a_pickup_ends_when_the_work_is_handed_on_or_when_it_is_too_old(workspace: Workspace) -> None:
    put(workspace.path, f"{KEY}.md", document())
    scan(workspace)
    row = Handover.objects.get()
    pick_up(handover=row, who="mia", kind="person", now=NOW - timedelta(hours=1))
    put(workspace.path, f"{LATER}.md", document(LATER))
    scan(workspace)
    ended = row.pickups.get()
    assert ended.released_why == f"handed on by {LATER}"
    later = pick_up(handover=row, who="tom", kind="person", now=NOW + timedelta(minutes=5))
    scan(workspace)
    assert selectors.live_pickup(row) == later.pickup
    release_old(workspace=workspace, days=14, now=NOW + timedelta(days=15))
    assert selectors.live_pickup(row) is None


def test_each_line_of_verify_has_its_answer(workspace: Workspace) -> None:
    done = hand_over(workspace)
    assert set(answers(done.key).values()) == {"pass"}
    Path(done.paths[0]).write_text(done.text + "\nadded later\n")
    scan(workspace)
    assert answers(done.key) == {
        "known": "pass", "current": "pass", "archived": "pass", "index": "pass", "content": "fail",
    }  # fmt: skip
    later = hand_over(workspace, now=NOW + timedelta(days=1))
    assert {"current": "fail", "index": "fail"}.items() <= answers(done.key).items()
    assert set(answers(later.key).values()) == {"pass"}
    Path(later.paths[0]).unlink()
    scan(workspace)
    assert answers(later.key)["known"] == "fail"


def test_the_index_of_one_checkout_can_be_asked_for(workspace: Workspace) -> None:
    other = worktree(workspace.path, "feature/cosine")
    done = hand_over(workspace, other)
    (workspace.path / "CLAUDE.md").write_text(f"Handover Key: {KEY}\n")
    scan(workspace)
    assert answers(done.key, str(other))["index"] == "pass"
    assert answers(done.key, str(workspace.path))["index"] == "fail"


def archive(workspace: Workspace, **options: object) -> dict[str, Outcome]:
    found = archive_old(workspace=workspace, store=STORE, now=NOW, actor="beat", **options)  # type: ignore[arg-type]
    return {one.key: one for one in found}


def aged(days: float, suffix: str = "a1b2c3") -> str:
    return f"HO-{NOW - timedelta(days=days):%Y%m%d-%H%M}-{suffix}"


def test_what_is_old_and_unused_is_archived_and_everything_else_says_why_it_stays(workspace: Workspace) -> None:
    old, young, named, held = aged(9), aged(2), aged(20, "bbbb11"), aged(30, "cccc22")
    for key in (old, young, named, held):
        put(workspace.path, f"{key}.md", document(key, branch=f"b/{key}"))
    (workspace.path / "CLAUDE.md").write_text(f"Handover Key: {named}\n")
    scan(workspace)
    pick_up(handover=Handover.objects.get(key=held), who="mia", kind="person", now=NOW - timedelta(days=1))
    trial = archive(workspace, dry_run=True)
    assert {key for key, one in trial.items() if one.archive} == {old}
    assert Handover.objects.filter(state="archived").count() == 0
    done = archive(workspace)
    assert done[old].moved == (str(workspace.path / "CLAUDE" / "archive" / f"{old}.md"),)
    assert set(Handover.objects.values_list("key", "state")) >= {(old, "archived"), (young, "current")}
    assert "current one in" in done[named].reason
    assert "mia picked it up" in done[held].reason
    assert archive(workspace).keys() == {young, named, held}


def test_a_fresh_clone_makes_no_document_new(workspace: Workspace) -> None:
    key = aged(40)
    path = put(workspace.path, f"{key}.md", document(key))
    os.utime(path)
    assert archive(workspace)[key].moved


def test_what_was_restored_stays_although_it_is_old(workspace: Workspace) -> None:
    key = aged(40)
    put(workspace.path, f"{key}.md", document(key))
    archive(workspace)
    done = restore(handover=Handover.objects.get(), store=STORE, now=NOW, actor="mia")
    assert Path(done.path).read_text() == document(key)
    assert "brought back" in archive(workspace)[key].reason
    assert [one.event for one in Version.objects.all()] == ["appeared", "moved", "moved"]
    with pytest.raises(Permanent, match="not in the archive"):
        restore(handover=Handover.objects.get(), store=STORE, now=NOW, actor="mia")


def test_paths_in_the_indexes_of_its_checkouts_follow_a_document_into_the_archive_and_back(
    workspace: Workspace,
) -> None:
    other = worktree(workspace.path, "feature/cosine")
    key, citing = aged(40), aged(2, "bbbb11")
    for root in (workspace.path, other):
        put(root, f"{key}.md", document(key))
        (root / "CLAUDE.md").write_text(f"# Ours\n\nThe seed of [{key}](CLAUDE/{key}.md) must stay.\n")
    cited = put(workspace.path, f"{citing}.md", f"See CLAUDE/{key}.md")
    indexes = [root / "CLAUDE.md" for root in (other, workspace.path)]
    before = [index.read_text() for index in indexes]
    trial = archive(workspace, dry_run=True)[key]
    assert trial.links == tuple(f"{index} would name CLAUDE/archive/{key}.md." for index in indexes)
    assert [index.read_text() for index in indexes] == before
    done = archive(workspace)[key]
    assert done.links == tuple(f"{index} names CLAUDE/archive/{key}.md now." for index in indexes)
    told = f"# Ours\n\nThe seed of [{key}](CLAUDE/archive/{key}.md) must stay.\n"
    assert [index.read_text() for index in indexes] == [told, told]
    assert cited.read_text() == f"See CLAUDE/{key}.md"
    restore(handover=Handover.objects.get(key=key), store=STORE, now=NOW, actor="mia")
    assert [index.read_text() for index in indexes] == before


def test_an_index_whose_path_cannot_follow_is_said_and_the_archive_goes_on(workspace: Workspace) -> None:
    key = aged(40)
    put(workspace.path, f"{key}.md", document(key))
    (workspace.path / "notes.md").write_text(f"The seed of CLAUDE/{key}.md must stay.\n")
    (workspace.path / "CLAUDE.md").symlink_to("notes.md")
    done = archive(workspace)[key]
    assert (len(done.moved), done.error) == (1, "")
    assert f"still names CLAUDE/{key}.md: it is no regular file of its own" in done.links[0]
    assert f"CLAUDE/{key}.md" in (workspace.path / "notes.md").read_text()


def test_what_an_open_plan_uses_is_never_archived(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    key = aged(40)
    put(workspace.path, f"{key}.md", document(key))
    monkeypatch.setattr(archiving, "_HOLDS", [lambda rows: {row.pk: "plan 7 is open" for row in rows}])
    assert archive(workspace)[key].reason == "plan 7 is open"


def test_an_index_that_cannot_be_read_may_name_any_of_them(workspace: Workspace) -> None:
    key = aged(40)
    put(workspace.path, f"{key}.md", document(key))
    os.mkfifo(workspace.path / "CLAUDE.md")
    assert "cannot be read" in archive(workspace)[key].reason


def test_a_document_that_lies_twice_is_archived_in_both_places_and_a_failure_is_said(workspace: Workspace) -> None:
    other = worktree(workspace.path, "feature/cosine")
    key = aged(40)
    for root in (workspace.path, other):
        put(root, f"{key}.md", document(key))
    put(other, f"{key}.md", "something else", archived=True)
    done = archive(workspace)[key]
    assert done.moved == (str(workspace.path / "CLAUDE" / "archive" / f"{key}.md"),)
    assert "is there already and says something else" in done.error
    assert (other / "CLAUDE" / f"{key}.md").read_text() == document(key)


def test_a_key_is_found_by_a_fragment_and_a_fragment_of_several_is_refused(workspace: Workspace) -> None:
    for key in (KEY, LATER):
        put(workspace.path, f"{key}.md", document(key))
    scan(workspace)
    assert selectors.handover_of("d4e5").key == LATER
    assert selectors.handover_of("20261103-1405").key == KEY
    with pytest.raises(Permanent, match="part of several keys"):
        selectors.handover_of("HO-2026")
    with pytest.raises(Permanent, match="No handover has the key"):
        selectors.handover_of("ffffff")
