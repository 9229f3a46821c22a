"""The sample workspace of `make run` has handovers to look at."""

from datetime import UTC, datetime
from pathlib import Path

from apps.handovers.adapters.filesystem import FilesystemDocumentStore
from apps.handovers.entries import read_folder
from apps.sandbox.sample.handovers import write_handovers

NOW = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def test_the_sample_shows_a_current_an_older_an_old_and_an_odd_handover(tmp_path: Path) -> None:
    write_handovers(tmp_path, NOW)
    folder = read_folder(FilesystemDocumentStore(), tmp_path)
    told = {one.focus: (one.state, [odd["id"] for odd in one.findings]) for one in folder.entries}
    assert told["three sweeps, one of them in trouble"] == ("current", [])
    assert told["the search sweep with a linear schedule"] == ("superseded", [])
    assert "claim-without-proof" in told[""][1]
    assert len(told) == 4


def test_a_second_start_leaves_what_it_finds(tmp_path: Path) -> None:
    write_handovers(tmp_path, NOW)
    before = sorted(path.name for path in (tmp_path / "CLAUDE").iterdir())
    write_handovers(tmp_path, datetime(2026, 12, 1, tzinfo=UTC))
    assert sorted(path.name for path in (tmp_path / "CLAUDE").iterdir()) == before
