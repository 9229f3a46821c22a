"""The registry of handovers in a real browser: found while one types, read, compared, written; and nothing runs."""

import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from apps.core.clock import utcnow
from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.adapters.git_cli import GitCli
from apps.handovers.models import Handover, Pickup, SavedSearch
from apps.handovers.search.indexing import index_new
from apps.handovers.services.exchanges import report_exchanges
from apps.handovers.services.pickups import pick_up
from apps.handovers.services.scanning import scan_workspace
from apps.handovers.services.working import look_at_work
from apps.workspaces.models import Workspace
from tests.browser import seed
from tests.browser.conftest import Complaints, Visit
from tests.browser.test_board_looks import violations
from tests.factories.handovers import KEY, LATER, document, git, put, repository, workspace_at, worktree
from tests.integration.test_handovers_pages import HOSTILE

pytestmark = [pytest.mark.starts_first, pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
LONG = "a-branch-name-that-goes-on-" * 8
ODD = "HO-20261101-0900-0dd0dd"


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """A checkout with a worktree: three handovers on one branch, an odd one with endless words, work since."""
    root = repository(tmp_path / "glue")
    other = worktree(root, "feature/cosine")
    one = workspace_at(root, config={"projects": [seed.VISION]})
    oldest = "HO-20261020-0905-aaaa11"
    put(root, f"{oldest}.md", document(oldest, focus="first look at the schedule"), archived=True)
    put(root, f"{KEY}.md", document())
    text = document(LATER, focus="why the cosine schedule was dropped", changes=("All tests pass",), checks=())
    text += "\n## Code\n\n```python\ndef warm_up(step: int) -> float:\n    return step / 100  # linear\n```\n"
    put(root, f"{LATER}.md", text)
    put(
        root,
        f"{ODD}.md",
        f"# Odd\n- **Branch:** `{LONG}`\n\n## Notes\n\n{'x' * 900} \u202eturned\n\n| a | b |\n|---|---|\n",
    )
    put(other, f"{LATER}.md", text)
    (other / "CLAUDE.md").write_text(f"# Ours\n\n**Current handover:** {LATER}\n")
    (other / "model.py").write_text("x = 1\n")
    git(other, "add", "model.py")
    git(other, "commit", "-q", "-m", "Count warm-up in steps")
    read(one)
    report_exchanges(workspace=one, branch="feature/cosine", agent="coder-1", count=18, now=utcnow())
    return one


def read(one: Workspace) -> None:
    scan_workspace(workspace=one, store=FilesystemDocumentStore(), now=utcnow())
    look_at_work(workspace=one, source=GitCli(), now=utcnow())
    index_new()


def pk(key: str) -> int:
    return Handover.objects.get(key=key).pk


def fits(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def pages() -> dict[str, str]:
    return {
        "list": "/handovers",
        "found": "/handovers?q=cosine+zzyzx",
        "nothing": "/handovers?q=zzyzx",
        "read": f"/handovers/{pk(LATER)}",
        "odd": f"/handovers/{pk(ODD)}",
        "compare": f"/handovers/{pk(LATER)}/compare",
        "branch": "/handovers/branch/glue/feature/cosine",
        "choose": "/handovers/new",
        "naming": "/handovers/naming/sweep/1",
    }


def test_what_is_typed_is_looked_for_and_stands_in_the_address(visit: Visit, workspace: Workspace) -> None:
    page = visit("/handovers")
    page.keyboard.press("/")
    expect(page.locator("#filter-q")).to_be_focused()
    page.keyboard.type("dropped the cosine sche")
    expect(page.locator(".hits .name").first).to_have_text("why the cosine schedule was dropped")
    expect(page.locator(".hits mark").first).to_be_visible()
    expect(page).to_have_url(re.compile(r"q=dropped"))
    expect(page.locator("#filter-q")).to_be_focused()
    page.get_by_label("State").select_option("archived")
    expect(page.locator(".hits .name")).to_have_text(["first look at the schedule"])
    expect(page).to_have_url(re.compile("state=archived"))


def test_enter_on_a_key_opens_its_document_and_on_words_it_stays(visit: Visit, workspace: Workspace) -> None:
    page = visit("/handovers")
    page.locator("#filter-q").fill(KEY[:18])
    page.locator("#filter-q").press("Enter")
    expect(page).to_have_url(re.compile(rf"/handovers/{pk(KEY)}$"))
    page.goto("/handovers")
    page.locator("#filter-q").fill("cosine schedule")
    page.locator("#filter-q").press("Enter")
    expect(page).to_have_url(re.compile(r"/handovers\?q=cosine"))
    expect(page.locator(".hits .name").first).to_be_visible()


def test_a_search_is_kept_shared_and_forgotten(visit: Visit, workspace: Workspace) -> None:
    page = visit("/handovers?q=cosine")
    page.get_by_text("Keep this search").click()
    page.get_by_role("textbox", name="Name").fill("decays")
    page.get_by_label("for everybody").check()
    page.get_by_role("button", name="Keep", exact=True).click()
    page.goto("/handovers")
    page.get_by_role("link", name="decays").click()
    expect(page.locator("#filter-q")).to_have_value("cosine")
    expect(visit("/handovers", who="viewer").locator(".saved")).to_contain_text("decays by operator")
    page = visit("/handovers")
    page.get_by_role("button", name="Forget the search decays").click()
    expect(page.get_by_role("status").first).to_have_text("The search 'decays' is forgotten.")
    expect(page.locator(".saved")).to_have_count(0)
    assert not SavedSearch.objects.exists()


@pytest.mark.any_database
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_page_of_handovers_breaks_a_wcag_rule(visit: Visit, workspace: Workspace, scheme: str) -> None:
    seed.sweep("swp00001", "cosine")
    pick_up(handover=Handover.objects.get(key=LATER), who="mia", kind="person", now=utcnow())
    page = visit("/", color_scheme=scheme, viewport={"width": 1440, "height": 900})
    found = {}
    for name, path in pages().items():
        page.goto(path.replace("sweep/1", f"sweep/{_sweep()}"))
        for one in page.locator("main details").all():
            one.evaluate("node => node.open = true")
        found[name] = violations(page)
    page.goto("/handovers/new")
    page.get_by_role("button", name="Begin").click()
    expect(page.locator(".head h1")).to_contain_text("New handover on")
    found["new"] = violations(page)
    assert [f"{name}: {one}" for name, told in found.items() for one in told] == []


def _sweep() -> int:
    from apps.sweeps.models import Sweep

    return Sweep.objects.get().pk


@pytest.mark.any_database
@pytest.mark.parametrize("width", [390, 1280, 2560])
def test_nothing_runs_out_of_any_page(visit: Visit, workspace: Workspace, width: int) -> None:
    seed.sweep("swp00001", "cosine")
    page = visit("/", viewport={"width": width, "height": 900})
    wide = []
    for name, path in pages().items():
        page.goto(path.replace("sweep/1", f"sweep/{_sweep()}"))
        for one in page.locator("main details").all():
            one.evaluate("node => node.open = true")
        wide += [] if fits(page) else [name]
    page.goto("/handovers/new")
    page.get_by_role("button", name="Begin").click()
    page.locator("#focus").fill(LONG)
    expect(page.locator("#preview")).to_contain_text(LONG[:60])
    assert [*wide, *([] if fits(page) else ["new"])] == []


def test_a_handover_is_read_by_section_with_how_far_it_has_come(visit: Visit, workspace: Workspace) -> None:
    page = visit(f"/handovers/{pk(LATER)}", viewport={"width": 1440, "height": 900})
    expect(page.locator(".tracker .now")).to_contain_text("nobody has picked it up yet")
    page.get_by_role("navigation", name="Sections of the document").get_by_role("link", name="Code").click()
    expect(page.locator(".prose h3", has_text="Code")).to_be_in_viewport()
    expect(page.locator(".prose .k").first).to_have_text("def")
    page.get_by_role("button", name="Pick up").click()
    expect(page.get_by_role("status").first).to_contain_text("operator picked up")
    expect(page.locator(".tracker .now")).to_contain_text("Plan mode")
    page.get_by_role("button", name="Give back").click()
    expect(page.locator(".tracker .now")).to_contain_text("Handover")


def test_on_a_phone_the_sections_fold(visit: Visit, workspace: Workspace) -> None:
    page = visit(f"/handovers/{pk(LATER)}", viewport={"width": 390, "height": 844})
    expect(page.locator("nav.sections")).to_be_hidden()
    expect(page.locator(".contents a").first).to_be_hidden()
    page.locator(".contents summary").click()
    page.locator(".contents a", has_text="Pending").click()
    expect(page.locator(".prose h3", has_text="Pending")).to_be_in_viewport()


def test_the_startup_prompt_is_copied_by_one_press(visit: Visit, workspace: Workspace) -> None:
    page = visit(f"/handovers/{pk(LATER)}", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("button", name="Copy the startup prompt").click()
    expect(page.locator("#toast")).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith(f"Handover Key: {LATER}\n")


def test_everything_works_without_javascript(visit: Visit, workspace: Workspace, complaints: Complaints) -> None:
    complaints.expect("422")
    page = visit("/handovers", java_script_enabled=False)
    page.locator("#filter-q").fill("cosine schedule")
    page.get_by_role("button", name="Find").click()
    page.get_by_role("link", name="why the cosine schedule was dropped").click()
    expect(page.get_by_role("button", name="Copy the startup prompt")).to_be_hidden()
    expect(page.locator("#prompt")).to_contain_text(f"Handover Key: {LATER}")
    page.get_by_role("link", name="What changed since").click()
    expect(page.locator(".compared .added").first).to_be_visible()
    page.goto("/handovers/new")
    page.get_by_role("button", name="Begin").click()
    page.get_by_label("Focus").fill("the linear decay")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("#preview")).to_contain_text("Still needed: the next action")
    expect(page.get_by_label("Focus")).to_have_value("the linear decay")
    page.get_by_role("button", name="Write the handover").click()
    expect(page.locator("#next-wrong")).to_contain_text("needs the next action")
    page.get_by_label("Next action").fill("rerun seed 3")
    page.get_by_role("button", name="Write the handover").click()
    expect(page.locator(".head h1")).to_have_text("the linear decay")


def test_a_handover_is_written_by_keyboard_alone_while_its_preview_grows(visit: Visit, workspace: Workspace) -> None:
    page = visit("/handovers/new")
    option = page.locator("#checkout option", has_text="feature/cosine").get_attribute("value")
    page.get_by_label("Checkout or worktree").select_option(option)
    page.get_by_role("button", name="Begin").press("Enter")
    expect(page.get_by_label("Pending")).to_have_value("[ ] Rerun the ablation")
    page.get_by_label("Focus").focus()
    page.keyboard.type("warm-up in steps")
    page.keyboard.press("Tab")
    page.keyboard.type("resume run 8x2kq0ab")
    page.get_by_label("What changed").fill("all tests pass")
    expect(page.locator("#preview")).to_contain_text("warm-up in steps")
    expect(page.locator("#preview .warn")).to_contain_text("no command with a result")
    page.get_by_label("Validation").fill("pytest -q => 212 passed")
    expect(page.locator("#preview .warn")).to_have_count(0)
    page.get_by_role("button", name="Write the handover").press("Enter")
    expect(page.get_by_role("status").first).to_contain_text("CLAUDE.md")
    written = Handover.objects.get(focus="warm-up in steps")
    assert (written.branch, written.author, written.pending_open) == ("feature/cosine", "operator", 1)
    expect(page.locator(".verify")).to_contain_text("carries it")


@pytest.mark.parametrize("where", ["read", "preview"])
def test_no_hostile_document_runs_loads_or_stands_in_for_the_page(
    visit: Visit, workspace: Workspace, where: str
) -> None:
    """Every one in one browser: a dialog, another window, a request elsewhere or a violation on the console fails."""
    page = visit("/")
    outside: list[str] = []
    said: list[Any] = []
    page.on(
        "request",
        lambda one: outside.append(one.url) if "127.0.0.1" not in one.url and "localhost" not in one.url else None,
    )
    page.on("dialog", lambda one: (said.append(one.message), one.dismiss()))
    page.on("popup", lambda one: said.append(one.url))
    if where == "read":
        for number, text in enumerate(HOSTILE):
            put(
                workspace.path,
                f"HO-20261010-1000-{number:06x}.md",
                f"# Odd {number}\n\n{text}\n\n## Pending\n- [ ] {text}\n",
            )
        read(workspace)
        for row in Handover.objects.filter(key__startswith="HO-20261010-1000-"):
            page.goto(f"/handovers/{row.pk}")
            expect(page.locator(".prose")).to_be_visible()
            _touch(page)
        page.goto("/handovers?q=alert")
        expect(page.locator(".hits").first).to_be_visible()
    else:
        page.goto("/handovers/new")
        page.get_by_role("button", name="Begin").click()
        page.get_by_label("What changed").fill("\n".join(HOSTILE))
        page.get_by_label("Focus").fill("<img src=x onerror=alert(1)>")
        expect(page.locator("#preview")).to_contain_text("onerror=alert(1)")
        _touch(page)
    assert (said, outside) == ([], [])
    assert (
        page.evaluate("document.querySelectorAll('.prose img, .prose script, .prose iframe, .prose svg').length") == 0
    )


def _touch(page: Page) -> None:
    """Hover and focus everything that a document brought along."""
    for one in page.locator(".prose a").all():
        one.focus()
        assert (one.get_attribute("href") or "https:").startswith(("http", "mailto:", "#"))


def test_a_printed_handover_is_the_document_alone(visit: Visit, workspace: Workspace) -> None:
    page = visit(f"/handovers/{pk(LATER)}", viewport={"width": 1440, "height": 900})
    page.emulate_media(media="print")
    expect(page.locator(".prose")).to_be_visible()
    for part in ("header.top", ".acts", ".tracker", "nav.sections", "#copy-prompt"):
        expect(page.locator(part)).to_be_hidden()


def test_what_is_due_stands_on_the_board_and_leads_to_the_handovers(visit: Visit, workspace: Workspace) -> None:
    seed.fresh_passes()
    page = visit("/")
    expect(page.locator(".nudges")).to_contain_text("handovers are due")
    page.locator("#due").click()
    expect(page.locator(".nudges")).to_contain_text("coder-1 is at 18 exchanges on feature/cosine")


def test_a_run_and_a_sweep_lead_to_the_handovers_that_name_them(visit: Visit, workspace: Workspace) -> None:
    sweep = seed.sweep("swp00001", "cosine")
    run = seed.run(sweep, "8x2kq0ab", seed.Training())
    Workspace.objects.filter(pk=workspace.pk).update(config={"projects": [seed.VISION]})
    put(workspace.path, "HO-20261102-1000-bbbb22.md", document("HO-20261102-1000-bbbb22", focus="names both"))
    read(Workspace.objects.get(pk=workspace.pk))
    seed.fresh_passes()
    page = visit(f"/?open={sweep.pk}")
    page.locator(f"#named-sweep-{sweep.pk}").click()
    expect(page.get_by_role("link", name="names both")).to_be_visible()
    page.goto(f"/runs/{run.pk}/checkpoints")
    page.locator(f"#named-run-{run.pk}").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text("Handovers that name run")
    assert not Pickup.objects.exists()
