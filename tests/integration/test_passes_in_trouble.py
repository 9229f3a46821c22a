"""What a hostile log, a lost filesystem, a defect of ours or a typo in the configuration does to the passes."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import time_machine

from apps.audit.models import SyncPass
from apps.audit.selectors import freshness, revision
from apps.board.report import active_sweeps_markdown
from apps.board.selectors import active_sweeps
from apps.checkpoints.models import Checkpoint
from apps.flags.models import RunStatus
from apps.joblogs.reading import Reading
from apps.ops import sync
from apps.workspaces.models import Workspace
from tests.factories.moments import NOW
from tests.factories.rows import SweepFactory
from tests.integration.test_ops_sync import both
from tests.services.memory import World

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]
UNREADABLE = ["{{'epoch': 3}}", "{[1]: 2, 'epoch': 3}", "{'epoch': " + "9" * 400 + "}", "{'epoch': ()}"]


def log_of(glue: Workspace, job_id: str) -> Path:
    return glue.path / "logs" / f"train_{job_id}.out"


def append(path: Path, text: str) -> None:
    with path.open("a") as file:
        file.write(text)


@pytest.mark.parametrize(
    "line", ["{{'epoch': 3}}", "{[1]: 2, 'epoch': 3}", "{'epoch': " + "9" * 400 + "}", "{'epoch': ()}"]
)
def test_a_line_that_no_parser_can_read_stops_nothing(training: str, glue: Workspace, line: str) -> None:
    append(log_of(glue, training), f"{line}\nEpoch 5/10 step 500 loss 0.2\n")
    both()
    assert RunStatus.objects.get().epoch == 5.0
    assert not SyncPass.objects.exclude(error="").exists()


def test_a_reader_that_crashes_stops_no_other_log(
    training: str,
    glue: Workspace,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def crash(*args: Any) -> set[str]:
        raise ZeroDivisionError

    monkeypatch.setattr(Reading, "read_on", crash)
    both()
    assert RunStatus.objects.get().slurm_state == "RUNNING"


def test_the_log_of_an_ended_job_is_read_to_its_end(
    world: World,
    training: str,
    glue: Workspace,
    settings: Any,
) -> None:
    with Path(settings.CONFIG_FILE).open("a") as config:
        config.write("[logs]\nmax_bytes_per_pass = 100\n")
    append(log_of(glue, training), "nothing to see here\n" * 20 + "Epoch 10/10 step 1000 loss 0.1\n")
    world.scheduler.finish(training, "COMPLETED")
    world.glue.runs[0] = replace(world.glue.runs[0], state="finished")
    for minutes in range(8):
        with time_machine.travel(NOW + timedelta(minutes=10 + minutes), tick=True):
            sync.sync_slurm()
    both()
    assert RunStatus.objects.get().epoch == 10.0


@pytest.mark.parametrize("heading", ["## Notes:", "### notes", "## Notes \r", "## Our own words"])
def test_notes_survive_a_heading_that_somebody_retyped(training: str, glue: Workspace, heading: str) -> None:
    both()
    path = glue.path / "ACTIVE_SWEEPS.md"
    head = path.read_text().split("## Notes")[0]
    path.write_bytes(f"{head}{heading}\nAsk Mira.\r\nTwice.\n".encode())
    append(log_of(glue, training), "Epoch 6/10 step 600 loss 0.2\n")
    both()
    assert b"Ask Mira.\r\nTwice.\n" in path.read_bytes()
    assert "| 6/10 |" in path.read_text()


def test_checkpoints_stay_as_last_seen_while_the_filesystem_is_away(training: str, glue: Workspace) -> None:
    both()
    glue.path.rename(glue.path.with_suffix(".away"))
    both()
    assert Checkpoint.objects.get().step == 400


def test_a_defect_of_ours_is_on_the_board_until_it_is_over(training: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(**kwargs: Any) -> None:
        raise ZeroDivisionError

    with monkeypatch.context() as broken:
        broken.setattr(sync, "evaluate_runs", crash)
        both()
    joined = {one.source: one for one in freshness()}["join"]
    assert "Sweepboard failed in this pass (ZeroDivisionError)" in joined.error
    both()
    assert {one.source: one.ok for one in freshness()}["join"]
    notes = SyncPass.objects.filter(source="join").count()
    both()
    assert SyncPass.objects.filter(source="join").count() == notes, "health is noted once"


def test_a_typo_in_the_configuration_is_on_the_board_until_it_is_mended(training: str, settings: Any) -> None:
    path = Path(settings.CONFIG_FILE)
    good = path.read_text()
    path.write_text(f"{good}\nfoo = 1\n")
    both()
    assert "no such key" in {one.source: one.error for one in freshness()}["config"]
    path.write_text(good)
    both()
    assert all(one.ok for one in freshness())


def test_the_board_asks_again_only_when_a_pass_has_reached_it(training: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = []
    inner = sync._join
    monkeypatch.setattr(sync, "_join", lambda *given: (seen.append(revision()), inner(*given))[1])
    sync.sync_slurm()
    assert seen == [0]
    assert revision() > 0


def test_sweeps_of_projects_that_are_no_longer_followed_leave_the_board(training: str) -> None:
    SweepFactory(entity="someone", project="else", sweep_id="old")
    both()
    assert [one.sweep_id for one in active_sweeps()] == ["swp1"]


def test_a_disagreement_without_a_flag_is_in_the_log_of_discrepancies(world: World, training: str) -> None:
    world.scheduler.finish(training, "TIMEOUT")
    world.glue.runs[0] = replace(world.glue.runs[0], state="finished")
    both()
    log = active_sweeps_markdown("", NOW).split("## Discrepancy Log")[1].split("##")[0]
    assert "| finished | TIMEOUT | open" in log
