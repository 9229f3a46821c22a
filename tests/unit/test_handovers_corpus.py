"""Every uneven document is read as a person would read it, and none is skipped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from apps.handovers.domain.document import Document
from apps.handovers.domain.parsing import parse

FOLDER = Path(__file__).parents[1] / "recorded" / "handovers"
EXPECTED: dict[str, dict[str, Any]] = json.loads((FOLDER / "expected.json").read_text())


def read(name: str) -> Document:
    return parse((FOLDER / name).read_bytes(), name)


def count_or_pairs(pairs: list[list[str]], wanted: object) -> object:
    return len(pairs) if isinstance(wanted, int) else pairs


TOLD: dict[str, Callable[[Document, Any], object]] = {
    "key": lambda one, _: one.key,
    "text_key": lambda one, _: one.header.key,
    "date": lambda one, _: one.header.date.strftime("%Y-%m-%dT%H:%M") if one.header.date else None,
    "agent": lambda one, _: one.header.agent,
    "author": lambda one, _: one.header.author,
    "branch": lambda one, _: one.header.branch,
    "focus": lambda one, _: one.header.focus,
    "sections": lambda one, _: one.section_names,
    "open": lambda one, _: len(one.pending_open),
    "done": lambda one, _: len(one.pending_done),
    "first_open": lambda one, _: one.pending_open[0].text,
    "decisions": lambda one, wanted: count_or_pairs([[each.decision, each.reason] for each in one.decisions], wanted),
    "checks": lambda one, wanted: count_or_pairs([[each.command, each.result] for each in one.checks], wanted),
    "commits": lambda one, _: [each.sha for each in one.commits],
    "commits_named": lambda one, _: list(one.names.commits),
    "sweeps": lambda one, _: list(one.names.sweeps),
    "runs": lambda one, _: list(one.names.runs),
    "jobs": lambda one, _: list(one.names.jobs),
    "prompt": lambda one, wanted: one.startup_prompt[: len(wanted)],
}
ABOUT_FINDINGS = {"findings", "only", "none"}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_uneven_document_says_what_it_says(name: str) -> None:
    document, expected = read(name), EXPECTED[name]
    told = {field: TOLD[field](document, wanted) for field, wanted in expected.items() if field not in ABOUT_FINDINGS}
    assert told == {field: wanted for field, wanted in expected.items() if field not in ABOUT_FINDINGS}


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_what_is_odd_about_it_is_said_in_sentences(name: str) -> None:
    document, expected = read(name), EXPECTED[name]
    ids = {one.id for one in document.findings}
    assert set(expected.get("findings", [])) <= ids
    assert not ids & set(expected.get("none", []))
    assert not expected.get("only") or ids == set(expected["findings"])
    assert all(one.sentence.endswith((".", "!", "?")) and len(one.sentence) > 10 for one in document.findings)


def test_the_corpus_is_wide_enough_and_every_file_is_expected() -> None:
    files = {path.name for path in FOLDER.glob("*.md")} - {"README.md"}
    assert files == EXPECTED.keys()
    assert len(files) >= 80
    kinds = {one for expected in EXPECTED.values() for one in expected.get("findings", [])}
    assert len(kinds) >= 18
