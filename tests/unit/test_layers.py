"""A layer of tests that failed is looked at once more, and never taken for one that passed at once."""

import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.run import MOST_LOOKED_AT_AGAIN, Layers

Told = tuple[int, list[str]]


def ended(monkeypatch: pytest.MonkeyPatch, *tells: Told, look_again: bool = True) -> tuple[Layers, list[Sequence[str]]]:
    """Run one layer whose runs of pytest end as ``tells`` says: exit status and failed tests of each."""
    left, commands = list(tells), []

    def run(command: Sequence[str], *, env: Mapping[str, str], **_: Any) -> subprocess.CompletedProcess[str]:
        code, failed = left.pop(0)
        commands.append(command)
        if "TESTS_THAT_FAILED" in env:
            Path(env["TESTS_THAT_FAILED"]).write_text("".join(f"{name}\n" for name in failed))
        return subprocess.CompletedProcess(command, code)

    monkeypatch.setattr("tests.run.subprocess.run", run)
    monkeypatch.setattr("tests.run.missing_programs", list)
    layers = Layers()
    layers.pytest("contract", ["tests/contract"], look_again=look_again)
    assert left == []
    return layers, commands


def test_what_passes_only_alone_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    layers, commands = ended(monkeypatch, (1, ["tests/a.py::one[x::y]", "tests/a.py::two"]), (0, []))
    assert list(commands[1])[-3:] == ["-n", "0", "tests/a.py"]
    assert layers.report() == 0
    assert "UNSTEADY: passed only when it ran alone: tests/a.py::two\n" in capsys.readouterr().out


@pytest.mark.parametrize(
    "tells",
    [
        [(1, ["tests/a.py::one"]), (1, [])],
        [(1, [f"tests/a.py::number_{n}" for n in range(MOST_LOOKED_AT_AGAIN + 1)])],
        [(1, [])],
        [(2, ["tests/a.py::one"])],
    ],
    ids=["fails alone too", "too many", "failed without a test's name", "interrupted"],
)
def test_what_failed_otherwise_stays_failed(monkeypatch: pytest.MonkeyPatch, tells: list[Told]) -> None:
    layers, _ = ended(monkeypatch, *tells)
    assert layers.report() == 1


def test_what_needs_no_daemon_has_one_look(monkeypatch: pytest.MonkeyPatch) -> None:
    layers, _ = ended(monkeypatch, (1, ["tests/a.py::one"]), look_again=False)
    assert layers.report() == 1


def test_what_passes_runs_once(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    layers, _ = ended(monkeypatch, (0, []))
    assert layers.report() == 0
    assert "UNSTEADY" not in capsys.readouterr().out
