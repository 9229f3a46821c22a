"""Writing a handover on the web: what is prefilled, what is refused with a sentence, and that nothing typed is lost."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from django.http import QueryDict
from django.test import Client

from apps.core.permissions import Permission, Role, permits
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.domain.document import Box, Check, Decision
from apps.handovers.models import CheckoutKey, Handover
from apps.handovers.ports import NothingWritten
from apps.handovers.screens.drafting import Typed, sealed, unsealed
from apps.handovers.services.prefilling import Prefill
from apps.handovers.services.scanning import scan_workspace
from apps.workspaces.models import Workspace
from tests.factories.handovers import KEY, document, put, repository, workspace_at, worktree
from tests.factories.moments import NOW
from tests.integration.conftest import client_of
from tests.services.slurm_config import free_port
from tests.services.together import together

pytestmark = pytest.mark.django_db
PREFILL = Prefill(
    Path("/w"), Path("/w"), branch="main", pending=(Box("rerun", False),), checks=(Check("pytest -q", "12 passed"),)
)


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    one = workspace_at(repository(tmp_path / "glue"))
    worktree(one.path, "feature/cosine")
    put(one.path, f"{KEY}.md", document(branch="main"))
    scan_workspace(workspace=one, store=FilesystemDocumentStore(), now=NOW)
    return one


def checkout(branch: str = "main") -> int:
    return CheckoutKey.objects.get(branch=branch).pk


def typed(**fields: str) -> dict[str, Any]:
    return {"checkout": checkout(), "focus": "the linear decay", "next": "rerun seed 3", "pending": "", **fields}


def told(text: str) -> Typed:
    return Typed.of(QueryDict(text))


def test_each_line_is_one_thing_and_an_arrow_parts_it() -> None:
    wish = told(
        "focus=+a++b+&next=x%0A%0A+y&validated=echo+a+%3D%3E+b+%3D%3E+ok%0Apytest&decisions=drop+it+%3D%3E+no+gain"
        "&pending=%5B+%5D+open%0A-+%5Bx%5D+done%0Aplain"
    ).wish
    assert (wish.focus, wish.next_actions) == ("a b", ("x", "y"))
    assert wish.checks == (Check("echo a => b", "ok"), Check("pytest", ""))
    assert wish.decisions == (Decision("drop it", "no gain"),)
    assert wish.pending == (Box("open", False), Box("done", True), Box("plain", False))


def test_what_the_form_carries_is_signed_and_given_back_as_it_was() -> None:
    assert unsealed(sealed(PREFILL)) == PREFILL
    assert unsealed(sealed(PREFILL)[:-2] + "xx") is None
    assert unsealed("") is None


def test_a_checkout_is_chosen_and_the_form_begins_with_what_is_known(operator: Client, workspace: Workspace) -> None:
    text = operator.get("/handovers/new").content.decode()
    assert "glue: main" in text
    assert "glue: feature/cosine" in text
    text = operator.get("/handovers/new", {"checkout": checkout()}).content.decode()
    assert "[ ] Rerun the ablation" in text
    assert f"begins with what {KEY} left open" in text
    assert "Begin" in text  # the commit
    assert ">pytest -q tests/unit =&gt;</textarea>" in text
    assert f"run the commands of {KEY} anew" in text


def test_without_any_checkout_the_page_says_when_one_comes(operator: Client) -> None:
    assert "No checkout is known yet" in operator.get("/handovers/new").content.decode()


@pytest.mark.parametrize("told", ["x", "999999", "9" * 40])
def test_a_checkout_that_is_not_there_is_not_found(operator: Client, workspace: Workspace, told: str) -> None:
    assert operator.get("/handovers/new", {"checkout": told}).status_code == 404
    assert operator.post("/handovers/new/preview", {"checkout": told}).status_code == 404


def test_what_was_typed_is_written_in_both_places_and_shown(operator: Client, workspace: Workspace) -> None:
    fields = typed(checkout=str(checkout("feature/cosine")), validated="pytest -q => 212 passed")
    text = operator.post("/handovers/new", fields, follow=True).content.decode()
    one = Handover.objects.get(focus="the linear decay")
    assert f"<h1>{one.focus}</h1>" in text
    assert (one.branch, one.state, one.files.count()) == ("feature/cosine", "current", 2)
    assert "212 passed" in text


def test_what_was_taken_out_of_the_open_items_stays_out(operator: Client, workspace: Workspace) -> None:
    operator.post("/handovers/new", typed(pending="[ ] another"))
    content = Handover.objects.get(focus="the linear decay").content
    assert content is not None
    assert "another" in content.text
    assert "Rerun the ablation" not in content.text


def test_a_validation_that_was_carried_over_is_written_with_its_new_result_or_not_at_all(
    operator: Client, workspace: Workspace
) -> None:
    told = Typed.begin(replace(PREFILL, checks=(Check("a => b", ""), Check("pytest", "=> ok"))), "mia")
    assert told.validated == "a => b =>\npytest => → ok"
    assert told.wish.checks == (Check("a => b", ""), Check("pytest", "→ ok"))
    operator.post("/handovers/new", typed(validated="mypy => clean"))
    content = Handover.objects.get(focus="the linear decay").content
    assert content is not None
    assert "| `mypy` | clean |" in content.text
    assert "pytest -q tests/unit" not in content.text


@pytest.mark.parametrize(("name", "why"), [("focus", "needs its focus"), ("next", "needs the next action")])
def test_focus_and_next_action_are_asked_for_and_the_rest_is_kept(
    operator: Client, workspace: Workspace, name: str, why: str
) -> None:
    answer = operator.post("/handovers/new", typed(**{name: " ", "decisions": "drop it => no gain"}))
    assert answer.status_code == 422
    assert why in answer.content.decode()
    assert "drop it =&gt; no gain" in answer.content.decode()
    assert Handover.objects.count() == 1


@pytest.mark.parametrize("sentence", ["No space is left on the disk.", "CLAUDE/ may not be written to."])
def test_what_cannot_be_written_is_said_with_an_id_and_nothing_typed_is_lost(
    operator: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch, sentence: str
) -> None:
    """The disk itself is tried in the store's own tests; here the page has to cope with what the store says."""

    def full(self: object, wish: object) -> None:
        raise NothingWritten(sentence)

    monkeypatch.setattr(FilesystemDocumentStore, "write", full)
    answer = operator.post("/handovers/new", typed(spec="keep the seeds"))
    text = answer.content.decode()
    assert answer.status_code == 422
    assert sentence in text
    assert "nothing was written" in text
    assert "keep the seeds" in text
    assert "rerun seed 3" in text
    assert Handover.objects.count() == 1


def test_a_folder_that_cannot_hold_the_document_is_said(operator: Client, workspace: Workspace) -> None:
    """A file where the folder should be: real, and also for a user whom no mode stops."""
    other = Path(CheckoutKey.objects.get(branch="feature/cosine").path)
    (other / "CLAUDE").write_text("in the way")
    answer = operator.post("/handovers/new", typed(checkout=str(checkout("feature/cosine"))))
    assert answer.status_code == 422
    assert "the linear decay" in answer.content.decode()
    assert not list(workspace.path.glob("CLAUDE/HO-2026112*"))


def test_a_workspace_that_is_away_is_said_and_the_form_stays(operator: Client, workspace: Workspace) -> None:
    fields = typed()
    workspace.path.rename(workspace.path.with_name("away"))
    answer = operator.get("/handovers/new", {"checkout": fields["checkout"]})
    assert answer.status_code == 503
    answer = operator.post("/handovers/new", fields)
    assert answer.status_code == 422
    assert "rerun seed 3" in answer.content.decode()


def test_a_second_press_writes_nothing_twice(operator: Client, workspace: Workspace) -> None:
    fields = typed()
    operator.post("/handovers/new", fields)
    assert "nothing was written again" in operator.post("/handovers/new", fields, follow=True).content.decode()
    assert Handover.objects.filter(focus="the linear decay").count() == 1


@pytest.mark.django_db(transaction=True)
def test_two_presses_at_one_moment_write_one_document(workspace: Workspace, redis_server: str) -> None:
    fields, clients = typed(), [client_of(Role.OPERATOR) for _ in range(2)]
    told = together([lambda one=one: one.post("/handovers/new", fields).status_code for one in clients])
    assert told == [302, 302]
    assert Handover.objects.filter(focus="the linear decay").count() == 1
    assert len(list(workspace.path.glob("CLAUDE/HO-*.md"))) == 2


def test_without_redis_a_handover_is_still_written(operator: Client, workspace: Workspace, settings: Any) -> None:
    settings.REDIS_URL = f"redis://127.0.0.1:{free_port()}/0"
    assert operator.post("/handovers/new", typed()).status_code == 302
    assert Handover.objects.filter(focus="the linear decay").count() == 1


def test_the_preview_warns_of_claims_and_asks_git_no_second_time(
    operator: Client, workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> None:
        raise AssertionError("git was asked")

    monkeypatch.setattr("apps.handovers.desk.acting.prefilled", asked)
    fields = typed(prefill=sealed(PREFILL), changed="all tests pass <script>alert(1)</script>")
    headers = {"hx-request": "true", "hx-target": "preview"}
    text = operator.post("/handovers/new/preview", fields, headers=headers).content.decode()
    assert "has no command with a result" in text
    assert "<html" not in text
    assert "<script" not in text


def test_only_those_who_may_hand_over_do(viewer: Client, workspace: Workspace) -> None:
    assert not permits(Role.VIEWER, Permission.HAND_OVER)
    assert viewer.get("/handovers/new").status_code == 403
    one = Handover.objects.get()
    for act in ("pick-up", "release", "archive", "restore"):
        assert viewer.post(f"/handovers/{one.pk}/{act}").status_code == 403
    for path in ("", "/raw"):
        assert viewer.get(f"/handovers/{one.pk}{path}").status_code == 200
    assert "Pick up</button>" not in viewer.get(f"/handovers/{one.pk}").content.decode()


def test_one_is_archived_and_brought_back_and_what_an_index_names_stays(operator: Client, workspace: Workspace) -> None:
    one = Handover.objects.get()
    (workspace.path / "CLAUDE.md").write_text(f"**Current handover:** {KEY}\n")
    assert (
        "It stays: it is the current one" in operator.post(f"/handovers/{one.pk}/archive", follow=True).content.decode()
    )
    (workspace.path / "CLAUDE.md").unlink()
    assert "It was moved to" in operator.post(f"/handovers/{one.pk}/archive", follow=True).content.decode()
    one.refresh_from_db()
    assert one.state == "archived"
    assert "again" in operator.post(f"/handovers/{one.pk}/restore", follow=True).content.decode()
