"""Living with flags: what people do with them, that it is kept, and that it is done once."""

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from apps.audit.models import AuditEvent
from apps.core.errors import Permanent
from apps.flags import services
from apps.flags.history import history_of
from apps.flags.models import Flag
from apps.flags.selectors import checked_runs, flag_counts, open_flags
from apps.flags.services import evaluate_runs
from apps.flags.triage import Act, Done, Wish, triage
from apps.sweeps.models import Run
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    CheckpointFactory,
    FlagFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    SweepFactory,
    both_sources_answered,
)

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
TOMORROW = NOW + timedelta(days=1)


def do(act: Act, *flags: Flag, **values: Any) -> int:
    return triage(flags=[flag.pk for flag in flags], wish=Wish(act, "mira", **values), now=NOW).changed


def acts() -> list[tuple[str, str]]:
    return list(AuditEvent.objects.order_by("pk").values_list("type", "actor"))


def fresh(flag: Flag) -> Flag:
    flag.refresh_from_db()
    return flag


# Acts


def test_acknowledging_keeps_who_and_when_and_takes_the_flag_from_the_count() -> None:
    flag = FlagFactory(severity="critical")
    assert flag_counts(NOW)["critical"] == 1
    assert do(Act.ACKNOWLEDGE, flag) == 1
    assert (fresh(flag).acknowledged_by, flag.acknowledged_at) == ("mira", NOW)
    assert flag_counts(NOW)["critical"] == 0
    assert acts() == [("flag.acknowledged", "mira")]


def test_every_act_pressed_twice_is_done_and_told_once() -> None:
    flag = FlagFactory()
    for act, values in (
        (Act.ACKNOWLEDGE, {}),
        (Act.SNOOZE, {"until": TOMORROW}),
        (Act.ASSIGN, {"assignee": "noor"}),
        (Act.COMMENT, {"text": "asked the cluster team"}),
        (Act.DISMISS, {"text": "known: the node is being mended"}),
        (Act.PUT_BACK, {}),
    ):
        assert (do(act, flag, **values), do(act, flag, **values)) == (1, 0), act
    assert len(acts()) == 6


def test_a_snoozed_flag_calls_again_when_its_time_is_over() -> None:
    flag = FlagFactory(severity="critical")
    do(Act.SNOOZE, flag, until=TOMORROW)
    assert flag_counts(NOW)["critical"] == 0
    assert flag_counts(TOMORROW)["critical"] == 1


def test_a_flag_cleared_by_hand_leaves_the_board_and_the_verdicts_with_its_reason() -> None:
    link = RunLinkFactory(run__heartbeat_at=before(minutes=45))
    evaluate_with_checkpoint(link.run)
    flag = Flag.objects.get(rule="stale-heartbeat")
    do(Act.DISMISS, flag, text="the proxy eats heartbeats")
    assert open_flags() == []
    assert [one.dismissed_reason for one in open_flags(dismissed=True)] == ["the proxy eats heartbeats"]
    assert [one.flags for one in checked_runs()] == [[]]
    evaluate_with_checkpoint(link.run, minutes=5)
    assert Flag.objects.count() == 1  # the same condition does not raise it anew
    assert fresh(flag).dismissed_by == "mira"


def test_without_a_reason_a_words_or_a_time_nothing_happens() -> None:
    flag = FlagFactory()
    for act, values in (
        (Act.DISMISS, {}),
        (Act.COMMENT, {}),
        (Act.SNOOZE, {}),
        (Act.SNOOZE, {"until": before(minutes=1)}),
        (Act.SNOOZE, {"until": NOW + timedelta(days=366)}),
        (Act.COMMENT, {"text": "x" * 501}),
    ):
        with pytest.raises(Permanent):
            do(act, flag, **values)
    assert acts() == []


def test_what_is_over_cannot_be_acted_on() -> None:
    assert do(Act.ACKNOWLEDGE, FlagFactory(cleared_at=before(minutes=1))) == 0
    assert acts() == []


@pytest.mark.parametrize("act", list(Act))
def test_a_press_on_many_flags_costs_a_fixed_number_of_queries(act: Act, django_assert_max_num_queries: Any) -> None:
    flags = [FlagFactory(acknowledged_at=NOW if act is Act.PUT_BACK else None) for _ in range(30)]
    with django_assert_max_num_queries(6):  # with the savepoint's two
        assert do(act, *flags, text="known", until=TOMORROW, assignee="noor") == 30
    assert len(acts()) == 30


def test_the_longest_names_there_are_can_be_acted_on_and_have_their_own_history() -> None:
    names = {"entity": "e" * 200, "project": "p" * 200}
    one, other = (FlagFactory(run=RunFactory(**names, run_id="r" * 199 + end)) for end in "ab")
    assert do(Act.COMMENT, one, text="seen") == 1
    assert [len(history_of(flag)) for flag in (one, other)] == [2, 1]


# What outlives what


def evaluate_with_checkpoint(run: Run, minutes: float = 0) -> None:
    both_sources_answered()
    if not hasattr(Run.objects.get(pk=run.pk), "checkpoint"):
        CheckpointFactory(run=run)
    evaluate_runs(run_pks=[run.pk], now=NOW + timedelta(minutes=minutes))


def test_a_flag_that_comes_back_keeps_its_assignee_and_its_snooze_and_calls_for_a_new_acknowledgement() -> None:
    run = RunLinkFactory(run__heartbeat_at=before(minutes=45)).run
    evaluate_with_checkpoint(run)
    first = Flag.objects.get()
    do(Act.ACKNOWLEDGE, first)
    do(Act.ASSIGN, first, assignee="noor")
    do(Act.SNOOZE, first, until=TOMORROW)
    Run.objects.update(heartbeat_at=NOW)
    for minutes in (1, 10):
        evaluate_with_checkpoint(run, minutes)
    assert fresh(first).cleared_at is not None
    evaluate_with_checkpoint(run, 60)
    again = Flag.objects.open().get()
    assert (again.assignee, again.snoozed_until, again.acknowledged_at) == ("noor", TOMORROW, None)


def test_a_flag_that_grows_worse_calls_again_whatever_was_decided() -> None:
    run = RunFactory(heartbeat_at=before(minutes=31))
    RunLinkFactory(run=run, job=JobFactory(state="COMPLETED", end_at=before(minutes=30)))
    flag = FlagFactory(run=run, sweep=run.sweep, rule="zombie", severity="warning")
    do(Act.DISMISS, flag, text="a test")
    evaluate_with_checkpoint(run)
    assert (fresh(flag).severity, flag.dismissed_at) == ("critical", None)
    assert acts()[-1] == ("flag.grew-worse", "sweepboard")


def come_and_go(run: Run, *minutes: float) -> Flag:
    """Judge a run as silent and as well in turns, and return the flag that is open at the end."""
    for turn, at in enumerate(minutes):
        Run.objects.update(heartbeat_at=before(minutes=45) if turn % 2 == 0 else NOW)
        evaluate_with_checkpoint(run, at)
        if turn % 2:
            evaluate_with_checkpoint(run, at + 10)
    return Flag.objects.open().get(rule="stale-heartbeat")


def test_what_was_taken_back_does_not_come_back_with_an_earlier_occurrence() -> None:
    run = RunLinkFactory().run
    first = come_and_go(run, 0)
    do(Act.SNOOZE, first, until=TOMORROW)
    do(Act.ASSIGN, first, assignee="noor")
    second = come_and_go(run, 0, 1, 12)
    assert (second.assignee, second.snoozed_until) == ("noor", TOMORROW)
    do(Act.PUT_BACK, second)
    do(Act.ASSIGN, second, assignee="")
    third = come_and_go(run, 12, 13, 24)
    assert third.pk != second.pk
    assert (third.assignee, third.snoozed_until) == ("", None)


def test_a_flag_that_comes_back_worse_within_its_snooze_calls_and_keeps_its_assignee() -> None:
    run = RunFactory(heartbeat_at=before(minutes=31))
    RunLinkFactory(run=run, job=JobFactory(state="COMPLETED", end_at=before(minutes=30)))
    said = {"snoozed_until": TOMORROW, "snoozed_by": "mira", "assignee": "noor", "cleared_at": before(minutes=1)}
    FlagFactory(run=run, sweep=run.sweep, rule="zombie", severity="warning", **said)
    evaluate_with_checkpoint(run)
    again = Flag.objects.open().get(rule="zombie")
    assert (again.severity, again.assignee, again.snoozed_until) == ("critical", "noor", None)


@pytest.mark.parametrize("act", [Act.ACKNOWLEDGE, Act.SNOOZE, Act.DISMISS])
def test_what_was_decided_of_a_warning_is_not_decided_of_what_grew_critical_meanwhile(
    operator: Client, act: Act
) -> None:
    grown, same = FlagFactory(severity="critical"), FlagFactory(severity="warning")
    fields = {"act": act.value, "text": "known", "hours": "4", "back": ""}
    answer = operator.post("/flags/triage", {"flags": f"warning.{grown.pk}.{same.pk}", **fields}, follow=True)
    assert "1 flag grew worse meanwhile" in answer.content.decode()
    assert list(Flag.objects.calling(NOW)) == [grown]
    operator.post("/flags/triage", {"flags": f"critical.{grown.pk}", **fields})
    assert list(Flag.objects.calling(NOW)) == []


@pytest.mark.django_db(transaction=True)
def test_a_press_in_the_middle_of_an_evaluation_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    run = RunFactory(heartbeat_at=before(minutes=31))
    RunLinkFactory(run=run, job=JobFactory(state="COMPLETED", end_at=before(minutes=30)))
    flag = FlagFactory(run=run, sweep=run.sweep, rule="zombie", severity="warning")
    keep, done = services._keep_flags, []

    def press_now() -> None:
        wish = Wish(Act.ACKNOWLEDGE, "mira")
        done.append(triage(flags=[flag.pk], wish=wish, now=NOW, seen={flag.pk: "warning"}))
        connection.close()

    presser = threading.Thread(target=press_now)

    def slow(*args: Any) -> Any:
        presser.start()
        presser.join(1)
        return keep(*args)

    monkeypatch.setattr(services, "_keep_flags", slow)
    evaluate_with_checkpoint(run)
    presser.join(30)
    assert done == [Done(0, grown=1)]
    assert (fresh(flag).severity, flag.acknowledged_at) == ("critical", None)


def test_the_history_tells_all_occurrences_and_acts_newest_first() -> None:
    run = RunFactory()
    FlagFactory(run=run, sweep=run.sweep, rule="zombie", opened_at=before(hours=9), cleared_at=before(hours=8))
    flag = FlagFactory(run=run, sweep=run.sweep, rule="zombie", opened_at=before(hours=1))
    FlagFactory(rule="zombie")  # another run's
    do(Act.COMMENT, flag, text="again")
    told = [(moment.what, moment.who, moment.note) for moment in history_of(flag)]
    assert told[0] == ("commented", "mira", "again")
    assert [what for what, _, _ in told] == ["commented", "raised", "over", "raised"]


# Screens


def press(client: Client, act: str, *flags: Flag, **fields: str) -> Any:
    keys = ".".join(str(flag.pk) for flag in flags)
    return client.post("/flags/triage", {"act": act, "flags": keys, **fields})


def test_many_flags_are_acted_on_with_one_press(operator: Client) -> None:
    flags = [FlagFactory() for _ in range(5)]
    answer = press(operator, "acknowledged", *flags, back="/flags?severity=critical")
    assert (answer.status_code, answer["Location"]) == (302, "/flags?severity=critical")
    assert Flag.objects.filter(acknowledged_by__startswith="person").count() == 5
    assert "5 flags acknowledged." in operator.get("/flags").content.decode()


def test_a_press_never_leads_away_from_the_inbox(operator: Client) -> None:
    answer = press(operator, "acknowledged", FlagFactory(), back="https://elsewhere.invalid/flags?q=x")
    assert answer["Location"] == "/flags?q=x"


def test_a_way_back_that_is_no_address_leads_to_the_inbox_all_the_same(operator: Client) -> None:
    flag = FlagFactory()
    answer = press(operator, "acknowledged", flag, back="//[::1/flags?q=x")
    assert (answer.status_code, answer["Location"]) == (302, "/flags?q=x")
    assert fresh(flag).acknowledged_by


@pytest.mark.parametrize(
    ("act", "fields", "sentence"),
    [
        ("cleared-by-hand", {}, "needs a reason"),
        ("commented", {"text": "  "}, "Write the comment"),
        ("snoozed", {"until": "soon"}, "is no date with a time"),
        ("snoozed", {"until": "2026-13-45T99:00"}, "is no date with a time"),
        ("snoozed", {"hours": "-3"}, "a time that is still to come"),
        ("assigned", {"assignee": "nobody-here"}, "Nobody of the name"),
        ("approve", {}, "press one of the buttons"),
    ],
)
def test_what_cannot_be_done_is_said_on_the_page_and_changes_nothing(
    operator: Client, act: str, fields: dict[str, str], sentence: str
) -> None:
    flag = FlagFactory()
    answer = press(operator, act, flag, **fields)
    assert answer.status_code == 422
    assert sentence in answer.content.decode()
    assert acts() == []


def test_what_was_refused_keeps_what_was_written_and_ticked(operator: Client) -> None:
    flag = FlagFactory()
    fields = {"act": "snoozed", "until": "2020-01-01T10:00", "text": 'long "words"'}
    for more in ({}, {"page": str(flag.pk)}):
        answer = operator.post("/flags/triage", {"flags": f"critical.{flag.pk}", **fields, **more})
        text = answer.content.decode()
        assert 'value="long &quot;words&quot;"' in text
        assert 'value="2020-01-01T10:00"' in text
        assert more or f'value="critical.{flag.pk}" checked' in text
    assert " checked" not in operator.get("/flags").content.decode()


def test_nothing_chosen_and_nonsense_chosen_are_said(operator: Client) -> None:
    for keys in ("", "x.y", "9" * 40, "999999"):
        answer = operator.post("/flags/triage", {"act": "acknowledged", "flags": keys}, follow=True)
        assert "Choose the flags first" in answer.content.decode() or "Nothing to do" in answer.content.decode()


def test_a_viewer_reads_and_does_not_decide(viewer: Client) -> None:
    flag = FlagFactory()
    assert press(viewer, "acknowledged", flag).status_code == 403
    page = viewer.get("/flags").content.decode()
    assert "With the chosen" not in page
    assert 'type="checkbox"' not in page
    assert "<form" not in viewer.get(f"/flags/{flag.pk}").content.decode().split('id="flag"')[1]


def test_the_page_of_a_flag_shows_evidence_rule_policy_and_history(operator: Client) -> None:
    sweep = SweepFactory()
    flag = FlagFactory(
        run=RunFactory(sweep=sweep), sweep=sweep, rule="stale-heartbeat", evidence="Silent for 45 min.", action="look"
    )
    press(operator, "commented", flag, text="<b>asked</b>", page=str(flag.pk))
    text = operator.get(f"/flags/{flag.pk}").content.decode()
    for said in ("Silent for 45 min.", "look", "Practice:", "stale_heartbeat_minutes = 30", "commented by person"):
        assert said in text, said
    assert "&lt;b&gt;asked&lt;/b&gt;" in text
    assert operator.get("/flags/999999").status_code == 404


def test_snoozed_and_cleared_flags_have_their_own_views(operator: Client) -> None:
    off, cleared, seen = (FlagFactory(evidence=f"{word} one") for word in ("sleeping", "gone", "seen"))
    press(operator, "snoozed", off, hours="24")
    press(operator, "cleared-by-hand", cleared, text="known")
    press(operator, "acknowledged", seen)

    def shown(query: str) -> list[str]:
        text = operator.get(f"/flags{query}").content.decode()
        return [word for word in ("sleeping one", "gone one", "seen one") if word in text]

    assert shown("") == ["seen one"]
    assert "1 put off" in operator.get("/flags").content.decode()
    assert shown("?show=snoozed") == ["sleeping one"]
    assert shown("?show=cleared") == ["gone one"]
    assert shown("?show=acknowledged") == ["seen one"]
    assert shown("?show=waiting") == []
