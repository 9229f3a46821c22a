"""The page of one run over HTTP: what it says, its notes and logs, whom it lets in, what it costs."""

from datetime import timedelta
from pathlib import Path

import pytest
import time_machine
from django.test import Client

from apps.audit.models import AuditEvent
from apps.core.permissions import Role
from apps.handovers.models import Mention
from apps.joblogs.models import LogFile
from apps.pages.domain.logwindow import CHUNK
from apps.pages.models import RunNote
from tests.factories.approvals import handover
from tests.factories.moments import NOW
from tests.factories.pages import CAUSE, log_of, queries, text_of, whole_run
from tests.factories.rows import (
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    RunStatusFactory,
    both_sources_answered,
)
from tests.integration.conftest import client_of

pytestmark = pytest.mark.django_db
KEY = "a-form-of-its-own"
CHARTS = ("curves", "best", "cost", "importance", "spread", "timeline", "parallel")


@pytest.fixture(autouse=True)
def _noon() -> object:
    with time_machine.travel(NOW, tick=False):
        yield


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """No broker: what would be sent to a worker is listed."""
    told: list[int] = []
    monkeypatch.setattr("apps.pages.views.catalogue.send_importance", lambda one: told.append(one.pk))
    return told


# one run


def test_a_run_page_tells_everything_that_is_known(operator: Client, tmp_path: Path) -> None:
    both_sources_answered()
    run = whole_run(tmp_path)
    text = text_of(operator, f"/runs/{run.pk}")
    for said in (
        "change-then-resume",
        "train.err line 3 says CUDA out of memory.",
        "config-drift",
        "✖ broken",
        "Its end is cut off.",
        "step 2\u202f000",
        "<del>0.01</del>",
        "<ins>0.001</ins>",
        "torch.OutOfMemoryError",
        f"job {run.status.job.job_id}",
        "samples a step",
        "gradient_accumulation_steps in the config",
        "12.0\xa0GB",
        "110\u202f000\u202f000 in a proven checkpoint",
        f"/runs/{run.pk}/checkpoints",
        f"/memory?run={run.pk}",
        f"/sweeps/{run.sweep_id}",
    ):
        assert said in text, said
    assert '<span class="figure">64</span>' in text, "8 × 4 × 2"


def test_a_run_of_which_nothing_is_known_says_so_in_every_part(operator: Client) -> None:
    run = RunFactory(sweep=None, config={}, summary={}, url="", gpu_memory_percent=None)
    text = text_of(operator, f"/runs/{run.pk}")
    for said in (
        "Not judged yet",
        "Neither W&amp;B nor Slurm was read",
        "No checkpoint is known",
        "No job is known",
        "No log of this run",
        "Drift is unknown",
        "W&amp;B holds no config",
        "no W&amp;B link",
        "Nobody has had this run resumed",
        "No note yet",
    ):
        assert said in text, said
    assert text.count(">unknown<") >= 4, "batch, accumulation, GPUs, the product"


def test_a_stale_source_is_named_with_its_age(operator: Client) -> None:
    both_sources_answered(at=NOW.replace(hour=2))
    run = RunFactory()
    assert "last that was known" in text_of(operator, f"/runs/{run.pk}")


def test_a_poll_is_answered_only_when_something_is_newer(operator: Client) -> None:
    both_sources_answered()
    run = RunFactory()
    page = text_of(operator, f"/runs/{run.pk}")
    url = page.split('id="run-now"')[1].split('hx-get="')[1].split('"')[0].replace("&amp;", "&")
    headers = {"HX-Request": "true", "HX-Target": "run-now"}
    assert operator.get(url, headers=headers).status_code == 204
    both_sources_answered()
    fresh = operator.get(url, headers=headers)
    assert fresh.status_code == 200
    assert b"<html" not in fresh.content


@pytest.mark.parametrize(
    "url", ["/runs/999", "/sweeps/999", "/runs/999/logs/1", "/sweeps/999/charts/best", "/sweeps/999/runs.csv"]
)
def test_what_is_not_there_is_not_found(operator: Client, url: str) -> None:
    assert operator.get(url).status_code == 404


@pytest.mark.parametrize("role", list(Role))
def test_every_role_reads_and_a_viewer_writes_no_note(role: Role) -> None:
    run = RunFactory()
    client = client_of(role)
    assert client.get(f"/runs/{run.pk}").status_code == 200
    assert client.get(f"/sweeps/{run.sweep_id}").status_code == 200
    written = client.post(f"/runs/{run.pk}/notes", {"text": "look", "key": KEY})
    assert written.status_code == (403 if role is Role.VIEWER else 302)
    assert RunNote.objects.count() == (role is not Role.VIEWER)


def test_a_run_page_costs_the_same_for_two_attempts_and_for_fifty(operator: Client, tmp_path: Path) -> None:
    both_sources_answered()
    run = whole_run(tmp_path)
    before = queries(operator, f"/runs/{run.pk}")
    for _ in range(48):
        job = JobFactory()
        RunLinkFactory(run=run, job=job)
        log_of(run, job, tmp_path)
    assert queries(operator, f"/runs/{run.pk}") == before


# notes


def test_an_attempt_leads_to_the_handovers_that_name_its_job(operator: Client) -> None:
    run, one, other = RunFactory(), JobFactory(job_id="77"), JobFactory(job_id="78")
    for job in (one, other):
        RunLinkFactory(run=run, job=job)
    for name in ("HO-20261101-0900-aaaa", "HO-20261102-0900-bbbb"):
        Mention.objects.create(handover=handover(name, branch=name), kind="job", name="77", job=one)
    elsewhere = JobFactory(job_id="78", cluster="other")
    Mention.objects.create(handover=handover("HO-20261103-0900-cccc"), kind="job", name="78", job=elsewhere)
    before = queries(operator, f"/runs/{run.pk}")
    text = text_of(operator, f"/runs/{run.pk}")
    assert f'id="named-job-{one.pk}" href="/handovers/naming/job/{one.pk}">2 handovers that name it' in text
    assert f"named-job-{other.pk}" not in text
    for number in range(10):
        RunLinkFactory(run=run, job=JobFactory(job_id=f"9{number}"))
    assert queries(operator, f"/runs/{run.pk}") == before


def test_a_note_is_kept_edited_and_remembered(operator: Client) -> None:
    run = RunFactory()
    operator.post(f"/runs/{run.pk}/notes", {"text": " The <b>warm-up</b> is off. ", "key": KEY})
    note = RunNote.objects.get()
    text = text_of(operator, f"/runs/{run.pk}")
    assert "The &lt;b&gt;warm-up&lt;/b&gt; is off." in text
    operator.post(f"/runs/{run.pk}/notes/{note.pk}", {"text": "It is on.", "seen": ""})
    note.refresh_from_db()
    assert (note.text, note.edited_by) == ("It is on.", note.by)
    edited = AuditEvent.objects.get(type="run.note.edited")
    assert edited.detail["before"] == "The <b>warm-up</b> is off."


def test_a_form_that_is_sent_twice_keeps_one_note_and_other_words_another(operator: Client) -> None:
    run = RunFactory()
    for text in ("look", "look", "look again"):
        assert operator.post(f"/runs/{run.pk}/notes", {"text": text, "key": KEY}).status_code == 302
    assert sorted(RunNote.objects.values_list("text", flat=True)) == ["look", "look again"]
    assert AuditEvent.objects.filter(type="run.note.added").count() == 2
    old = operator.post(f"/runs/{run.pk}/notes", {"text": "kept words"})
    assert old.status_code == 422
    assert "out of date" in (text := old.content.decode())
    assert "kept words" in text


def test_many_notes_say_how_many_and_where_the_rest_is(operator: Client) -> None:
    run = RunFactory()
    RunNote.objects.bulk_create(RunNote(run=run, text=f"note {n}.", by="mia", at=NOW) for n in range(60))
    text = text_of(operator, f"/runs/{run.pk}")
    assert "The newest 50 of 60." in text
    assert "note 0." not in text
    assert "note 0." in (whole := text_of(operator, f"/runs/{run.pk}?notes=all"))
    assert "The newest" not in whole


def test_an_open_flag_is_shown_however_many_came_after_it(operator: Client) -> None:
    run = RunFactory()
    RunStatusFactory(run=run)
    FlagFactory(run=run, rule="zombie", opened_at=NOW - timedelta(days=9))
    for day in range(60):
        FlagFactory(run=run, rule="stale-heartbeat", opened_at=NOW - timedelta(hours=day), cleared_at=NOW)
    text = text_of(operator, f"/runs/{run.pk}")
    assert "none open" not in text
    assert "zombie" in text.split("Over or cleared")[0]


def test_a_note_that_says_nothing_is_refused_and_what_was_typed_stays(operator: Client) -> None:
    run = RunFactory()
    answer = operator.post(f"/runs/{run.pk}/notes", {"text": "x" * 10_001, "key": KEY})
    assert answer.status_code == 422
    assert "A note has at most 10000 characters" in answer.content.decode()
    assert "x" * 10_001 in answer.content.decode()
    assert operator.post(f"/runs/{run.pk}/notes", {"text": " \x00".replace("\x00", ""), "key": KEY}).status_code == 422
    assert RunNote.objects.count() == 0


def test_of_two_who_edit_one_note_the_second_is_told(operator: Client) -> None:
    run = RunFactory()
    operator.post(f"/runs/{run.pk}/notes", {"text": "one", "key": KEY})
    note = RunNote.objects.get()
    operator.post(f"/runs/{run.pk}/notes/{note.pk}", {"text": "two", "seen": ""})
    late = operator.post(f"/runs/{run.pk}/notes/{note.pk}", {"text": "three", "seen": ""})
    assert late.status_code == 422
    assert "changed this note meanwhile" in late.content.decode()
    assert "three" in late.content.decode()
    assert RunNote.objects.get().text == "two"


def test_a_second_press_on_change_is_no_contradiction_with_oneself(operator: Client) -> None:
    run = RunFactory()
    operator.post(f"/runs/{run.pk}/notes", {"text": "one", "key": KEY})
    note = RunNote.objects.get()
    for _ in range(2):
        assert operator.post(f"/runs/{run.pk}/notes/{note.pk}", {"text": "two", "seen": ""}).status_code == 302
    assert AuditEvent.objects.filter(type="run.note.edited").count() == 1


# logs


def test_a_log_is_read_in_windows_and_evidence_is_jumped_to_by_its_byte(operator: Client, tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    page = text_of(operator, f"/runs/{run.pk}")
    byte = Path(log.path).read_bytes().index(CAUSE.encode())
    jump = f"/runs/{run.pk}/logs/{log.pk}?line={byte}#line"
    assert jump in page
    shown = text_of(operator, jump.partition("#")[0])
    assert f'<span id="line" class="marked"><span class="sr">evidence: </span>{CAUSE}' in shown
    assert f'id="b{byte + len(CAUSE) + 1}"' in shown


def test_of_a_huge_log_a_window_is_read_and_never_the_whole(operator: Client, tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    with Path(log.path).open("r+b") as held:
        held.truncate(3 << 30)  # a hole, as of a writer that went on behind a cut
        held.seek(0, 2)
        held.write(b"\nthe last line\n")
    text = text_of(operator, f"/runs/{run.pk}/logs/{log.pk}")
    assert "the last line" in text
    assert len(text) < 400_000
    found = text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?q=last+line")
    assert "Search on from there" in found, "sixteen megabytes at a time"


def test_a_log_that_is_gone_or_of_another_run_is_said(operator: Client, tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    other = RunFactory(sweep=run.sweep)
    assert operator.get(f"/runs/{other.pk}/logs/{log.pk}").status_code == 404
    Path(log.path).unlink()
    assert "The log is gone" in text_of(operator, f"/runs/{run.pk}/logs/{log.pk}")
    Path(log.path).mkdir()
    assert "The log is gone" in text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?q=x&at=99999999999999")


def test_newer_goes_on_with_the_very_next_line(operator: Client, tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    Path(log.path).write_text("".join(f"line {place} of many\n" for place in range(9000)))
    first = text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?at=0")
    newer = first.split('id="log-newer" href="')[1].split('"')[0]
    last = int(first.rsplit("line ", 1)[1].split()[0])
    assert f">line {last + 1} of many" in text_of(operator, newer)


@pytest.mark.parametrize("asked", ["at=6", "at=99999", "line=6", "line=99999"])
def test_a_log_that_is_shorter_than_what_is_asked_for_shows_its_tail_and_says_so(
    operator: Client, tmp_path: Path, asked: str
) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    Path(log.path).write_text("short\n")
    text = text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?{asked}")
    assert ">short" in text
    assert "This log is shorter than that" in text
    assert "The log is empty" not in text
    Path(log.path).write_text("")
    emptied = text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?{asked}")
    assert "This log is shorter than that" in emptied
    assert "Nothing was written to it yet" not in emptied


@pytest.mark.parametrize("shift", range(0, 10, 3))
def test_a_word_across_the_border_of_two_reads_of_a_long_line_is_found_once(
    operator: Client, tmp_path: Path, shift: int
) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    Path(log.path).write_bytes(b"a" * (CHUNK - shift) + b"SPLITWORD" + b"a" * CHUNK + b"\n")
    assert "1 line with" in text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?q=splitword")


def test_a_hit_in_a_huge_line_leads_to_its_word(operator: Client, tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    Path(log.path).write_text("é" * 60_000 + "\n" + "x" * 5_000_000 + "NEEDLE" + "y" * 1_000_000 + "\nend\n")
    text = text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?q=needle")
    hit = text.split('class="loghits"')[1].split('href="')[1].split('"')[0].replace("&amp;", "&")
    shown = text_of(operator, hit.partition("#")[0]).split('id="log"')[1]
    assert 'id="line" class="marked"' in shown
    assert "NEEDLE" in shown
    assert "the line began before" in shown


def test_the_next_search_goes_on_behind_the_last_hit_and_ends_with_the_log(operator: Client, tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    Path(log.path).write_text("".join(f"loss {place}\n" for place in range(60)))
    first = text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?q=loss")
    further = first.split('id="search-on" href="')[1].split('"')[0].replace("&amp;", "&").partition("#")[0]
    assert "50 lines with" in first
    rest = text_of(operator, further)
    assert "10 lines with" in rest
    assert "Search on from there" not in rest


def test_markup_in_a_log_is_text(operator: Client, tmp_path: Path) -> None:
    run = whole_run(tmp_path)
    log = LogFile.objects.get()
    Path(log.path).write_text("<script>alert(1)</script>\n")
    assert "&lt;script&gt;" in text_of(operator, f"/runs/{run.pk}/logs/{log.pk}?q=script")
