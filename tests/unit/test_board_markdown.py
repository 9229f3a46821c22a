"""ACTIVE_SWEEPS.md and the chat answer as Markdown."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from apps.board.markdown import GENERATED, Table, active_sweeps, cell, code, link, notes_of, stamp, table, without_stamp
from tests.factories.moments import NOW

TABLES = [Table("Running Sweeps", ("Sweep",), [("[a](u)",)]), Table("Agent Health", ("Sweep",))]


def columns(line: str) -> int:
    return line.replace("\\\\", "").replace("\\|", "").count("|")


@given(st.text())
def test_a_cell_stays_in_its_line_and_its_column(text: str) -> None:
    lines = table(Table("T", ("A", "B"), [(cell(text), cell(1))])).splitlines()
    assert len(lines) == 5
    assert columns(lines[4]) == 3
    assert not set(re.sub(r"\\.", "", cell(text))) & set("[]<`")


@pytest.mark.parametrize(
    ("value", "said"), [("a|b", "a\\|b"), ("a\nb\t c", "a b c"), ("", "—"), ("\\|", "\\\\\\|"), (3, "3")]
)
def test_pipes_and_line_breaks_are_kept_out_of_a_cell(value: object, said: str) -> None:
    assert cell(value) == said


HOSTILE = "lr](https://evil.example.org/x) `a` <img src=x> [b"


def test_a_name_is_a_text_in_its_cell_and_in_its_link() -> None:
    said = r"lr\](https://evil.example.org/x) \`a\` \<img src=x> \[b"
    assert cell(HOSTILE) == said
    assert link(HOSTILE, "https://wandb.ai/t/p") == f"[{said}](https://wandb.ai/t/p)"
    assert link("a\\]", "u") == r"[a\\\]](u)"


@pytest.mark.parametrize("name", ["lr sweep_2 (warm-up) v1.0", "größe=3, *", "a > b & c"])
def test_an_ordinary_name_is_written_as_it_is(name: str) -> None:
    assert cell(name) == name


@pytest.mark.parametrize(
    ("pattern", "said"),
    [("logs/{job_id}_*.[eo]*", "`logs/{job_id}_*.[eo]*`"), ("a|`b`\n", "`a\\|'b'`")],
)
def test_a_pattern_stands_in_its_cell_as_code(pattern: str, said: str) -> None:
    assert code(pattern) == said


def test_a_sweep_is_linked_by_its_id() -> None:
    assert link("ab12", "https://wandb.ai/t/p/sweeps/ab12") == "[ab12](https://wandb.ai/t/p/sweeps/ab12)"


def test_a_sweep_that_does_not_exist_yet_says_tbd() -> None:
    assert link("", "") == "TBD"


def test_a_missing_link_is_said() -> None:
    assert link("ab12", "") == "ab12 (no W&B link)"


@given(st.text(), st.text(min_size=1))
def test_no_address_breaks_out_of_its_link_or_its_row(text: str, url: str) -> None:
    line = f"| {link(text, url)} |"
    assert columns(line) == 2
    assert len(line.splitlines()) == 1


def test_an_empty_table_is_a_sentence() -> None:
    assert table(Table("Failed Jobs", ("Job",))) == "## Failed Jobs\n\nNone.\n"


def test_the_file_begins_with_the_mark_of_generated_files() -> None:
    text = active_sweeps("Active Sweeps", NOW, TABLES, "")
    assert text.splitlines()[0] == GENERATED
    assert "**Last updated:** 2026-11-23 12:00:00 UTC" in text


def test_the_sections_come_in_their_order_and_the_notes_last() -> None:
    text = active_sweeps("Active Sweeps", NOW, TABLES, "\nmine\n")
    headings = [line for line in text.splitlines() if line.startswith("#")]
    assert headings == ["# Active Sweeps", "## Running Sweeps", "## Agent Health", "## Notes"]


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")).map(lambda text: f"\n{text}"))
def test_notes_are_kept_to_the_letter(notes: str) -> None:
    text = active_sweeps("Active Sweeps", NOW, TABLES, notes)
    assert notes_of(text) == notes
    assert active_sweeps("Active Sweeps", NOW, TABLES, notes_of(text)) == text


def test_a_file_that_a_person_wrote_before_us_becomes_its_notes() -> None:
    theirs = "# Our sweeps\n\n- ab12 is Mia's\n"
    assert notes_of(theirs) == f"\n{theirs}"
    assert theirs in active_sweeps("Active Sweeps", NOW, TABLES, notes_of(theirs))


def test_of_a_generated_file_without_notes_nothing_is_kept() -> None:
    assert notes_of(f"{GENERATED}\n\n# Active Sweeps\n") == ""
    assert notes_of("") == ""


def test_a_heading_inside_a_table_is_not_taken_for_the_notes() -> None:
    tables = [Table("Running Sweeps", ("Sweep",), [(cell("x\n## Notes\ny"),)])]
    assert notes_of(active_sweeps("A", NOW, tables, "\nmine\n")) == "\nmine\n"


def test_two_texts_that_differ_in_their_time_only_are_the_same() -> None:
    one, other = (active_sweeps("A", moment, TABLES, "\n") for moment in (NOW, NOW.replace(year=2027)))
    assert one != other
    assert without_stamp(one) == without_stamp(other)


def test_the_time_in_the_notes_is_a_persons_and_counts() -> None:
    note = "\n**Last updated:** {} by Mia\n"
    one, other = (active_sweeps("A", NOW, TABLES, note.format(day)) for day in ("Monday", "Tuesday"))
    assert without_stamp(one) != without_stamp(other)


def test_no_time_is_a_dash() -> None:
    assert stamp(None) == "—"
