"""The words of a message: what happened, how bad, the evidence, what to do, where to look; and only text."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.alerts.domain import Change
from apps.alerts.wording import MOST_CHARACTERS, SHOWN_CAUSES, Told, greeting, message, quoted
from apps.core.units import age_mark
from apps.flags.causes import OpenFlag, causes_of
from tests.factories.moments import NOW, before

BOARD = "https://sweepboard.example.org/flags"


def flags(number: int, **values: object) -> list[OpenFlag]:
    first = OpenFlag(
        pk=1, rule="preempted-not-resumed", severity="critical", evidence="It hung.", action="drain the node",
        uncertain=False, opened_at=before(hours=1), sweep_pk=1, sweep_id="abc", sweep_name="warm-up",
        crash_class="nccl-timeout", node="g07",
    )  # fmt: skip
    named = [replace(first, pk=n, run_id=f"r{n}", run_name=f"calm-{n}") for n in range(number)]
    return [replace(one, **values) for one in named]  # type: ignore[arg-type]


def told(number: int = 14, change: Change = Change.OPENED, was: str = "", **values: object) -> Told:
    (cause,) = causes_of(flags(number, **values))
    over = change is Change.RESOLVED
    return Told(
        change, cause.severity, cause.rule, cause.crash_class, cause.where, cause.runs,
        f"{BOARD}?{cause.narrowed.query()}", was, None if over else cause,
    )  # fmt: skip


def test_fourteen_runs_of_one_node_are_one_message_with_evidence_next_action_and_link() -> None:
    one = message([told()], NOW, BOARD)
    assert one.subject == "✖ critical: preempted-not-resumed, 14 runs on node g07"
    assert one.body.splitlines() == [
        "✖ critical · preempted-not-resumed · nccl-timeout · 14 runs on node g07",
        "- calm-0: It hung.",
        "- calm-1: It hung.",
        "- calm-2: It hung.",
        "- and 11 more",
        "Next: drain the node",
        f"{BOARD}?rule=preempted-not-resumed&crash=nccl-timeout&node=g07",
    ]


def test_a_rise_says_what_it_was_and_an_end_that_it_is_over() -> None:
    assert message([told(change=Change.WORSE, was="warning")], NOW, BOARD).subject.startswith(
        "✖ critical (was warning): "
    )
    over = message([told(change=Change.RESOLVED)], NOW, BOARD)
    assert over.subject == "✓ resolved: preempted-not-resumed, 14 runs on node g07"
    assert "No flag of this cause is open any more." in over.body
    assert "It hung." not in over.body


def test_several_changes_are_one_message_the_worst_first() -> None:
    several = [told(1, Change.RESOLVED), told(2, severity="note"), told(3), told(1, severity="warning")]
    one = message(several, NOW, BOARD)
    assert one.subject == "✖ Sweepboard: 1 critical, 1 warning, 1 note, 1 resolved"
    assert [part.split(" ")[0] for part in one.body.split("\n\n")] == ["✖", "▲", "●", "✓"]


def test_a_message_stays_readable_however_many_causes_there_are() -> None:
    one = message([told() for _ in range(SHOWN_CAUSES + 7)], NOW, BOARD)
    assert one.body.endswith(f"and 7 more changes: {BOARD}")
    assert one.body.count("Next:") == SHOWN_CAUSES


def test_each_run_tells_its_own_next_action_where_they_differ_and_a_silent_source_is_named() -> None:
    (cause,) = causes_of([replace(one, action=f"resume {one.pk}", uncertain=True) for one in flags(2)])
    body = message([replace(told(2), cause=cause)], NOW, BOARD).body
    assert "- calm-0: It hung. Next: resume 0" in body
    assert "Unknown now: a source is silent." in body


def test_a_flag_on_a_whole_sweep_and_ages_in_sentences_read_well() -> None:
    said = f"Silent, {age_mark(before(minutes=5))}."
    whole = flags(1, run_id="", run_name="", node="", crash_class="", evidence=said)
    (cause,) = causes_of(whole)
    one = Told(Change.OPENED, "critical", "under-capacity", "", cause.where, cause.runs, BOARD, "", cause)
    text = message([one], NOW, BOARD)
    assert text.subject == "✖ critical: under-capacity, sweep warm-up"
    assert "- Silent, 5 min ago." in text.body


@pytest.mark.parametrize(
    ("hostile", "harmless"),
    [
        ("@channel look", "@\u200bchannel look"),
        ("<!here> <!channel|x>", "‹!here> ‹!channel|x>"),
        ("<@U123> <#C1>", "‹@\u200bU123> ‹#C1>"),
        ("<https://evil.invalid|W&B>", "‹https://evil.invalid|W&B>"),
        ("<script>alert(1)</script>", "‹script>alert(1)‹/script>"),
        ("one\n\nNext: rm -rf", "one Next: rm -rf"),
        ("\x1b[31mred\x00 \u202eevil", "[31mred evil"),
        ("[click](https://evil.invalid)", "[click]\u200b(https://evil.invalid)"),
        ("`code` **bold**", "'code' *\u200b*bold*\u200b*"),
        ("loss < 0.5 and 3 > 2", "loss < 0.5 and 3 > 2"),
    ],
)
def test_foreign_text_calls_nobody_and_is_no_markup(hostile: str, harmless: str) -> None:
    assert quoted(hostile, NOW) == harmless


@given(st.text(max_size=600))
def test_foreign_text_is_always_one_short_line_that_calls_nobody(text: str) -> None:
    said = quoted(text, NOW)
    assert len(said.splitlines()) <= 1
    assert "<!" not in said
    assert "@channel" not in said
    assert "`" not in said
    assert len(said) <= 2 * MOST_CHARACTERS
    said.encode()


def test_names_of_runs_and_sweeps_are_foreign_text_too() -> None:
    hostile = flags(1, run_name="<!here>", sweep_name="@channel", node="", crash_class="")
    (cause,) = causes_of(hostile)
    one = Told(Change.OPENED, "critical", cause.rule, "", cause.where, 1, BOARD, "", cause)
    text = message([one], NOW, BOARD)
    for said in (text.subject, text.body, greeting("<!here>", "@channel", BOARD, NOW).body):
        assert "<!" not in said
        assert "@channel" not in said
