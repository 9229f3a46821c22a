"""Worktrees and handovers that are due, through the JSON API, over a real git checkout."""

from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from apps.api.models import KeptAnswer
from apps.api.services.once import OUTSIDE_LEASE
from apps.audit.models import AuditEvent
from apps.core.clock import utcnow
from apps.core.permissions import Role
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.services.scanning import scan_workspace
from apps.workspaces.models import Workspace
from apps.worktrees.adapters import git_cli
from apps.worktrees.selectors import worktrees_of
from apps.worktrees.services.making import new_worktree
from apps.worktrees.services.scanning import scan_worktrees
from tests.factories.handovers import git, put, repository, workspace_at
from tests.factories.tokens import api
from tests.factories.worktrees import glue as team_repository
from tests.factories.worktrees import merged, tools
from tests.integration.conftest import client_of
from tests.integration.test_api_door import problem

pytestmark = pytest.mark.django_db
NEW = {"workspace": "glue", "branch": "fix/warm-restarts", "focus": "why warm restarts lose two epochs"}


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    root = team_repository(tmp_path)
    merged(root)
    one = workspace_at(root)
    scan_worktrees(workspace=one, tools=tools(), now=utcnow())
    return one


def test_worktrees_are_listed_with_what_is_wrong_with_them(
    workspace: Workspace, django_assert_num_queries: Any
) -> None:
    client = api()
    told = client.get("/worktrees").json()["worktrees"]
    assert [(one["kind"], one["branch"]) for one in told] == [("main", "main"), ("worktree", "feature/done")]
    assert told[1]["merged"] == "merge"
    assert told[1]["jobs"] is None, "Slurm never answered, so nobody knows"
    finding = told[1]["findings"][0]["id"]
    assert [one["branch"] for one in client.get("/worktrees", finding=finding).json()["worktrees"]] == ["feature/done"]
    below = client.get("/worktrees?path=" + quote(f"{told[1]['path']}/src")).json()["worktrees"]
    assert "feature/done" in [one["branch"] for one in below]
    first = client.get("/worktrees", limit=1).json()
    rest = client.get("/worktrees", limit=1, cursor=first["next"]).json()
    assert (len(first["worktrees"]), len(rest["worktrees"]), rest["next"]) == (1, 1, None)
    assert "nothing" in problem(client.get("/worktrees", workspace="nothing"), 404)["detail"]


def test_worktrees_are_filtered_as_their_page_filters_them(workspace: Workspace) -> None:
    client, page = api(), client_of(Role.VIEWER)
    done = worktrees_of(workspace)[1].facts
    (Path(done.path) / "new.py").write_text("pass\n")
    scan_worktrees(workspace=workspace, tools=tools(), now=utcnow())
    for show in ("", "findings", "merged", "dirty", "unpushed"):
        for q in ("", "done", "DONE glue", "nothing"):
            told = [one["path"] for one in client.get("/worktrees", show=show, q=q).json()["worktrees"]]
            groups = page.get("/worktrees", {"show": show, "q": q}).context["groups"]
            assert told == [row.facts.path for group in groups for row in group["rows"]], (show, q)
    assert [one["path"] for one in client.get("/worktrees", show="dirty").json()["worktrees"]] == [done.path]
    problem(client.get("/worktrees", show="everything"), 422)


def test_a_new_worktree_is_shown_first_and_made_by_its_press(workspace: Workspace) -> None:
    client = api()
    shown = client.post("/worktrees", NEW).json()
    assert not shown["made"]
    assert any("worktree add" in step for step in shown["steps"])
    assert not Path(shown["path"]).exists()
    made = client.post("/worktrees", {**NEW, "press": shown["press"]}).json()
    assert made["made"]
    assert made["handover"] in (Path(made["path"]) / "CLAUDE.md").read_text()
    assert made["handover"] in made["startup_prompt"]
    assert "fix/warm-restarts" in git(workspace.path, "branch", "--list", "fix/*")
    assert AuditEvent.objects.filter(type="worktree.new.done", actor="agent:coder-1").count() == 1
    again = problem(client.post("/worktrees", {**NEW, "press": shown["press"]}), 409)
    assert "already" in again["detail"]


def test_a_worktree_whose_maker_died_before_it_answered_is_answered_as_made(workspace: Workspace) -> None:
    client = api()
    shown = client.post("/worktrees", NEW).json()
    made = client.post("/worktrees", {**NEW, "press": shown["press"]}, key="w1").json()
    KeptAnswer.objects.update(status=None, body="", claimed_at=utcnow() - timedelta(seconds=301))
    assert (
        "being carried out"
        in problem(client.post("/worktrees", {**NEW, "press": shown["press"]}, key="w1"), 409)["detail"]
    )
    KeptAnswer.objects.update(claimed_at=utcnow() - OUTSIDE_LEASE - timedelta(seconds=1))
    assert client.post("/worktrees", {**NEW, "press": shown["press"]}, key="w1").json() == made
    assert timedelta(seconds=git_cli.ACT_SECONDS) < OUTSIDE_LEASE


@pytest.mark.django_db(transaction=True)
def test_no_transaction_is_open_while_git_makes_a_worktree(workspace: Workspace, monkeypatch: Any) -> None:
    seen: list[bool] = []

    def looking(**told: Any) -> Any:
        seen.append(connection.in_atomic_block)
        return new_worktree(**told)

    monkeypatch.setattr("apps.api.acts.worktrees.new_worktree", looking)
    client = api()
    shown = client.post("/worktrees", NEW, key="w1").json()
    assert client.post("/worktrees", {**NEW, "press": shown["press"]}, key="w2").json()["made"]
    assert seen == [False]
    assert client.post("/worktrees", {**NEW, "press": shown["press"]}, key="w2")["Idempotency-Replayed"] == "true"


def test_a_press_for_another_worktree_makes_none(workspace: Workspace) -> None:
    client = api()
    press = client.post("/worktrees", NEW).json()["press"]
    problem(client.post("/worktrees", {**NEW, "branch": "fix/other", "press": press}), 422)
    assert "fix" not in git(workspace.path, "branch", "--list")


def test_an_agent_that_talks_long_is_told_that_a_handover_is_due(tmp_path: Path) -> None:
    root = repository(tmp_path / "glue")
    workspace = workspace_at(root)
    put(root, "HO-20261101-0900-0dd0dd.md", "# Old\n")
    scan_workspace(workspace=workspace, store=FilesystemDocumentStore(), now=utcnow())
    client = api()
    branch = git(root, "branch", "--show-current").strip()
    assert client.post("/exchanges", {"workspace": "glue", "branch": branch, "count": 3}).json() == {"due": []}
    told = client.post("/exchanges", {"workspace": "glue", "branch": branch, "count": 16}).json()["due"]
    assert [one["nudge"] for one in told] == ["many-exchanges"]
    assert "coder-1 is at 16 exchanges" in told[0]["sentence"]
    assert client.get("/handovers-due", workspace="glue").json()["due"] == told
