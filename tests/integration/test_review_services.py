"""What is kept of a week: frozen once, made good when missed; and what people write, nothing of which is lost."""

import threading
from collections.abc import Callable
from datetime import date, timedelta
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
import time_machine
from django.core.management import CommandError, call_command
from django.db import connection, connections

from apps.alerts.adapters.memory import MemorySender
from apps.alerts.models import AlertDelivery
from apps.alerts.services.channels import SWITCHED_OFF, switch_channel
from apps.alerts.services.delivering import deliver
from apps.audit.models import AuditEvent
from apps.core.errors import AlreadyDone, Permanent, Transient
from apps.flags.models import Flag
from apps.review.domain.weeks import parse_week
from apps.review.domain.wording import standing
from apps.review.models import ActionItem, Attendance, Digest, Note, WeekSnapshot
from apps.review.reading.meeting import items_of, review_of
from apps.review.reading.scopes import week_named
from apps.review.services import meeting
from apps.review.services.digesting import due_at, send_digests
from apps.review.services.freezing import close_weeks, freeze
from apps.review.tasks import close_weeks_task, send_digests_task
from tests.factories.alerts import channel
from tests.factories.rows import FlagFactory, RunFactory, WorkspaceFactory, both_sources_answered

pytestmark = pytest.mark.django_db
WEEK = parse_week("2026-W47")
START, END = WEEK.start, WEEK.end
HOUR = timedelta(hours=1)
CLOSED = END + HOUR
KEY = "k" * 12


@pytest.fixture
def _watched() -> None:
    both_sources_answered(at=START - 30 * 24 * HOUR)
    both_sources_answered(at=CLOSED)


@pytest.fixture
def configured(settings: Any, tmp_path: Path) -> Callable[[str], None]:
    """Put a text into sweepboard.toml."""

    def write(text: str) -> None:
        path = tmp_path / f"sweepboard{len(text)}.toml"
        path.write_text(text)
        settings.CONFIG_FILE = str(path)

    return write


# Frozen


@pytest.mark.usefixtures("_watched")
def test_a_week_is_frozen_once_when_it_is_over_and_shows_what_was_known_then() -> None:
    first = FlagFactory(opened_at=START + HOUR)
    assert not freeze(week=WEEK, workspace="", now=END + timedelta(minutes=5))  # the last passes are still to come
    assert freeze(week=WEEK, workspace="", now=CLOSED)
    FlagFactory(opened_at=START + 2 * HOUR, rule="diverged")
    assert not freeze(week=WEEK, workspace="", now=CLOSED + HOUR)
    review = review_of(WEEK, workspace="", now=CLOSED + 24 * HOUR)
    assert review.numbers.figures["flags-raised"].keys == (first.pk,)
    late = review.shown("flags-raised").late
    assert late is not None
    assert late.now.value == 2
    assert [(row.row.name, row.late) for row in review.tables("wrong")[0][1]] == [("zombie", False), ("diverged", True)]


@pytest.mark.usefixtures("_watched")
def test_a_frozen_week_stays_the_one_that_was_counted_in_its_zone(
    configured: Callable[[str], None],
) -> None:
    RunFactory(state="finished", created_at=START + HOUR, heartbeat_at=START + 3 * HOUR)
    assert freeze(week=WEEK, workspace="", now=CLOSED)
    configured('[review]\ntimezone = "America/Los_Angeles"\n')
    review = review_of(week_named("2026-W47", ""), workspace="", now=CLOSED + 24 * HOUR)
    assert (review.week.zone, review.late_count) == ("UTC", 0)


@pytest.mark.usefixtures("_watched")
def test_weeks_whose_close_was_missed_are_made_good_and_say_how_late() -> None:
    FlagFactory(opened_at=START + HOUR)
    WorkspaceFactory(name="glue")
    now = END + 15 * 24 * HOUR
    made = close_weeks(now=now)
    assert made == WeekSnapshot.objects.count()
    assert close_weeks(now=now) == 0
    held = WeekSnapshot.objects.get(week="2026-W47", workspace="")
    assert (held.late_by, held.schema) == (15 * 86400, 1)
    assert set(WeekSnapshot.objects.values_list("workspace", flat=True)) == {"", "glue"}
    assert WeekSnapshot.objects.filter(week="2026-W49").exists()
    assert not WeekSnapshot.objects.filter(week="2026-W50").exists()


def test_weeks_of_which_nobody_knew_anything_are_not_frozen_as_empty_ones() -> None:
    assert close_weeks(now=CLOSED) == 0
    assert WeekSnapshot.objects.count() == 0


@pytest.mark.usefixtures("_watched")
def test_one_scope_that_fails_stops_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from apps.review.services import freezing

    WorkspaceFactory(name="glue")
    real = freezing.numbers_of

    def failing(week: Any, *, workspace: str, now: Any) -> Any:
        if not workspace:
            raise RuntimeError("a defect")
        return real(week, workspace=workspace, now=now)

    monkeypatch.setattr(freezing, "numbers_of", failing)
    assert close_weeks(now=CLOSED) > 0
    assert set(WeekSnapshot.objects.values_list("workspace", flat=True)) == {"glue"}


@pytest.mark.usefixtures("_watched")
def test_a_snapshot_of_a_shape_that_nobody_knows_is_counted_anew() -> None:
    WeekSnapshot.objects.create(week="2026-W47", zone="UTC", schema=99, numbers={"schema": 99}, taken_at=CLOSED)
    review = review_of(WEEK, workspace="", now=CLOSED)
    assert (review.frozen_at, review.late_by) == (None, 0)
    assert review.numbers.figures["flags-raised"].value == 0
    assert "cannot be read" in standing(review)
    WeekSnapshot.objects.update(numbers=["no", "object"])
    assert review_of(WEEK, workspace="", now=CLOSED).frozen_at is None


@pytest.mark.usefixtures("_watched")
def test_last_weeks_numbers_are_those_that_were_kept() -> None:
    flag = FlagFactory(opened_at=START - HOUR)
    freeze(week=WEEK.previous, workspace="", now=START + HOUR)
    Flag.objects.filter(pk=flag.pk).delete()
    before = review_of(WEEK, workspace="", now=CLOSED).shown("flags-raised").before
    assert before is not None
    assert before.value == 1


@pytest.mark.usefixtures("_watched", "redis_server")
def test_the_task_closes_weeks_and_runs_twice_without_harm() -> None:
    with time_machine.travel(CLOSED, tick=False):
        close_weeks_task()
        held = WeekSnapshot.objects.count()
        close_weeks_task()
    assert WeekSnapshot.objects.count() == held > 0


@pytest.mark.usefixtures("_watched")
def test_a_workspace_closes_its_week_in_its_own_time_zone(configured: Callable[[str], None]) -> None:
    configured(
        '[review]\ntimezone = "Europe/Berlin"\n'
        '[[workspace]]\nname = "far"\nroot = "/x"\nreview_timezone = "Asia/Tokyo"\n'
    )
    WorkspaceFactory(name="far")
    close_weeks(now=START - timedelta(hours=5))
    zones = dict(WeekSnapshot.objects.filter(week="2026-W46").values_list("workspace", "zone"))
    assert zones == {"far": "Asia/Tokyo"}  # in Berlin that week still ran
    close_weeks(now=START)
    zones = dict(WeekSnapshot.objects.filter(week="2026-W46").values_list("workspace", "zone"))
    assert zones == {"far": "Asia/Tokyo", "": "Europe/Berlin"}


# The meeting


def note(text: str, key: str = KEY, **told: Any) -> Note:
    return meeting.add_note(
        **{"week": WEEK, "workspace": "", "part": "wrong", "text": text, "by": "mia", "now": CLOSED, "key": key, **told}
    )


def action(key: str = KEY, **told: Any) -> ActionItem:
    values = {"week": WEEK, "workspace": "", "what": "look at g07", "who": "tom", "due": "", "by": "mia", "now": CLOSED}
    return meeting.add_action(**{**values, "key": key, **told})


def test_notes_are_added_and_the_same_form_adds_one() -> None:
    first, again = note("node g07"), note("node g07")
    assert first.pk == again.pk
    note("and g08", key="another-form")
    assert list(Note.objects.values_list("text", flat=True)) == ["node g07", "and g08"]
    assert AuditEvent.objects.filter(type="review.note.added", actor="mia").count() == 2


@pytest.mark.django_db(transaction=True)
def test_two_people_who_write_at_once_lose_nothing() -> None:
    def write(number: int) -> None:
        try:
            note(f"note {number}", key=f"form-number-{number}")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=write, args=(number,)) for number in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(Note.objects.values_list("text", flat=True)) == sorted(f"note {number}" for number in range(8))
    assert connection.vendor in ("sqlite", "postgresql")


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ({"text": "  "}, "The note is empty"),
        ({"text": "x" * 4001}, "4001 characters"),
        ({"text": "x", "part": "lunch"}, "one part of the agenda"),
        ({"text": "x", "key": "short"}, "out of date"),
    ],
)
def test_a_note_that_cannot_be_kept_is_refused_with_a_sentence(told: dict[str, str], sentence: str) -> None:
    with pytest.raises(Permanent, match=sentence):
        note(**{"text": "", **told})
    assert Note.objects.count() == 0


def test_an_action_item_carries_over_until_it_is_done_and_is_overdue_after_its_day() -> None:
    item = action(due="2026-11-23")
    following = WEEK.following
    (one,) = items_of(following, "", following.start + HOUR)
    assert (one.carried, one.overdue) == (True, False)
    (one,) = items_of(following, "", following.start + 25 * HOUR)
    assert one.overdue
    assert items_of(WEEK.previous, "", CLOSED) == []
    meeting.set_done(item=item, done=True, by="tom", now=following.start + 30 * HOUR)
    (one,) = items_of(following, "", following.start + 31 * HOUR)
    assert (one.done_by, one.overdue) == ("tom", False)
    assert items_of(following.following, "", following.end + HOUR) == []


def test_the_second_of_two_who_are_done_is_told_of_the_first() -> None:
    item = action()
    meeting.set_done(item=item, done=True, by="tom", now=CLOSED)
    with pytest.raises(AlreadyDone, match="tom has done this already"):
        meeting.set_done(item=item, done=True, by="mia", now=CLOSED)
    meeting.set_done(item=item, done=False, by="mia", now=CLOSED)
    with pytest.raises(AlreadyDone, match="open already"):
        meeting.set_done(item=item, done=False, by="mia", now=CLOSED)
    told = list(AuditEvent.objects.filter(subject=item.subject).order_by("pk").values_list("type", flat=True))
    assert told == ["review.action.added", "review.action.done", "review.action.reopened"]


def test_a_day_that_is_none_is_refused() -> None:
    with pytest.raises(Permanent, match="is no day"):
        action(due="next week")
    with pytest.raises(Permanent, match="more than two years"):
        action(due="9999-12-31")
    assert action(due=" 2026-12-01 ").due == date(2026, 12, 1)


def test_attendance_names_each_once() -> None:
    told = {"week": WEEK, "workspace": "", "by": "mia", "now": CLOSED}
    assert meeting.attend(names="mia, tom , mia,", **told) == ["mia", "tom"]
    assert meeting.attend(names="tom, zoe", **told) == ["zoe"]
    one = Attendance.objects.get(name="tom")
    meeting.take_off(attendance=one, by="mia")
    with pytest.raises(AlreadyDone):
        meeting.take_off(attendance=one, by="mia")
    with pytest.raises(Permanent, match="at least one"):
        meeting.attend(names=" , ", **told)
    assert list(Attendance.objects.values_list("name", flat=True)) == ["mia", "zoe"]


# The digest

DIGEST = '[review]\ndigest = true\ndigest_hour = 8\ntimezone = "Europe/Berlin"\n'
BERLIN = parse_week("2026-W47", "Europe/Berlin")


@pytest.mark.usefixtures("_watched")
def test_a_digest_goes_to_each_channel_once_on_monday_morning(configured: Callable[[str], None]) -> None:
    configured(DIGEST)
    old = START - 100 * HOUR
    channel("ops", made_at=old), channel("off", made_at=old, enabled=False), channel("new", made_at=END + 20 * HOUR)
    due = due_at(BERLIN, 8)
    assert due.isoformat() == "2026-11-23T07:00:00+00:00"
    assert send_digests(now=due - HOUR) == []
    (made,) = send_digests(now=due + HOUR)
    assert send_digests(now=due + 2 * HOUR) == []
    assert (made.channel.name, made.kind, made.state) == ("ops", "review", "waiting")
    assert made.subject == "Sweepboard: the week 2026-W47"
    assert "GPU hours: 0.0 h (last week" in made.body
    assert made.body.endswith("http://127.0.0.1:8000/review/2026-W47")
    assert Digest.objects.get().delivery == made


@pytest.mark.usefixtures("_watched")
def test_a_digest_is_tried_again_and_sent_once(configured: Callable[[str], None]) -> None:
    configured(DIGEST)
    channel("ops", made_at=START)
    now = due_at(BERLIN, 8) + HOUR
    (made,) = send_digests(now=now)
    sender = MemorySender(Transient("Refused."))
    assert deliver(delivery_pk=made.pk, sender=sender, clock=lambda: now) == "waiting"
    assert deliver(delivery_pk=made.pk, sender=sender, clock=lambda: now + 12 * HOUR) == "sent"
    assert deliver(delivery_pk=made.pk, sender=sender, clock=lambda: now + 13 * HOUR) == "sent"
    assert len(sender.sent) == 1


@pytest.mark.usefixtures("_watched")
def test_a_digest_that_waits_is_not_sent_when_its_channel_was_switched_off_in_between(
    configured: Callable[[str], None],
) -> None:
    configured(DIGEST)
    ops = channel("ops", made_at=START)
    (made,) = send_digests(now=END + 10 * HOUR)
    switch_channel(channel=ops, on=False, actor="mia", now=END + 10 * HOUR)
    switch_channel(channel=ops, on=True, actor="mia", now=END + 11 * HOUR)
    made.refresh_from_db()
    assert (made.state, made.error) == ("failed", SWITCHED_OFF)
    assert send_digests(now=END + 12 * HOUR) == []


@pytest.mark.usefixtures("_watched")
def test_a_digest_is_off_by_default_and_no_news_on_wednesday(configured: Callable[[str], None]) -> None:
    channel("ops", made_at=START)
    assert send_digests(now=END + 10 * HOUR) == []
    configured(DIGEST)
    assert send_digests(now=END + 60 * HOUR) == []
    assert AlertDelivery.objects.count() == 0


@pytest.mark.usefixtures("_watched")
def test_a_channel_of_a_workspace_gets_that_workspaces_week_and_unnamed_ones_get_none(
    configured: Callable[[str], None],
) -> None:
    configured(DIGEST + 'digest_channels = ["glue"]\n')
    WorkspaceFactory(name="glue")
    channel("glue", workspace="glue", made_at=START), channel("ops", made_at=START)
    (made,) = send_digests(now=END + 10 * HOUR)
    assert made.subject == "Sweepboard: the week 2026-W47 of glue"
    assert made.body.endswith("/review/2026-W47?workspace=glue")


@pytest.mark.usefixtures("_watched", "redis_server")
def test_the_task_of_the_digest_leaves_the_message_to_alerts(configured: Callable[[str], None]) -> None:
    configured(DIGEST)
    channel("ops", made_at=START)
    with time_machine.travel(END + 10 * HOUR, tick=False):
        send_digests_task()
        send_digests_task()
    assert AlertDelivery.objects.filter(kind="review").count() == 1


# The command


def said(*arguments: str) -> str:
    out = StringIO()
    call_command("weekly_review", *arguments, stdout=out)
    return out.getvalue()


@pytest.mark.usefixtures("_watched")
def test_the_command_prints_markdown_and_json() -> None:
    import json

    flag = FlagFactory(opened_at=START + HOUR)
    note("node g07 again"), action(due="2026-11-24")
    with time_machine.travel(CLOSED, tick=False):
        text, told = said("--week", "2026-W47"), json.loads(said("--week", "2026-W47", "--format", "json"))
    assert text.startswith("<!-- AGENT-GENERATED")
    assert "# Weekly review 2026-W47" in text
    assert "- red flags raised: 1 (last week 0)" in text
    assert "- node g07 again (mia, 2026-11-23 01:00 UTC)" in text
    assert "- [ ] look at g07 – tom, by 2026-11-24" in text
    assert f"[{flag.sweep.name}](https://wandb.ai/team/glue/sweeps/{flag.sweep.sweep_id})" in text
    assert told["figures"]["flags-raised"]["keys"] == [flag.pk]
    assert told["last_week"]["flags-raised"] == 0
    assert told["action_items"][0]["due"] == "2026-11-24"


def test_the_command_refuses_what_is_no_week_and_no_workspace() -> None:
    with pytest.raises(CommandError, match="has no week 54"):
        said("--week", "2026-W54")
    with pytest.raises(CommandError, match="No workspace 'nope' is known"):
        said("--workspace", "nope")


def test_other_words_in_the_same_form_are_another_note(noon: object) -> None:
    note("the first remark", key="the-same-form")
    note("the first remark", key="the-same-form")
    note("and a second one", key="the-same-form")
    assert list(Note.objects.order_by("pk").values_list("text", flat=True)) == ["the first remark", "and a second one"]
