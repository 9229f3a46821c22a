"""The screens of the registry: found, read, compared, taken up; and nothing that a document holds can do harm."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.handovers.models import Handover, Pickup, SavedSearch
from apps.handovers.screens.comparing import compared
from apps.handovers.screens.rendering import rendered
from tests.factories.moments import NOW
from tests.integration.test_handovers_search import COSINE, Write, edit, write

__all__ = ["write"]
pytestmark = pytest.mark.django_db
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[x](javascript:alert(1))",
    "[x](JaVaScRiPt:alert(1))",
    "[x](java\nscript:alert(1))",
    "[x](&#106;avascript:alert(1))",
    "[x](data:text/html,<script>alert(1)</script>)",
    "[x](vbscript:msgbox(1))",
    "<svg onload=alert(1)>",
    "<math><mi xlink:href=javascript:alert(1)>x</mi></math>",
    "<iframe src=https://evil.example.org></iframe>",
    "<form action=https://evil.example.org><input name=a></form>",
    "<meta http-equiv=refresh content='0;url=https://evil.example.org'>",
    "<style>@import 'https://evil.example.org/x.css'</style>",
    "<link rel=stylesheet href=https://evil.example.org/x.css>",
    "<base href=https://evil.example.org>",
    "![t](https://evil.example.org/t.png)",
    "![t](javascript:alert(1))",
    "<!-- --><script>alert(1)</script><!-- -->",
    "<a href='javascript:alert(1)'>x</a>",
    "[x]: javascript:alert(1)\n\n[x]",
    "<javascript:alert(1)>",
    "```html\n<script>alert(1)</script>\n```",
    "```<script>\nx\n```",
    "`<script>alert(1)</script>`",
    "| <script>a</script> |\n|---|\n| <img src=x onerror=b> |",
    "# <a id=main>x</a>\n\n<div style='position:fixed;inset:0'>x</div>",
    "[x](https://example.org \"' onmouseover='alert(1)\")",
    "[x](//evil.example.org)",
    "[x](/handovers/1/restore)",
    "> <script>\n> alert(1)\n> </script>",
    "<details open ontoggle=alert(1)>",
    "\x00<scr\x00ipt>alert(1)</script>",
    '<a href="https://example.org" onclick=alert(1)>x</a>',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
]


FORBIDDEN = {
    "script", "img", "iframe", "form", "input", "svg", "math", "style", "link", "meta", "base", "div", "details",
    "object", "embed", "video",
}  # fmt: skip


class Watching(HTMLParser):
    """What a browser would make of it: tags with their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_in_a_document_can_run_load_or_stand_in_for_the_page(text: str) -> None:
    watching = Watching()
    watching.feed(str(rendered(text)))
    for tag, told in watching.tags:
        assert tag not in FORBIDDEN
        assert not [name for name in told if name.startswith("on") or name in ("style", "src", "srcset", "name")]
        assert re.fullmatch(r"(https?:|mailto:|#l\d+).*", told.get("href") or "https:")
        assert re.fullmatch(r"l\d+", told.get("id") or "l1")
        assert tag != "a" or "href" not in told or "noopener" in (told["rel"] or "")


def test_markdown_reads_as_it_was_meant() -> None:
    html = str(
        rendered("## Pending\n- [ ] one\n- [x] two\n\n| a | b |\n|---|---|\n| 1 | 2 |\n\n```python\nx = 1\n```\n")
    )
    for told in (
        '<h2 id="l1">Pending</h2>',
        "<li>☐ one</li>",
        "<li>☑ two</li>",
        "<td>1</td>",
        '<span class="n">x</span>',
    ):
        assert told in html, told


def test_a_question_is_answered_on_the_page_with_the_passage_marked(viewer: Client, write: Write) -> None:
    wanted = write(COSINE, focus="linear decay")
    text = viewer.get("/handovers", {"q": "why did we drop the cosine schedule?"}).content.decode()
    assert "<mark>cosine</mark>" in text
    assert f"/handovers/{wanted.pk}" in text
    assert "no document has <q>drop</q>" in text
    part = viewer.get("/handovers", {"q": "nothing"}, headers={"hx-request": "true", "hx-target": "handovers"})
    assert "<html" not in part.content.decode()
    assert "Nothing found" in part.content.decode()


def test_without_a_handover_the_page_says_how_they_come(viewer: Client) -> None:
    assert "manage.py handover new" in viewer.get("/handovers").content.decode()


def test_filters_that_make_no_sense_are_not_asked_for(viewer: Client, write: Write) -> None:
    write(COSINE)
    for odd in ({"since": "yesterday"}, {"until": "0001-01-01"}, {"state": "lost"}, {"pending": ""}):
        assert "1 handover" in viewer.get("/handovers", odd).content.decode(), odd


def test_a_search_is_kept_under_a_name_and_shared_with_others(viewer: Client, operator: Client) -> None:
    viewer.post("/handovers/searches", {"q": "cosine", "branch": "main", "name": "decays", "shared": "1"})
    assert 'href="/handovers?q=cosine&amp;branch=main">decays</a>' in operator.get("/handovers").content.decode()
    kept = SavedSearch.objects.get()
    operator.post(f"/handovers/searches/{kept.pk}/forget")
    assert SavedSearch.objects.exists()
    viewer.post(f"/handovers/searches/{kept.pk}/forget")
    assert not SavedSearch.objects.exists()
    assert "Give the search a name" in viewer.post("/handovers/searches", {"q": "x"}, follow=True).content.decode()


def test_a_handover_is_read_with_what_is_known_of_it(viewer: Client, write: Write) -> None:
    one = write("# HO\n## Startup Prompt\n```text\nRead HO-1 and begin.\n```\n## Pending\n- [ ] rerun\n", branch="main")
    edit(one, "# HO\nAnother text.")
    text = viewer.get(f"/handovers/{one.pk}").content.decode()
    for told in ("Another text.", "2 versions", "by nobody", "Verified", one.key):
        assert told in text, told
    older = one.versions.first()
    assert older is not None
    text = viewer.get(f"/handovers/{one.pk}", {"version": older.pk}).content.decode()
    assert "Read HO-1 and begin." in text
    assert "This is the version of" in text
    for odd in ("x", "99999999"):
        assert viewer.get(f"/handovers/{one.pk}", {"version": odd}).status_code == 404


def test_the_raw_view_is_plain_text_that_no_browser_runs(viewer: Client, write: Write) -> None:
    one = write("<script>alert(1)</script>")
    answer = viewer.get(f"/handovers/{one.pk}/raw")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "sandbox" in answer["Content-Security-Policy"]


def test_what_changed_since_the_last_one_of_the_branch_is_shown(viewer: Client, write: Write) -> None:
    write("a\nb\nc\n", branch="main")
    later = write("a\nB\nc\n", branch="main")
    text = viewer.get(f"/handovers/{later.pk}/compare").content.decode()
    assert "<td>B</td>" in text
    assert "Both documents" not in text
    assert [(line.kind, line.text) for line in compared("a\nb", "a\nB")] == [
        ("same", "a"), ("removed", "b"), ("added", "B"),
    ]  # fmt: skip
    alone = write("x", branch="other")
    assert "Nothing to compare with" in viewer.get(f"/handovers/{alone.pk}/compare").content.decode()


def test_a_branch_tells_who_handed_what_to_whom(viewer: Client, write: Write) -> None:
    one = write(COSINE, branch="fix/a b", agent="claude")
    Pickup.objects.create(handover=one, who="mia", at=NOW)
    text = viewer.get("/handovers/branch/glue/fix/a b").content.decode()
    assert "<strong>claude</strong> → <strong>mia</strong>" in text
    assert "picked up by mia" in text
    assert viewer.get("/handovers/branch/glue/none").status_code == 404


def test_the_second_to_pick_it_up_is_told_of_the_first(operator: Client, viewer: Client, write: Write) -> None:
    one = write(COSINE)
    assert viewer.post(f"/handovers/{one.pk}/pick-up").status_code == 403
    Pickup.objects.create(handover=one, who="mia", at=NOW)
    text = operator.post(f"/handovers/{one.pk}/pick-up", follow=True).content.decode()
    assert "mia had picked it up already" in text
    operator.post(f"/handovers/{one.pk}/release")
    assert Pickup.objects.filter(released_at=None).count() == 1
    assert "is not in the archive" in operator.post(f"/handovers/{one.pk}/restore", follow=True).content.decode()


def test_the_list_costs_the_same_however_many_are_found(
    viewer: Client, write: Write, django_assert_num_queries: Any
) -> None:
    write(COSINE)
    write(COSINE + "2")
    viewer.get("/handovers", {"q": "cosine"})
    with CaptureQueriesContext(connection) as few:
        viewer.get("/handovers", {"q": "cosine"})
    for number in range(20):
        write(COSINE + f"n{number}", date=NOW + timedelta(hours=number))
    with django_assert_num_queries(len(few)):
        viewer.get("/handovers", {"q": "cosine"})
    assert Handover.objects.count() == 22
