"""The index keeps every byte of people's; states, changes and the lines of verify are pure decisions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.handovers.domain.changes import Event, Known, events_of
from apps.handovers.domain.decoding import decode
from apps.handovers.domain.index import (
    BEGIN,
    END,
    Pointer,
    mentioned_in,
    pointer_in,
    with_pointer,
    without_pointer,
)
from apps.handovers.domain.parsing import MARK, parse
from apps.handovers.domain.states import Standing, State, states_of
from apps.handovers.domain.verifying import Answer, IndexFact, VerifyFacts, overall, verify

KEY, LATER = "HO-20261103-1405-a1b2c3", "HO-20261105-0910-d4e5f6"
AT = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)
ONE, TWO = Pointer(KEY, "main", "first"), Pointer(LATER, "feature/x", "second --> one", sha256="ab" * 32)


@given(st.binary(max_size=300))
def test_all_bytes_that_people_wrote_are_kept_and_the_pointer_is_read_back(data: bytes) -> None:
    once = with_pointer(data, ONE, f"CLAUDE/{KEY}.md")
    twice = with_pointer(once, TWO, f"CLAUDE/{LATER}.md")
    found = pointer_in(twice)
    assert found is not None
    assert (found.key, found.branch, found.sha256, found.ours) == (LATER, "feature/x", "ab" * 32, True)
    begin, end = once.index(BEGIN.encode()), once.index(END.encode()) + len(END)
    rest = once[:begin] + once[end:]
    assert rest.replace(b"\r", b"").replace(b"\n", b"") == data.replace(b"\r", b"").replace(b"\n", b"")
    assert twice[:begin] == once[:begin]
    assert twice.endswith(once[end:])


def test_what_people_wrote_is_told_without_our_block_and_with_one_that_an_edit_broke() -> None:
    made = with_pointer(b"", ONE, f"CLAUDE/{KEY}.md")
    assert without_pointer(made).strip() == b""
    assert without_pointer(b"\xef\xbb\xbf" + MARK.encode() + b"\n" + made).strip() == b""
    assert without_pointer(b"above\n" + made + b"below\n") == b"above\n\nbelow\n"
    broken = made.replace(END.encode(), b"")
    assert without_pointer(broken) == broken


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_the_block_has_the_line_ends_of_the_file_and_stands_below_the_mark(newline: bytes) -> None:
    data = newline.join([MARK.encode(), b"# Ours", b"", b"keep", b""])
    text = with_pointer(data, ONE, f"CLAUDE/{KEY}.md")
    assert text.startswith(MARK.encode() + newline + BEGIN.encode() + newline)
    assert text.endswith(data[len(MARK) :].removeprefix(newline))
    assert text.count(b"\n") == text.count(newline)


def test_a_block_that_somebody_broke_is_left_and_a_new_one_is_put_above() -> None:
    data = b"# Ours\n" + BEGIN.encode() + b"\n- **Handover Key:** `HO-20260101-0000-aaaa`\n"
    text = with_pointer(data, ONE, "x")
    assert text.endswith(data)
    assert pointer_in(text).key == KEY  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("text", "key"),
    [
        (f"# CLAUDE.md\n\nHandover Key: {KEY}\nBranch: main\n", KEY),
        (f"**Current handover:** `{KEY}`\n", KEY),
        (f"Previous handover: {LATER}\nCurrent handover: [{KEY}](CLAUDE/{KEY}.md)\n", KEY),
        (f"```\nHandover Key: {LATER}\n```\nActive session {KEY}\n", KEY),
        (f"| key | {KEY} |\n", KEY),
        (f"{KEY}\n", KEY),
        (f"Archived: {KEY}\n", None),
        ("# nothing here\n", None),
        ("", None),
    ],
)
def test_what_people_wrote_into_an_index_is_read_as_they_meant_it(text: str, key: str | None) -> None:
    found = pointer_in(text.encode())
    assert (found.key if found else None) == key


SHAPES = [
    f"# Handover Key: {KEY}\n",
    f"# Handover {KEY}\n\nBranch: main\n",
    f"- **Handover Key:** `{KEY}`\n- **Document:** [CLAUDE/{KEY}.md](CLAUDE/{KEY}.md)\n",
    f"---\nhandover_key: {KEY}\n---\n",
    f"Handover Key:{KEY}\n",
    f"Handover Key = {KEY}\n",
    f"Handover key: {KEY} on branch main\n",
    f"Handover: {KEY} (branch `main`), focus: cosine\n",
    f"**Branch:** `main` · **Handover:** `{KEY}`\n",
    f"Current handover for feature/x: [warm restarts](./CLAUDE/{KEY}.md)\n",
    f"The current handover is {KEY}.\n",
    f"Current handover → CLAUDE/{KEY}.md\n",
    f"Start here: CLAUDE/{KEY}.md\n",
    f"Aktuelle Übergabe: {KEY}\n",
    f"## Current handover\n\n{KEY}\n",
    f"## Current handover\n\n- [{KEY}](CLAUDE/{KEY}.md) — warm restarts\n",
    f"@CLAUDE/{KEY}.md\n",
    f"| Key | Branch | Focus |\n|---|---|---|\n| {KEY} | main | cosine |\n",
    f"| Branch | Current handover |\n|---|---|\n| main | `{KEY}` |\n",
    f"We follow {LATER} in all that is about data.\n\nHandover Key: {KEY}\n",
    f"## Previous handovers\n\n### Handover {LATER}\n\nKey: {LATER}\n\n## Now\n\nKey: {KEY}\n",
]


@pytest.mark.parametrize("text", SHAPES)
def test_each_shape_of_a_header_or_an_index_line_is_the_pointer(text: str) -> None:
    found = pointer_in(text.encode())
    assert found is not None
    assert (found.key, KEY in text.split("\n")[found.line - 1]) == (KEY, True)


PROSE = [
    f"The data fix of {KEY} must stay.\n",
    f"The data fix is described in [{KEY}](CLAUDE/{KEY}.md) and must stay.\n",
    f"See CLAUDE/{KEY}.md for how the current session ended.\n",
    f"Read CLAUDE/{KEY}.md before you touch the loader.\n",
    f"- Handover {KEY} says why the seed is fixed.\n",
    f"- Why the seed is fixed: {KEY}\n",
    f"Note: the handover {KEY} has the numbers.\n",
    f"A key looks like this: {KEY}\n",
    f"Handover keys have a form, such as {KEY}.\n",
    f"The loader was changed as we decided in the long session of\n{KEY}.\n",
    f"The loader was changed as we decided in the\ncurrent handover {KEY}.\n",
    f"- {KEY}\n- {LATER}\n",
    f"| Decision | Where |\n|---|---|\n| fixed seed | {KEY} |\n",
    f"## Older handovers\n\nKey: {KEY}\n",
]


@pytest.mark.parametrize("text", PROSE)
def test_prose_that_mentions_a_key_is_no_pointer(text: str) -> None:
    assert pointer_in(text.encode()) is None
    assert KEY in mentioned_in(text.encode())


def test_keys_that_an_index_mentions_are_told_with_the_line_that_names_them_first() -> None:
    text = f"# Ours\r\n\r\nWe follow {LATER}.\r\nAnd {KEY}, and {LATER} again.\r\n"
    assert mentioned_in(text.encode()) == {LATER: 3, KEY: 4}
    assert mentioned_in(b"") == {}


def test_verify_tells_the_line_of_an_index_that_names_the_key_but_not_as_its_current_one() -> None:
    told = [
        IndexFact("/w/a/CLAUDE.md", "", mentions={LATER: 3, KEY: 9}),
        IndexFact("/w/b/CLAUDE.md", "", mentions={LATER: 3}),
        IndexFact("/w/c/CLAUDE.md", ""),
    ]
    lines = [verify(VerifyFacts(KEY, state="current", indexes=(fact,)))[3] for fact in told]
    assert {line.answer for line in lines} == {Answer.FAIL}
    assert [line.evidence for line in lines] == [
        f"/w/a/CLAUDE.md names {KEY} in line 9, but not as its current handover.",
        f"/w/b/CLAUDE.md names {LATER} in line 3, but not as its current handover.",
        "/w/c/CLAUDE.md names no handover.",
    ]


def standing(name: str, days: float, **changes: object) -> Standing:
    return Standing(**{"name": name, "branch": "main", "at": AT + timedelta(days=days), **changes})  # type: ignore[arg-type]


def test_the_newest_is_current_the_others_are_superseded_by_it_and_the_named_one_is_current_too() -> None:
    told = states_of([standing("a", 0), standing("b", 1), standing("c", 2), standing("d", 9, branch="x")], {"a"})
    assert {name: (one.state, one.superseded_by) for name, one in told.items()} == {
        "a": (State.CURRENT, "c"),
        "b": (State.SUPERSEDED, "c"),
        "c": (State.CURRENT, ""),
        "d": (State.CURRENT, ""),
    }


def test_what_is_archived_gone_or_unreadable_is_not_the_newest_that_lies_there() -> None:
    odd = [standing("c", 2, present=False), standing("d", 3, readable=False)]
    told = states_of([standing("a", 0), standing("b", 1, archived=True), *odd], set())
    assert {name: one.state for name, one in told.items()} == {
        "a": State.CURRENT, "b": State.ARCHIVED, "c": State.GONE, "d": State.SUPERSEDED,
    }  # fmt: skip
    assert told["a"].superseded_by == "b"


def happened(
    read: list[Known], known: list[Known], lost: list[Known], gone: frozenset[str] = frozenset()
) -> list[tuple[Event, str]]:
    found = events_of(read=read, known={one.path: one for one in known}, lost=lost, gone=gone)
    return [(one.event, one.name) for one in found]


def test_each_change_of_a_file_has_its_name() -> None:
    old, copy = Known("/w/a.md", "a", "1"), Known("/x/a.md", "a", "1")
    assert happened([old], [], []) == [(Event.APPEARED, "a")]
    assert happened([Known("/w/a.md", "a", "2")], [old], []) == [(Event.EDITED, "a")]
    assert happened([Known("/w/a.md", "a", "")], [old], []) == []
    assert happened([Known("/w/archive/a.md", "a", "1")], [old], [old]) == [(Event.MOVED, "a")]
    assert happened([Known("/w/b.md", "b", "1")], [old], [old]) == [(Event.RENAMED, "b")]
    assert happened([Known("/w/b.md", "b", "1")], [old, copy], [old]) == [(Event.APPEARED, "b")]
    assert happened([], [old], [old]) == [(Event.DELETED, "a")]
    assert happened([], [old, copy], [old]) == []
    assert happened([copy], [old], []) == []
    assert happened([old], [], [], frozenset({"a"})) == [(Event.RESTORED, "a")]


def test_missing_evidence_is_unknown_and_never_a_pass() -> None:
    known = VerifyFacts(KEY, path="/w/a.md", state="current")
    told = {line.id: line.answer for line in verify(known)}
    assert (told["index"], told["content"]) == (Answer.UNKNOWN, Answer.UNKNOWN)
    assert overall(verify(known)) is Answer.UNKNOWN
    troubled = VerifyFacts(KEY, state="current", indexes=(IndexFact("/w/CLAUDE.md", "", "It cannot be read."),))
    assert {line.id: line.answer for line in verify(troubled)}["index"] is Answer.UNKNOWN
    assert overall(verify(VerifyFacts(KEY, answered=False))) is Answer.UNKNOWN
    assert overall(verify(VerifyFacts(KEY))) is Answer.FAIL


UNITS = [
    *("## Pending\n", "- a\n" + " b\n" * 50, "<!--\n", "```x\n", "| `a`` | b\n", "- [ ] ", "a\n---\n", "[", "*", "`"),
    *("x: ", "run ", "- a because \n", ">"),
]


@pytest.mark.parametrize("unit", UNITS)
def test_a_hundred_thousand_repetitions_are_read_to_the_end(unit: str) -> None:
    """What would be quadratic runs into the suite's time limit."""
    document = parse((unit * 100_000)[: 1 << 20].encode(), f"{KEY}.md")
    assert document.key == KEY


def test_nothing_of_a_text_is_lost_in_decoding() -> None:
    assert decode("größer\r\n".encode()).text == "größer\r\n"
    assert decode(b"\xff").lossy
    assert not decode(b"plain\n").lossy
