"""The screens of handovers in a real browser: found while one types, read without harm, in both schemes and widths."""

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import Complaints, Visit
from tests.browser.test_board_looks import violations
from tests.integration.test_handovers_pages import HOSTILE
from tests.integration.test_handovers_search import COSINE, Write, edit, write

__all__ = ["write"]
pytestmark = [pytest.mark.needs_chromium, pytest.mark.django_db(transaction=True)]
DOCUMENT = """# HO-20261123-1200-000000

Date: 2026-11-23
Agent: claude
Branch: fix/warm-restarts

## What Changed
- The schedule restarts every 2,000 steps, see `train.py`.

```python
def restart(step: int) -> float:
    return 0.5 * (1 + math.cos(step))  # half a wave
```

## Validation

| Command | Result |
|---|---|
| pytest -q tests/test_schedule.py | 14 passed |

## Pending
- [ ] Rerun seed 3
- [x] Log restart_every

## Startup Prompt
```text
Handover Key: HO-20261123-1200-000000
Read CLAUDE/HO-20261123-1200-000000.md, then rerun seed 3.
```
"""


def filled(write: Write) -> Any:
    write(COSINE, branch="fix/warm-restarts", focus="no cosine schedule", agent="codex")
    one = write(DOCUMENT, branch="fix/warm-restarts", focus="warm restarts for the GLUE sweep", agent="claude",
                pending_open=1, pending_done=1,
                findings=[{"id": "no-next", "sentence": "It names no next session.", "line": 3}])  # fmt: skip
    return edit(one, DOCUMENT + "\n## Key Decisions\n- Steps, not epochs: the loader drops the last batch.\n")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_screens_are_accessible_wcag(visit: Visit, write: Write, scheme: str) -> None:
    one = filled(write)
    page = visit("/handovers?q=cosine", color_scheme=scheme)
    assert violations(page) == []
    for path in ("", "/compare"):
        page.goto(f"/handovers/{one.pk}{path}")
        assert violations(page) == []
    page.goto("/handovers/branch/glue?branch=fix%2Fwarm-restarts")
    assert violations(page) == []


def test_it_is_found_while_one_types_and_the_address_keeps_it(visit: Visit, write: Write) -> None:
    filled(write)
    page = visit("/handovers")
    page.keyboard.press("/")
    page.keyboard.type("cosine sched")
    expect(page.locator("#handovers mark").first).to_have_text("cosine")
    expect(page.locator(".hits .name")).to_have_text(["no cosine schedule"])
    expect(page).to_have_url(re.compile("cosine"))
    page.keyboard.press("Tab")
    page.locator(".hits .name").first.focus()
    page.keyboard.press("Enter")
    expect(page.locator("article .prose")).to_contain_text("no gain over linear decay")


def test_the_startup_prompt_is_copied_whole(visit: Visit, write: Write) -> None:
    one = filled(write)
    page = visit(f"/handovers/{one.pk}", permissions=["clipboard-read", "clipboard-write"])
    page.locator("#copy-prompt").click()
    expect(page.locator("#toast")).to_contain_text("Copied")
    assert "rerun seed 3" in page.evaluate("navigator.clipboard.readText()")


def test_it_is_picked_up_and_the_second_one_is_told_without_javascript(visit: Visit, write: Write) -> None:
    one = filled(write)
    for who in ("operator", "admin"):
        page = visit(f"/handovers/{one.pk}", who=who, java_script_enabled=False)
        page.locator("#pick-up").click()
        expect(page.locator("main")).to_contain_text(f"{who} picked up")
    expect(page.locator("main")).to_contain_text("operator had picked it up already")
    page.goto("/handovers")
    page.fill("#filter-q", "steps epochs")
    page.keyboard.press("Enter")
    expect(page.locator(".hits .name").first).to_have_text("warm restarts for the GLUE sweep")


def test_a_hostile_document_does_nothing(visit: Visit, write: Write, complaints: Complaints) -> None:
    one = write("\n\n".join(HOSTILE), focus="<script>alert(1)</script>")
    page = visit(f"/handovers/{one.pk}")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("dialog", lambda dialog: asked.append(f"dialog {dialog.message}"))
    page.reload()
    page.goto(f"/handovers/{one.pk}")
    page.wait_for_load_state("networkidle")
    own = page.evaluate("location.origin")
    assert [url for url in asked if not url.startswith(own)] == []
    assert complaints.unexpected == []


@pytest.mark.parametrize("width", [390, 1440])
def test_nothing_runs_sideways(visit: Visit, write: Write, width: int) -> None:
    one = filled(write)
    page = visit("/handovers?q=cosine", viewport={"width": width, "height": 900})
    for path in ("/handovers?q=cosine", f"/handovers/{one.pk}", f"/handovers/{one.pk}/compare"):
        page.goto(path)
        assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"), path
