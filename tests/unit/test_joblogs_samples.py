"""Every sample below tests/recorded/logs is read as the JSON beside it says; its README tells how they were made."""

import json
from pathlib import Path
from typing import Any

import pytest

from apps.joblogs import parsers
from apps.joblogs.domain import LogState, follow
from apps.joblogs.trace import Trace

FOLDER = Path(__file__).parents[1] / "recorded" / "logs"
SAMPLES = sorted(FOLDER.glob("*/*.log"))


def expected_of(path: Path) -> dict[str, Any]:
    told: dict[str, Any] = json.loads(path.with_suffix(".json").read_text())
    return told


def read(data: bytes, size: int) -> dict[str, Trace]:
    state = LogState()
    for start in range(0, len(data), size):
        follow(state, data[start : start + size])
    follow(state, b"", last=True)
    return state.traces


def value_of(trace: Trace, name: str) -> Any:
    if name == "evidence":
        # torchrun tells of a crash in a table of its own: what counts is which classes there are, and the first line.
        return [item["class"] for item in trace.evidence if item["class"] not in parsers.SIGNS]
    if name == "first":
        return trace.evidence[0]["text"]
    if name == "earlier":
        return [
            [one["start"], one["epoch"], [item["class"] for item in one["evidence"]]] for one in trace.earlier_starts
        ]
    return getattr(trace, name)


@pytest.mark.parametrize("size", [1 << 20, 61], ids=["at once", "in pieces"])
@pytest.mark.parametrize("path", SAMPLES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_sample_is_read_as_it_says(path: Path, size: int) -> None:
    runs = expected_of(path)["runs"]
    traces = read(path.read_bytes(), size)
    assert traces.keys() == {*runs}
    for run_id, figures in runs.items():
        said = {name: value_of(traces[run_id], name) for name in figures}
        assert said == {
            name: pytest.approx(value) if isinstance(value, float) else value for name, value in figures.items()
        }


def test_every_parser_has_samples_and_every_sample_says_how_it_was_made() -> None:
    modules = {Path(module.__file__ or "").stem for module in vars(parsers).values() if hasattr(module, "__file__")}
    assert {path.parent.name for path in SAMPLES} == modules - {"base", "lines", "effects"}  # effects: recorded/crashes
    assert len(SAMPLES) >= 25
    assert all(expected_of(path)["made"] for path in SAMPLES)
    assert {path.with_suffix(".log") for path in FOLDER.glob("*/*.json")} == {*SAMPLES}
