"""The screens of the registry: found, read, compared, taken up; and nothing that a document holds can do harm."""

import re
from datetime import timedelta
from html.parser import HTMLParser
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.handovers.domain.parsing import MARK
from apps.handovers.models import Handover, Mention, Pickup, SavedSearch
from apps.handovers.screens.comparing import compared
from apps.handovers.screens.rendering import rendered
from apps.handovers.screens.timeline import Taken, Written, timeline
from tests.factories.handovers import KEY
from tests.factories.moments import NOW
from tests.factories.rows import JobFactory, RunFactory, SweepFactory, SyncPassFactory
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
        '<h3 id="l1">Pending</h3>',
        "<li>☐ one</li>",
        "<li>☑ two</li>",
        "<td>1</td>",
        '<span class="n">x</span>',
    ):
        assert told in html, told


@pytest.mark.parametrize("folder", ["CLAUDE/", "./CLAUDE/", "CLAUDE/archive/", "", "archive/", "../"])
def test_a_link_to_another_handover_leads_to_it_by_its_key_wherever_it_lies_now(folder: str) -> None:
    html = str(rendered(f"[seed]({folder}{KEY}.md#pending) [other](src/{KEY}.md) [notes](CLAUDE/notes.md)"))
    assert f'href="/handovers?q={KEY}&amp;open=1"' in html
    assert html.count("href") == 1


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


@pytest.mark.parametrize("part", [False, True])
def test_the_list_costs_the_same_for_two_and_for_fifty(
    viewer: Client, write: Write, django_assert_num_queries: Any, part: bool
) -> None:
    headers = {"hx-request": "true", "hx-target": "handovers"} if part else {}
    write(COSINE)
    write(COSINE + "2")
    viewer.get("/handovers", {"q": "cosine"}, headers=headers)
    with CaptureQueriesContext(connection) as few:
        viewer.get("/handovers", {"q": "cosine"}, headers=headers)
    for number in range(48):
        write(COSINE + f"n{number}", date=NOW + timedelta(hours=number))
    with django_assert_num_queries(len(few)):
        assert "50 handovers" in viewer.get("/handovers", {"q": "cosine"}, headers=headers).content.decode()
    assert Handover.objects.count() == 50


@pytest.mark.parametrize("asked", [{"q": "cosine", "branch": "main"}, {"branch": "main"}])
def test_pages_lead_on_and_back_with_every_filter_kept(viewer: Client, write: Write, asked: dict[str, str]) -> None:
    made = [write(COSINE + str(number), branch="main", focus=f"look {number:02}") for number in range(45)]
    address = "&amp;".join(f"{name}={value}" for name, value in asked.items())
    seen: list[int] = []
    for page, (earlier, following) in {1: (False, True), 2: (True, True), 3: (True, False)}.items():
        text = viewer.get("/handovers", {**asked, "page": page}).content.decode()
        seen += [one.pk for one in made if f'id="handover-{one.pk}"' in text]
        assert (f'id="next" rel="next" href="/handovers?{address}&amp;page={page + 1}"' in text) is following
        before = f"{address}&amp;page={page - 1}" if page > 2 else address
        assert (f'id="earlier" rel="prev" href="/handovers?{before}"' in text) is earlier
    assert sorted(seen) == [one.pk for one in made]
    assert "Nothing more" in viewer.get("/handovers", {**asked, "page": "9"}).content.decode()


@pytest.mark.parametrize("told", ["", "0", "-1", "x", "²", "9" * 50, "1.5"])
def test_a_page_that_is_none_is_the_first(viewer: Client, write: Write, told: str) -> None:
    write(COSINE, focus="the only one")
    text = viewer.get("/handovers", {"page": told}).content.decode()
    assert "the only one" in text
    assert 'aria-label="Pages"' not in text


def test_enter_on_a_key_opens_its_document_and_on_half_a_key_of_two_it_lists_both(viewer: Client, write: Write) -> None:
    one = write(COSINE, name="HO-20261001-0915-4fa1c2")
    write(COSINE, name="HO-20261001-0916-4fa1c3")
    answer = viewer.get("/handovers", {"q": "HO-20261001-0915", "open": "1"})
    assert (answer.status_code, answer.headers.get("Location")) == (302, f"/handovers/{one.pk}")
    for words in ("HO-20261001", "cosine", "", "HO-", "%"):
        assert viewer.get("/handovers", {"q": words, "open": "1"}).status_code == 200, words


def test_a_workspace_that_could_not_be_read_or_was_not_for_long_is_said_with_its_age(viewer: Client) -> None:
    SyncPassFactory(source="handovers", scope="glue", error="/shared/glue does not answer.", error_id="3f9c21ab77d0")
    SyncPassFactory(source="handovers", scope="old", started_at=NOW - timedelta(days=2), error="")
    text = viewer.get("/handovers").content.decode()
    assert "The handovers of glue could not be read yet: /shared/glue does not answer." in text
    assert "3f9c21ab77d0" in text
    assert "The handovers of old were last looked at" in text


def test_the_timeline_tells_gaps_and_how_long_each_one_lay() -> None:
    first = Written(1, NOW - timedelta(days=5), "coder-1", (Taken("mia", NOW - timedelta(days=4)),))
    second = Written(2, NOW - timedelta(days=1), "coder-2")
    last = Written(3, NOW, "coder-3")
    told = timeline([last, second, first])
    assert [(one.to, one.guessed, one.gap, one.waited) for one in told] == [
        ("", False, None, None),
        ("coder-3", True, timedelta(days=4), None),
        ("mia", False, None, timedelta(days=1)),
    ]
    assert timeline([Written(1, None, "")])[0].gap is None


@pytest.mark.parametrize("kind", ["sweep", "run", "job"])
def test_what_a_handover_names_leads_back_to_it(viewer: Client, write: Write, kind: str) -> None:
    sweep = SweepFactory()
    rows = {"sweep": sweep, "run": RunFactory(sweep=sweep), "job": JobFactory(job_id="77")}
    assert "No handover names it" in viewer.get(f"/handovers/naming/{kind}/{rows[kind].pk}").content.decode()
    one = write(COSINE, focus="names it")
    Mention.objects.create(handover=one, kind=kind, name="77", **{kind: rows[kind]})
    assert "names it" in viewer.get(f"/handovers/naming/{kind}/{rows[kind].pk}").content.decode()
    assert viewer.get(f"/handovers/naming/{kind}/999999").status_code == 404
    assert viewer.get(f"/handovers/naming/agent/{rows[kind].pk}").status_code == 404


def test_a_job_a_branch_and_a_commit_lead_to_the_handovers_that_name_them(
    viewer: Client, write: Write, django_assert_num_queries: Any
) -> None:
    one, other = write("first", branch="main", focus="the first"), write("second", branch="main", focus="the second")
    job, sha = JobFactory(job_id="77"), "0123abc" + "d" * 33
    for owner, kind, name in (
        (one, "branch", "fix/seed"), (one, "commit", sha[:9]), (one, "commit", "0123abcee"), (other, "commit", sha),
    ):  # fmt: skip
        Mention.objects.create(handover=owner, kind=kind, name=name)
    Mention.objects.create(handover=one, kind="job", name="77", job=job)
    text = viewer.get(f"/handovers/{one.pk}").content.decode()
    for path in (f"naming/job/{job.pk}", "branch/glue/fix/seed", f"naming/commit/{sha[:9]}"):
        assert f'href="/handovers/{path}"' in text, path
        assert "the first" in viewer.get(f"/handovers/{path}").content.decode()
    assert "naming/commit/0123abcee" not in text
    assert "the second" in viewer.get(f"/handovers/naming/commit/{sha[:9]}").content.decode()
    assert "No handover names it" in viewer.get("/handovers/naming/commit/fedcba9").content.decode()
    with CaptureQueriesContext(connection) as few:
        viewer.get(f"/handovers/{one.pk}")
    for number in range(20):
        Mention.objects.create(handover=one, kind="commit", name=f"{number:07x}")
    with django_assert_num_queries(len(few)):
        viewer.get(f"/handovers/{one.pk}")


def test_a_branch_tells_which_handovers_of_other_branches_name_it(
    viewer: Client, write: Write, django_assert_num_queries: Any
) -> None:
    write("first", branch="fix/seed", focus="of the branch")
    naming = write("second", branch="main", focus="names the branch")
    Mention.objects.create(handover=naming, kind="branch", name="fix/seed")
    text = viewer.get("/handovers/branch/glue/fix/seed").content.decode()
    assert text.index("of the branch") < text.index("that name it") < text.index("names the branch")
    assert "that name it" not in viewer.get("/handovers/branch/glue/main").content.decode()
    with CaptureQueriesContext(connection) as few:
        viewer.get("/handovers/branch/glue/fix/seed")
    for number in range(5):
        write(f"more {number}", branch="fix/seed")
        more = write(f"naming {number}", branch="main")
        Mention.objects.create(handover=more, kind="branch", name="fix/seed")
    with django_assert_num_queries(len(few)):
        viewer.get("/handovers/branch/glue/fix/seed")


def test_a_job_of_another_cluster_is_another_job(viewer: Client, write: Write) -> None:
    one, here, there = write("x", focus="names two"), JobFactory(job_id="77"), JobFactory(job_id="78", cluster="other")
    for job in (here, there):
        Mention.objects.create(handover=one, kind="job", name=job.job_id, job=job)
    namesake = JobFactory(job_id="77", cluster="other")
    assert "No handover names it" in viewer.get(f"/handovers/naming/job/{namesake.pk}").content.decode()


def test_the_page_shows_the_stage_the_boxes_the_decisions_and_what_it_names(viewer: Client, write: Write) -> None:
    text = "# HO\n## Pending\n- [ ] rerun\n## Validation\n- `pytest`\n## Key Decisions\n- drop it: no gain\n"
    one = write(text, branch="main", superseded_by=write("later", branch="main"), state="superseded")
    run = RunFactory(state="crashed")
    Mention.objects.create(handover=one, kind="run", name=run.run_id, run=run)
    shown = viewer.get(f"/handovers/{one.pk}").content.decode()
    for part in (
        "nobody has picked it up yet", "1 decision", "no result: no proof", f'"/runs/{run.pk}"',
        one.superseded_by.key, 'aria-current="step"',
    ):  # fmt: skip
        assert part in shown, part


def test_a_mark_of_tools_is_not_read_out_and_moves_no_heading() -> None:
    assert str(rendered(f"{MARK}\n# HO\n")).strip() == '<h2 id="l2">HO</h2>'
