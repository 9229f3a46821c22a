"""The pages of the review: what they answer, who may write, and what they say where nothing is known."""

import json
import re
from datetime import timedelta

import pytest
import time_machine
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.core.clock import utcnow
from apps.core.permissions import Permission, Role, permits
from apps.review.domain.catalogue import MEASURES, PARTS
from apps.review.domain.weeks import parse_week
from apps.review.models import ActionItem, Attendance, Note
from apps.review.services.freezing import freeze
from tests.factories.moments import NOW
from tests.factories.rows import FlagFactory, WorkspaceFactory, both_sources_answered
from tests.integration.test_review_reading import many

pytestmark = pytest.mark.django_db
WEEK = parse_week("2026-W47")
HOUR = timedelta(hours=1)
KEY = "form-key-1234"


@pytest.fixture(autouse=True)
def _noon() -> object:
    """Monday of 2026-W48, at noon."""
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def _watched() -> None:
    both_sources_answered(at=WEEK.start - 30 * 24 * HOUR)
    both_sources_answered(at=NOW)


def text_of(client: Client, path: str) -> str:
    answer = client.get(path)
    assert answer.status_code == 200, path
    return str(answer.content.decode())


def test_review_leads_to_the_week_that_runs(viewer: Client) -> None:
    WorkspaceFactory(name="glue")
    assert viewer.get("/review").headers["Location"] == "/review/2026-W48"
    assert viewer.get("/review?workspace=glue").headers["Location"] == "/review/2026-W48?workspace=glue"
    assert viewer.get("/review?workspace=nope").headers["Location"] == "/review/2026-W48"
    assert viewer.get("/review/2026-w47").headers["Location"] == "/review/2026-W47"


@pytest.mark.parametrize(
    "path", ["/review/2026-W54", "/review/2025-W53", "/review/0000-W01", "/review/2026-W47?workspace=nope"]
)
def test_what_is_no_week_is_not_there(viewer: Client, path: str) -> None:
    assert viewer.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/review/2020-W53", "/review/2025-W01", "/review/2026-W53", "/review/2026-W47"])
def test_weeks_at_the_years_edge_are_shown(viewer: Client, path: str) -> None:
    assert f"Week {path[8:]}" in text_of(viewer, path)


def test_before_the_first_pass_the_page_says_what_is_unknown_and_why(viewer: Client) -> None:
    page = text_of(viewer, "/review/2026-W47")
    for why in ("W&amp;B was never read", "Slurm was never read", "Sweepboard was not there yet"):
        assert why in page
    assert not re.search(r'class="big">0<', page)


@pytest.mark.usefixtures("_watched")
def test_a_week_without_data_says_so_and_one_that_has_not_begun_too(viewer: Client) -> None:
    assert "Nothing is known to have trained in this week." in text_of(viewer, "/review/2026-W47")
    assert "This week has not begun" in text_of(viewer, "/review/2026-W50")
    assert "This week still runs: told until 2026-11-23 12:00 UTC." in text_of(viewer, "/review/2026-W48")


@pytest.mark.usefixtures("_watched")
def test_every_part_and_every_number_is_on_the_page_with_a_link_to_its_rows(viewer: Client) -> None:
    many(20)
    page = text_of(viewer, "/review/2026-W47")
    for part in PARTS:
        assert f'id="{part.id}"' in page
    for measure in MEASURES.values():
        address = f"/review/2026-W47/rows/{measure.id}"
        assert viewer.get(address).status_code == 200, address
        assert measure.id.startswith("verdict-") or f'href="{address}"' in page, measure.id
    assert "/review/2026-W47/rows/verdict-done" in page


@pytest.mark.usefixtures("_watched")
def test_rows_are_named_paged_and_lead_to_w_and_b(viewer: Client) -> None:
    many(230)
    page = text_of(viewer, "/review/2026-W47/rows/runs")
    assert page.count("<tr") == 101
    assert "Page 1 of 3" in page
    assert page.count("<tr") + text_of(viewer, "/review/2026-W47/rows/runs?page=3").count("<tr") == 101 + 31
    assert "user0, COMPLETED, 1 GPU" in text_of(viewer, "/review/2026-W47/rows/hours-total")
    assert viewer.get("/review/2026-W47/rows/lunch").status_code == 404


@pytest.mark.usefixtures("_watched")
def test_hours_of_each_person_lead_to_their_attempts_and_stand_above_last_weeks(viewer: Client) -> None:
    many(40)
    page = text_of(viewer, "/review/2026-W47")
    (address, *_) = re.findall(r'href="(/review/2026-W47/rows/hours-total[?]of=hours-by-person[^"]*)"', page)
    line = re.search(r"line=(\w+)", address)
    rows = text_of(viewer, address.replace("&amp;", "&"))
    assert line is not None
    assert f"GPU hours of {line[1]}" in rows
    assert rows.count("<tr") - 1 == rows.count(f"<td>{line[1]}, ")
    assert 'class="was"><span class="sr">last week </span>—' in page
    assert viewer.get("/review/2026-W47/rows/hours-total?of=hours-by-person&line=nobody").status_code == 404
    assert viewer.get("/review/2026-W47/rows/hours-total?of=lunch&line=x&key=%C2%B2").status_code == 404


@pytest.mark.usefixtures("_watched")
def test_rows_beyond_a_dozen_are_folded_and_not_left_out(viewer: Client) -> None:
    many(40, sweeps=20)
    table = json.loads(text_of(viewer, "/review/2026-W47.json"))["tables"]["hours-by-sweep"]
    page = text_of(viewer, "/review/2026-W47")
    assert len(table["rows"]) == 20
    assert "and 8 more</summary>" in page
    assert all(page.count(f">{row['name']}<") >= 1 for row in table["rows"])


@pytest.mark.usefixtures("_watched")
def test_what_came_late_is_marked_beside_what_was_known(viewer: Client) -> None:
    FlagFactory(opened_at=WEEK.start + HOUR)
    gone = FlagFactory(opened_at=WEEK.start + HOUR, rule="diverged")
    freeze(week=WEEK, workspace="", now=WEEK.end + HOUR)
    gone.delete()
    FlagFactory(opened_at=WEEK.start + 3 * HOUR, rule="stale-heartbeat", severity="warning")
    page = text_of(viewer, "/review/2026-W47")
    assert "As it was known on 2026-11-23 01:00 UTC" in page
    rows = text_of(viewer, "/review/2026-W47/rows/flags-raised")
    assert rows.count("came-late") == 2
    assert "no longer counts" in rows
    assert "which is gone by now" in rows


@pytest.mark.usefixtures("_watched")
def test_markdown_and_json_are_answered(viewer: Client) -> None:
    many(5)
    answer = viewer.get("/review/2026-W47.md")
    assert answer.headers["Content-Type"].startswith("text/plain")
    assert "# Weekly review 2026-W47" in answer.content.decode()
    told = json.loads(viewer.get("/review/2026-W47.json").content)
    assert told["schema"] == 1
    assert told["figures"]["runs"]["value"] == 5
    assert told["zone"] == "UTC"


def test_only_who_may_write_writes(viewer: Client, operator: Client) -> None:
    assert not permits(Role.VIEWER, Permission.WRITE_REVIEW)
    sent = {"part": "wrong", "text": "x", "key": KEY, "workspace": ""}
    assert viewer.post("/review/2026-W47/notes", sent).status_code == 403
    assert "Add a note" not in text_of(viewer, "/review/2026-W47")
    answer = operator.post("/review/2026-W47/notes", sent)
    assert (answer.status_code, answer.headers["Location"]) == (302, "/review/2026-W47#wrong")
    assert Note.objects.get().text == "x"


def test_what_is_written_is_shown_and_the_workspace_is_kept(operator: Client) -> None:
    WorkspaceFactory(name="glue")
    operator.post("/review/2026-W47/notes", {"part": "results", "text": "<b>lr</b>", "key": KEY, "workspace": "glue"})
    answer = operator.post(
        "/review/2026-W47/actions", {"what": "look", "who": "mia", "due": "", "key": KEY, "workspace": "glue"}
    )
    assert answer.headers["Location"] == "/review/2026-W47?workspace=glue#actions"
    page = text_of(operator, "/review/2026-W47?workspace=glue")
    assert "&lt;b&gt;lr&lt;/b&gt;" in page
    assert "<b>lr</b>" not in page
    assert "&lt;b&gt;lr" not in text_of(operator, "/review/2026-W47")
    item = ActionItem.objects.get()
    operator.post(f"/review/2026-W47/actions/{item.pk}", {"done": "1", "workspace": "glue"})
    item.refresh_from_db()
    assert item.done_at == NOW
    again = operator.post(f"/review/2026-W47/actions/{item.pk}", {"done": "1", "workspace": "glue"}, follow=True)
    assert "has done this already" in again.content.decode()


def test_attendance_is_noted_and_taken_off(operator: Client) -> None:
    operator.post("/review/2026-W47/attendance", {"names": "mia, tom", "workspace": ""})
    one = Attendance.objects.get(name="tom")
    operator.post(f"/review/2026-W47/attendance/{one.pk}/off", {"workspace": ""})
    assert list(Attendance.objects.values_list("name", flat=True)) == ["mia"]


@pytest.mark.parametrize(
    ("path", "sent", "sentence"),
    [
        ("notes", {"part": "wrong", "text": " ", "key": KEY}, "The note is empty."),
        ("notes", {"part": "wrong", "text": "x", "key": ""}, "This form is out of date."),
        ("actions", {"what": "look", "who": "", "due": "", "key": KEY}, "Who does it is empty."),
        ("actions", {"what": "look", "who": "mia", "due": "soon", "key": KEY}, "is no day"),
        ("attendance", {"names": ","}, "Write the name of at least one person."),
    ],
)
def test_a_refusal_is_a_sentence_and_keeps_what_was_typed(
    operator: Client, path: str, sent: dict[str, str], sentence: str
) -> None:
    answer = operator.post(f"/review/2026-W47/{path}", {**sent, "workspace": ""})
    assert answer.status_code == 422
    page = answer.content.decode()
    assert sentence in page
    if path == "actions":
        assert 'value="look"' in page


@pytest.mark.usefixtures("_watched")
def test_the_page_asks_as_many_queries_for_two_runs_as_for_two_hundred(viewer: Client) -> None:
    many(2)
    text_of(viewer, "/review/2026-W47")
    with CaptureQueriesContext(connection) as few:
        text_of(viewer, "/review/2026-W47")
    many_more()
    with CaptureQueriesContext(connection) as lots:
        text_of(viewer, "/review/2026-W47")
    assert len(lots) == len(few)


def many_more() -> None:
    """Two hundred runs in place of those that are there."""
    from apps.links.models import RunLink
    from apps.slurm.models import Job
    from apps.sweeps.models import Run

    for model in (RunLink, Job, Run):
        model.objects.all().delete()
    many(200)


# The wall


@pytest.mark.parametrize(("screen", "heading", "following"), [
    ("board", "Active sweeps", "flags"), ("flags", "Red flags", "week"), ("week", "Week 2026-W48", "board"),
])  # fmt: skip
def test_the_wall_shows_each_screen_and_names_the_next(
    viewer: Client, screen: str, heading: str, following: str
) -> None:
    page = text_of(viewer, f"/review/wall?show={screen}")
    assert f"<h1>{heading}</h1>" in page
    assert f'data-next="/review/wall?show={following}"' in page
    assert f'content="30; url=/review/wall?show={following}"' in page


def test_the_wall_says_what_is_empty_and_which_source_is_in_trouble(viewer: Client) -> None:
    assert "No sweep is active." in text_of(viewer, "/review/wall")
    assert "No red flag is open." in text_of(viewer, "/review/wall?show=flags")
    from tests.factories.rows import SyncPassFactory

    SyncPassFactory(error="W&B refuses the key.", started_at=NOW, finished_at=NOW)
    assert "W&amp;B refuses the key." in text_of(viewer, "/review/wall?show=week")


def test_a_wall_that_stays_open_stays_logged_in(viewer: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its session is renewed once a day, and not at every turn."""
    now = utcnow()
    viewer.get("/review/wall")
    ends = viewer.cookies["sessionid"]["expires"]
    viewer.cookies["sessionid"]["expires"] = ""
    viewer.get("/review/wall?show=flags")
    assert viewer.cookies["sessionid"]["expires"] == ""
    monkeypatch.setattr("apps.review.views.wall.utcnow", lambda: now + timedelta(days=1))
    viewer.get("/review/wall?show=week")
    assert viewer.cookies["sessionid"]["expires"] != ""
    assert ends != ""


def test_nobody_sees_the_wall_without_logging_in(client: Client) -> None:
    answer = client.get("/review/wall")
    assert answer.headers["Location"].startswith("/login/")
