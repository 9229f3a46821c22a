"""`manage.py check_runs`: the verdicts as lines, and an exit status by the worst open flag."""

import json
import os
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from apps.audit.models import SyncPass
from apps.flags.services import evaluate_runs
from tests.factories.moments import NOW, before
from tests.factories.rows import (
    CheckpointFactory,
    JobFactory,
    RunFactory,
    RunLinkFactory,
    SweepFactory,
    SyncPassFactory,
    both_sources_answered,
)

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("noon")]


@pytest.fixture(autouse=True)
def _runs() -> None:
    both_sources_answered()
    sweep = SweepFactory(sweep_id="swp1")
    healthy = RunLinkFactory(run__run_id="fine", run__sweep=sweep).run
    dead = RunFactory(run_id="dead", sweep=sweep, state="crashed", heartbeat_at=before(hours=1))
    RunLinkFactory(run=dead, job=JobFactory(job_id="77", state="PREEMPTED", end_at=before(hours=1)))
    done = RunFactory(run_id="done", sweep=sweep, state="finished", heartbeat_at=before(hours=1))
    for run in (healthy, dead, done):
        CheckpointFactory(run=run, step=400, epoch=4)
    evaluate_runs(run_pks=[healthy.pk, dead.pk, done.pk], now=NOW)


def check(*arguments: str) -> tuple[str, int]:
    said = StringIO()
    with pytest.raises(SystemExit) as ended:
        call_command("check_runs", *arguments, stdout=said)
    return said.getvalue(), int(str(ended.value.code))


def test_a_json_line_tells_a_runs_verdict_with_its_evidence() -> None:
    text, status = check("--json", "--sweep", "swp1")
    lines = {line["run_id"]: line for line in map(json.loads, text.splitlines())}
    assert set(lines) == {"fine", "dead"}
    dead = lines["dead"]
    assert (dead["verdict"], dead["resumable"], dead["job_id"], dead["sweep_id"]) == ("resume", "yes", "77", "swp1")
    assert dead["flags"] == ["preempted-not-resumed"]
    assert (dead["epoch"], dead["step"], dead["sources_agree"]) == (4, 400, True)
    assert "Slurm says PREEMPTED of job 77." in dead["evidence"]
    assert (lines["fine"]["verdict"], lines["fine"]["flags"]) == ("healthy", [])
    assert status == 1


def test_ended_runs_without_a_flag_are_told_when_asked_for() -> None:
    text, _ = check("--json", "--all")
    assert [json.loads(line)["run_id"] for line in text.splitlines()] == ["fine", "dead", "done"]


def test_people_get_a_line_a_run() -> None:
    text, _ = check()
    assert "dead         resume               preempted-not-resumed (preemption, and there is a checkpoint)" in text


def test_a_sweep_that_nobody_knows_is_an_error() -> None:
    with pytest.raises(CommandError, match="No run of a sweep 'nope' is known") as said:
        call_command("check_runs", "--sweep", "nope")
    assert said.value.returncode == 3
    with pytest.raises(CommandError, match="a sweep 'x\\?'"):
        call_command("check_runs", "--sweep", "x\udcff")  # how Python hands on bytes that are no text


def test_what_was_never_read_is_unknown_and_not_calm() -> None:
    SyncPass.objects.filter(source="wandb").delete()
    with pytest.raises(CommandError, match="never read well") as said:
        call_command("check_runs")
    assert said.value.returncode == 3


def test_a_source_that_was_silent_the_last_time_is_named() -> None:
    SyncPassFactory(source="slurm", scope="memory", error="squeue did not answer within 20 s.")
    said = StringIO()
    with pytest.raises(SystemExit):
        call_command("check_runs", stdout=StringIO(), stderr=said)
    assert "slurm memory was not read: squeue did not answer" in said.getvalue()


@pytest.mark.parametrize(
    ("command", "status"), [(["check_runs"], 3), (["check_runs", "--json"], 3), (["close_run", "x", "--yes"], 1)]
)
@pytest.mark.parametrize("url", ["postgres://nobody@127.0.0.1:1/none", "sqlite:///{folder}/empty.sqlite3"])
def test_without_a_database_a_sentence_says_so(url: str, command: list[str], status: int, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "manage.py", *command],
        cwd=ROOT,
        env={**os.environ, "SWEEPBOARD_HOME": str(tmp_path), "DATABASE_URL": url.format(folder=tmp_path)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (status, "")
    assert "The database cannot be read: " in done.stderr
    assert "Traceback" not in done.stderr
