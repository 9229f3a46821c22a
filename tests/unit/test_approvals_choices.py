"""A question with options in its text is told from words that only report."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.approvals.domain.choices import looks_like_a_choice
from apps.approvals.domain.errors import Refused
from apps.approvals.domain.questions import check_plain_text, check_question
from tests.factories.approvals import question_draft


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("How to go on: (a) resume from 5400 (b) relaunch agents", ("resume from 5400", "relaunch agents")),
        ("(A) keep linear, or (B) back to cosine?", ("keep linear", "back to cosine")),
        ("Resume or restart?", ("Resume", "restart")),
        ("Should I resume from step 5400 or relaunch the agents", ("resume from step 5400", "relaunch the agents")),
        ("Shall we use AdamW, SGD or Lion?", ("AdamW, SGD", "Lion")),
        ("Do you want me to drop cosine or keep it?", ("drop cosine", "keep it")),
        ("Which one do you prefer?\n1. linear\n2. cosine\n3. both", ("linear", "cosine", "both")),
        ("1) linear\n2) cosine\nLet me know.", ("linear", "cosine")),
        ("Please choose:\n- keep the seed\n- draw a new one", ("keep the seed", "draw a new one")),
        ("Which is it? Option A: retry. Option B: give up.", ("retry", "give up")),
        ("Pick 1) now 2) tomorrow", ("now", "tomorrow")),
        ("Which schedule: linear vs cosine?", ("linear", "cosine")),
        ("Which one do you prefer: linear, cosine?", ("linear", "cosine")),
        ("Options: 1. linear 2. cosine - which?", ("linear", "cosine")),
        ("Two are left. Which one: 1. Linear 2. Cosine 3. Both?", ("Linear", "Cosine", "Both")),
        ("Options: linear / cosine. Which?", ("linear", "cosine")),
        ("Options: linear, cosine - which one?", ("linear", "cosine")),
        ("Pick one - linear / cosine", ("linear", "cosine")),
        ("All is done. Please choose: linear, cosine, both", ("linear", "cosine", "both")),
        ("Should I keep linear / go back to cosine?", ("keep linear", "go back to cosine")),
    ],
)
def test_options_in_a_text_are_found(text: str, options: tuple[str, ...]) -> None:
    found = looks_like_a_choice(text)
    assert len(found) == len(options)
    assert all(part in told for told, part in zip(found, options, strict=True)), found


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Done: the warm-up is counted in steps.",
        "What was done:\n1. wrote the test\n2. fixed the schedule",
        "- wrote the test\n- fixed the schedule",
        "Is the node drained?",
        "Did one or more runs fail?",
        "The loss is 0.4 or so, more or less as before.",
        "It fails with or without the seed.",
        "Why does step 2 touch train.py?",
        "(a) is the only way.",
        "Trained with lr 0.1, 0.2 and 0.3.",
        "See a/b testing?",
        "Is 1.5 fine?",
        "Did you read train/a.py, train/b.py?",
        "Is the ratio of train / test fine?",
        "Does it run at 10:30, 11:30?",
        "What was done: 1. wrote the test 2. mended it. Is that enough?",
        "Options tried: 1. linear 2. cosine.",
        "What happened in step 1. and step 2. of it?",
        "Changed the default options.\n- lr\n- seed",
        "Kept the options: lr, seed.",
        "Which nodes are drained: see the list.",
        "Which run is it: the one that failed, as the handover of yesterday says in its third part?",
        "I picked one - linear / cosine were equal.",
        "Chose linear: it is faster, simpler.",
        "Choose the seed: it is 7.",
        "Prefer not to touch: a, b.",
    ],
)
def test_what_only_reports_or_asks_without_options_is_no_choice(text: str) -> None:
    assert looks_like_a_choice(text) == ()
    check_plain_text(text)


def test_the_refusal_holds_the_form_to_use() -> None:
    with pytest.raises(Refused) as refusal:
        check_plain_text("Should I resume or restart?")
    said = str(refusal.value)
    assert "between 2 options in plain text" in said
    assert "ask_question(title='Should I resume or restart?', options=[{'id': 'a', 'label': 'resume'" in said
    with pytest.raises(Refused, match=r"ask_question\("):
        check_question(question_draft(title="Resume or restart?", options=()))


@given(st.text())
def test_no_text_breaks_it_and_options_are_two_to_six(text: str) -> None:
    found = looks_like_a_choice(text)
    assert len(found) == 0 or 2 <= len(found) <= 6
    assert all(found)


SLOW = ["or ", " (a)", "1. a\n", "a?", "should i ", "- x\n", "\n", " ", "option a ", "ab,"]
SLOW_IN_A_LINE = [
    "which: ",
    "pick - ",
    " / ",
    "1. ",
    "which" + " " * 1999,
    "which one - a, b? ",
    "choose " * 280 + ": a?",
]


@pytest.mark.parametrize("piece", SLOW + SLOW_IN_A_LINE)
@pytest.mark.timeout(20)
def test_a_text_made_to_be_slow_is_read(piece: str) -> None:
    assert len(looks_like_a_choice(piece * 200_000)) <= 6
