"""Every recorded situation is told as it was; the test run ends with the table of what was taken for what."""

from collections import Counter

import pytest

from apps.joblogs.endings import RESUMABLE
from apps.joblogs.parsers import hint_in
from tests.factories.crashes import FOLDER, SITUATIONS, situation


@pytest.mark.parametrize("name", SITUATIONS)
def test_a_recorded_situation_is_told_as_it_was(name: str) -> None:
    found = situation(name)
    decision, expected = found.report.decision, found.expected
    told = (decision.crash_class, decision.resumable.value)
    assert told == (expected["crash_class"], expected["resumable"]), decision.reason
    first = decision.proof[0].text if decision.proof else None
    assert (expected["first"] is None) or (first or "").startswith(expected["first"]), first
    assert expected.get("hint", "") in ("", *(hint_in(one.text) for one in decision.proof))


@pytest.mark.parametrize("name", SITUATIONS)
def test_each_recorded_situation_has_its_next_action(name: str) -> None:
    found = situation(name)
    assert found.verdict.action.value == found.expected["verdict"], found.verdict.reason


def test_no_situation_is_taken_for_another_and_none_is_wrongly_called_resumable() -> None:
    found = [situation(name) for name in SITUATIONS]
    wrong = {
        one.name: (one.expected["crash_class"], one.report.decision.crash_class)
        for one in found
        if one.expected["crash_class"] != one.report.decision.crash_class
    }
    wrongly_yes = [
        one.name for one in found if one.report.decision.resumable.value == "yes" and one.expected["resumable"] != "yes"
    ]
    assert (wrong, wrongly_yes) == ({}, [])


def test_the_corpus_is_wide_enough_and_says_how_each_situation_was_made() -> None:
    found = [situation(name).expected for name in SITUATIONS]
    classes = Counter(one["crash_class"] for one in found)
    assert len(found) >= 60
    assert classes.keys() == RESUMABLE.keys()
    assert sum(name.startswith("healthy") for name in SITUATIONS) >= 10
    assert all(one["made"] for one in found)
    assert all((FOLDER / name / file).is_file() for name in SITUATIONS for file in ("out.log", "err.log"))
