"""What is written is read back: parse, write, parse gives the same fields, whatever the text holds."""

from datetime import UTC, datetime

from hypothesis import example, given
from hypothesis import strategies as st

from apps.handovers.domain.document import Box, Check, Commit, Decision, Document
from apps.handovers.domain.header import clean
from apps.handovers.domain.parsing import MARK, parse
from apps.handovers.domain.tables import empty_as_nothing
from apps.handovers.domain.writing import Draft, draft_of, write

KEY = "HO-20261103-1405-a1b2c3"
AT = datetime(2026, 11, 3, 14, 5, tzinfo=UTC)
TRAPS = [
    *("|", "\\|", "`", "``", "**", "- [ ]", "[x]", "#", "## Pending", "<!--", "-->", "```", "~~~", "~~x~~", "·", ": "),
    *(" — ", "None.", "Branch: x", "| --- |", "1.", "> ", "\u2028", "\x00", "\r\n", "é", "待办", KEY, "---", "==="),
]
commits = st.builds(Commit, st.from_regex(r"[0-9][0-9a-f]{6,39}", fullmatch=True), st.text(max_size=20))
words = st.one_of(st.sampled_from(TRAPS), st.text(max_size=12), st.from_regex(r"[a-z]{1,8}", fullmatch=True))
texts = st.lists(words, max_size=6).map(" ".join)
drafts = st.builds(
    Draft,
    key=st.just(KEY),
    date=st.just(AT),
    focus=texts,
    next_actions=st.lists(texts, max_size=3).map(tuple),
    agent=texts,
    author=texts,
    branch=st.from_regex(r"([a-z0-9][a-z0-9._/-]{0,15}[a-z0-9])?", fullmatch=True),
    spec=st.lists(texts, max_size=3).map(tuple),
    changes=st.lists(texts, max_size=3).map(tuple),
    commits=st.lists(commits, max_size=3).map(tuple),
    checks=st.lists(st.builds(Check, texts, texts), max_size=3).map(tuple),
    pending=st.lists(st.builds(Box, texts, st.booleans()), max_size=4).map(tuple),
    decisions=st.lists(st.builds(Decision, texts, texts), max_size=3).map(tuple),
)  # fmt: skip


def fields(document: Document) -> tuple[object, ...]:
    head = document.header
    return (
        (document.key, head.key, head.date, head.agent, head.author, head.branch, head.focus),
        [(box.text, box.done) for box in document.pending],
        [(one.decision, one.reason) for one in document.decisions],
        [(one.command, one.result) for one in document.checks],
        [(one.sha, one.subject) for one in document.commits],
        (document.spec, document.changes, document.next_actions),
        [section.name for section in document.sections],
    )


def read(draft: Draft) -> Document:
    return parse(write(draft).encode(errors="replace"), f"{KEY}.md")


@given(drafts)
@example(Draft(KEY, AT, "a | b · Branch: x", ("- [ ] x",), decisions=(Decision("|", "\\|"),)))
@example(Draft(KEY, AT, "```", ("```",), changes=("~~~", "<!-- x"), checks=(Check("`", "``"),)))
def test_a_document_that_was_read_and_written_reads_the_same(draft: Draft) -> None:
    first = read(draft)
    second = read(draft_of(first, AT))
    assert fields(second) == fields(first)


@given(drafts)
def test_nothing_that_was_given_is_lost_or_moved_to_another_field(draft: Draft) -> None:
    document = read(draft)
    assert (document.header.key, document.header.date, document.header.branch) == (KEY, AT, draft.branch)
    assert len(document.pending) == sum(bool(shown(box.text)) for box in draft.pending)
    assert [one.sha for one in document.commits] == [one.sha for one in draft.commits]
    assert len(document.decisions) == sum(told(one.decision) or told(one.reason) for one in draft.decisions)


def shown(text: str) -> str:
    return clean(" ".join("".join(char if char.isprintable() else " " for char in text).split()))


def told(text: str) -> bool:
    return bool(empty_as_nothing(shown(text)))


def test_plain_fields_come_back_to_the_letter() -> None:
    draft = Draft(
        key=KEY,
        date=AT,
        focus="why | the · cosine: stalls",
        next_actions=("Resume `8x2kq0ab` with `--lr 1e-4`", "then look"),
        agent="coder-1",
        author="Mia",
        branch="feature/cosine",
        changes=("warm-up in steps: 500",),
        checks=(Check("pytest -q | tail `x`", "3 failed | 9 passed"), Check("ruff check .", "")),
        pending=(Box("one [x] two", done=False), Box("- [ ] three", done=True)),
        decisions=(Decision("drop | it", "no gain: 3 seeds"),),
    )
    document = read(draft)
    assert (document.header.focus, document.header.agent, document.header.author) == (draft.focus, "coder-1", "Mia")
    assert document.next_actions == draft.next_actions
    assert [(one.command, one.result) for one in document.checks] == [(one.command, one.result) for one in draft.checks]
    assert [(box.text, box.done) for box in document.pending] == [(box.text, box.done) for box in draft.pending]
    assert [(one.decision, one.reason) for one in document.decisions] == [("drop | it", "no gain: 3 seeds")]
    assert "Resume `8x2kq0ab`" in document.startup_prompt


@given(st.binary(max_size=400), st.text(max_size=30))
def test_no_bytes_make_reading_fail(data: bytes, name: str) -> None:
    assert isinstance(parse(data, name), Document)


@given(st.lists(st.one_of(st.sampled_from([*TRAPS, "| a | b |", "|---|---|", "```bash", "$ x"]), st.text(max_size=20))))
def test_no_lines_make_reading_fail(lines: list[str]) -> None:
    assert isinstance(parse("\n".join(lines).encode(errors="replace"), f"{KEY}.md"), Document)


def test_what_tools_write_begins_with_their_mark() -> None:
    assert write(Draft(KEY, AT, "x", ("y",))).startswith(f"{MARK}\n# Handover {KEY}\n")
