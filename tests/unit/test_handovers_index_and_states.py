"""The index keeps every byte of people's; states, changes and the lines of verify are pure decisions."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.handovers.domain.changes import Event, Known, events_of
from apps.handovers.domain.decoding import decode
from apps.handovers.domain.index import BEGIN, END, Pointer, pointer_in, with_pointer, without_pointer
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
