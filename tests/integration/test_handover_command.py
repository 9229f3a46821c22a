"""`manage.py handover` as people and scripts call it: over a registered workspace, and over any folder."""

import json
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from apps.handovers.models import Handover, Pickup, Version
from apps.workspaces.models import Workspace
from tests.factories.handovers import KEY, LATER, document, put, repository, workspace_at, worktree

pytestmark = pytest.mark.starts_first

ROOT = Path(__file__).parents[2]
FIELDS = [
    "key", "path", "date", "branch", "agent", "focus", "state", "sections", "pending_open", "pending_done", "findings",
]  # fmt: skip


def process(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "manage.py", "handover", *arguments],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=90, check=False,
    )  # fmt: skip
    assert "Traceback" not in done.stderr, done.stderr
    return done


def call(*arguments: str) -> tuple[int, str, str]:
    """Call the command in this process; return its status, and what it said and complained about."""
    out, err = StringIO(), StringIO()
    try:
        call_command("handover", *arguments, stdout=out, stderr=err)
    except SystemExit as end:
        return int(end.code or 0), out.getvalue(), err.getvalue()
    except CommandError as error:
        return error.returncode, out.getvalue(), str(error)
    return 0, out.getvalue(), err.getvalue()


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout that no workspace knows, with three documents."""
    root = repository(tmp_path / "plain")
    put(root, f"{KEY}.md", document(branch="main"))
    put(root, f"{LATER}.md", document(LATER, branch="main", focus="the newer one"))
    put(root, "HO-20260101-0900-aaaa.md", "free text, nothing else", archived=True)
    (root / "CLAUDE.md").write_text(f"# Ours\n\n**Current handover:** {LATER}\n")
    return root


@pytest.mark.parametrize("url", ["postgres://nobody@127.0.0.1:1/none", "sqlite:///{tmp}/empty.sqlite3"])
def test_a_folder_of_no_workspace_needs_no_database(folder: Path, tmp_path: Path, url: str) -> None:
    url = url.format(tmp=tmp_path)
    done = process("list", str(folder), "--json", DATABASE_URL=url)
    found = lines(done.stdout)
    assert done.returncode == 0
    assert all(list(one) == FIELDS for one in found)
    assert [(one["key"], one["state"]) for one in found] == [
        (LATER, "current"), (KEY, "superseded"), ("HO-20260101-0900-aaaa", "archived"),
    ]  # fmt: skip
    assert (found[0]["pending_open"], found[0]["pending_done"], found[0]["findings"]) == (1, 1, [])
    assert {one["id"] for one in found[2]["findings"]} >= {"no-key-in-text", "sections-missing"}
    assert found[0]["date"] == "2026-11-05T09:10:00+00:00"


def test_every_act_works_on_a_folder_without_a_database(folder: Path) -> None:
    url = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    assert document(branch="main") == process("show", "1405-a1b2", str(folder), **url).stdout
    assert [one["key"] for one in lines(process("search", "NEWER one", str(folder), "--json", **url).stdout)] == [LATER]
    assert process("search", "no such thing", str(folder), **url).returncode == 1
    new = process(
        "new", str(folder), "--focus", "on we go", "--next", "look", "--agent", "coder-1",
        "--validated", "pytest -q -k a=b=3 passed", "--json", **url,
    )  # fmt: skip
    assert new.returncode == 0, new.stderr
    (made,) = lines(new.stdout)
    assert (made["focus"], made["agent"], made["branch"], made["state"]) == ("on we go", "coder-1", "main", "current")
    text = Path(made["path"]).read_text()
    assert "| `pytest -q -k a=b` | 3 passed |" in text
    assert "- [ ] Rerun the ablation" in text
    verified = process("verify", str(folder), **url)
    assert verified.returncode == 0, verified.stdout
    assert made["key"] in (folder / "CLAUDE.md").read_text()
    assert (folder / "CLAUDE.md").read_text().endswith(f"# Ours\n\n**Current handover:** {LATER}\n")
    assert process("archive", KEY, str(folder), **url).returncode == 0
    assert (folder / "CLAUDE" / "archive" / f"{KEY}.md").is_file()
    assert process("restore", KEY, str(folder), **url).returncode == 0
    assert (folder / "CLAUDE" / f"{KEY}.md").is_file()
    refused = process("pickup", KEY, str(folder), "--agent", "coder-1", **url)
    assert (refused.returncode, "belongs to no workspace" in refused.stderr) == (1, True)


def test_a_folder_that_was_tampered_with_fails_and_one_without_evidence_is_unknown(folder: Path) -> None:
    status, said, _ = call_without_database("verify", str(folder))
    assert (status, "unknown content" in said) == (3, True)
    (made,) = lines(call_without_database("new", str(folder), "--focus", "x", "--next", "y", "--json")[1])
    with Path(made["path"]).open("a") as file:
        file.write("\nadded by somebody\n")
    status, said, _ = call_without_database("verify", str(folder), "--json")
    (told,) = lines(said)
    assert (status, told["verify"]["answer"]) == (1, "fail")
    assert {one["id"]: one["answer"] for one in told["verify"]["lines"]}["content"] == "fail"


def call_without_database(*arguments: str) -> tuple[int, str, str]:
    done = process(*arguments, DATABASE_URL="postgres://nobody@127.0.0.1:1/none")
    return done.returncode, done.stdout, done.stderr


def test_what_is_wrong_is_a_sentence_and_a_status(folder: Path, tmp_path: Path) -> None:
    url = {"DATABASE_URL": "postgres://nobody@127.0.0.1:1/none"}
    for arguments, status, words in [
        (("list", str(tmp_path / "nowhere")), 1, "neither a folder nor a workspace"),
        (("show", "ffffff", str(folder)), 1, "No handover has the key"),
        (("show",), 2, "needs a KEY"),
        (("verify", "HO-20990101-0000-abcdef", str(folder)), 1, "No document has the key"),
        (("new", str(folder), "--next", "y"), 1, "needs its focus"),
        (("new", str(folder), "--focus", "x"), 1, "needs the next action"),
        (("restore", KEY, str(folder)), 1, "is not in the archive"),
        (("nonsense",), 2, "invalid choice"),
    ]:
        done = process(*arguments, **url)
        assert (done.returncode, words in done.stdout + done.stderr) == (status, True), (arguments, done.stderr)


def test_a_terminal_is_not_sent_what_a_document_holds_for_it(folder: Path) -> None:
    put(folder, "HO-20261106-0000-eeee.md", document("HO-20261106-0000-eeee", focus="x") + "\x1b]0;owned\x07\n")
    said = call_without_database("show", "HO-20261106-0000-eeee", str(folder))[1]
    assert "\x1b" not in said
    assert r"\x1b]0;owned\x07" in said
    assert "\x1b" in call_without_database("show", "HO-20261106-0000-eeee", str(folder), "--raw")[1]


@pytest.fixture
def workspace(tmp_path: Path, db: None) -> Workspace:
    root = repository(tmp_path / "glue")
    put(root, f"{KEY}.md", document(branch="main"))
    return workspace_at(root)


def test_a_workspace_is_named_by_its_name_or_by_any_of_its_checkouts(workspace: Workspace) -> None:
    other = worktree(workspace.path, "feature/cosine")
    said = [call("list", place, "--json")[1] for place in ("glue", str(workspace.path), str(other))]
    assert len({*said, call("list", "--json")[1], call("list", "--workspace", "glue", "--json")[1]}) == 1
    (one,) = lines(said[0])
    assert (list(one), one["key"], one["state"]) == (FIELDS, KEY, "current")
    assert Handover.objects.count() == 1


def test_a_new_handover_of_a_worktree_is_in_the_registry_at_once(workspace: Workspace) -> None:
    other = worktree(workspace.path, "feature/cosine")
    status, said, _ = call("new", str(other), "--focus", "x", "--next", "y", "--agent", "coder-1")
    assert status == 0
    row = Handover.objects.get(branch="feature/cosine")
    assert f"Handover Key: {row.key}" in said
    assert (row.files.count(), row.agent) == (2, "coder-1")
    assert call("verify", str(other))[0] == 0
    assert call("verify", row.key)[0] == 0


def test_a_dry_run_of_new_shows_the_document_and_writes_nothing(workspace: Workspace) -> None:
    _, said, err = call("new", "glue", "--focus", "x", "--next", "y", "--changed", "All tests pass", "--dry-run")
    assert "- **Focus:** x" in said
    assert "claim-without-proof" in err
    assert len(list((workspace.path / "CLAUDE").iterdir())) == 1


def test_a_new_handover_lists_the_commands_of_the_last_one_without_their_results(
    workspace: Workspace, folder: Path
) -> None:
    for place in ("glue", str(folder)):
        _, said, err = call("new", place, "--focus", "x", "--next", "y", "--changed", "All tests pass", "--dry-run")
        assert "| `pytest -q tests/unit` | — |" in said
        assert "claim-without-proof" in err
        told = ("--validated", "pytest -q tests/unit=9 passed")
        _, said, err = call("new", place, "--focus", "x", "--next", "y", *told, "--dry-run")
        assert "| `pytest -q tests/unit` | 9 passed |" in said
        assert err == ""


def test_verify_says_where_an_index_names_a_key_that_it_does_not_carry(workspace: Workspace, folder: Path) -> None:
    for root, place in ((workspace.path, "glue"), (folder, str(folder))):
        (root / "CLAUDE.md").write_text(f"# Ours\n\nThe seed of {KEY} must stay.\n")
        status, said, _ = call("verify", KEY, place)
        assert status == 1
        assert f"CLAUDE.md names {KEY} in line 3, but not as its current handover." in said


def test_a_second_pickup_has_a_status_of_its_own(workspace: Workspace) -> None:
    assert call("pickup", KEY, "glue", "--agent", "coder-1")[0] == 0
    assert call("pickup", KEY, "glue", "--agent", "coder-1")[0] == 0
    status, said, _ = call("pickup", "a1b2c3", "glue", "--who", "mia")
    assert (status, "coder-1 had picked it up already" in said) == (3, True)
    assert list(Pickup.objects.values_list("who", "kind")) == [("coder-1", "agent"), ("mia", "person")]


def test_archiving_and_restoring_are_in_the_registry_and_a_trial_changes_nothing(workspace: Workspace) -> None:
    old = f"HO-{datetime.now(tz=UTC) - timedelta(days=30):%Y%m%d-%H%M}-abcd"
    put(workspace.path, f"{old}.md", document(old, branch="old"))
    status, said, err = call("archive", "glue", "--dry-run", "--json")
    assert (status, [one["key"] for one in lines(said) if one["key"] == old]) == (0, [old])
    assert Version.objects.filter(event="moved").count() == 0
    status, said, err = call("archive", "glue", "--json")
    assert {one["key"]: one["state"] for one in lines(said)}[old] == "archived"
    assert call("restore", old, "glue")[0] == 0
    assert Version.objects.filter(event="moved", handover__key=old).count() == 2
    assert "brought back" in call("archive", "glue")[1], err


def test_a_workspace_that_is_away_verifies_as_unknown(workspace: Workspace) -> None:
    call("list", "glue")
    workspace.path.rename(workspace.path.with_name("away"))
    status, said, _ = call("verify", KEY, "--workspace", "glue")
    assert (status, "does not answer" in said) == (3, True)
