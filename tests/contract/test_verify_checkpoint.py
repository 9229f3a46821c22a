"""`manage.py verify_checkpoint` as it is run at a shell: no database, lines of JSON, an exit status for scripts."""

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import torch

from tests.factories.checkpoints import saved, trainer_folder, training_state

ROOT = Path(__file__).parents[2]


def run(*arguments: object, **environment: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "manage.py", "verify_checkpoint", *(str(one) for one in arguments)]
    # A database that nobody can reach: the command must not ask it anything.
    nowhere = {
        "DATABASE_URL": "postgres://nobody@127.0.0.1:1/none",
        "SWEEPBOARD_HOME": str(ROOT / "var"),
        **environment,
    }
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **nowhere}, capture_output=True, text=True, timeout=120, check=False
    )


def told(*arguments: object) -> tuple[int, list[dict[str, Any]]]:
    done = run(*arguments, "--json")
    assert "Traceback" not in done.stderr
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """Two runs: one whose newest checkpoint is cut off, one with the folders of the Hugging Face Trainer."""
    one, two = tmp_path / "outputs" / "one" / "checkpoints", tmp_path / "outputs" / "two"
    one.mkdir(parents=True)
    for step in (100, 200, 300):
        content = saved({**training_state(), "global_step": step})
        (one / f"step_{step}.pt").write_bytes(content[: -60 if step == 300 else None])
    for step in (400, 800):
        trainer_folder(two / f"checkpoint-{step}", step)
    for path in tmp_path.rglob("*"):
        if path.is_file():
            os.utime(path, (1_700_000_000, 1_700_000_000))
    return tmp_path


def test_a_workspace_is_searched_and_of_each_run_the_newest_and_the_newest_good_are_named(workspace: Path) -> None:
    code, lines = told(workspace)
    assert code == 1
    assert set(lines[0]) == {
        *("path", "kind", "step", "epoch", "sound", "reason", "bytes", "seconds", "newest", "newest_good"),
    }  # fmt: skip
    short = {Path(line["path"]).name: (line["sound"], line["newest"], line["newest_good"]) for line in lines}
    assert short == {
        "step_100.pt": ("pass", False, False),
        "step_200.pt": ("pass", False, True),
        "step_300.pt": ("fail", True, False),
        "checkpoint-400": ("pass", False, False),
        "checkpoint-800": ("pass", True, True),
    }


@pytest.mark.parametrize(
    ("what", "code"),
    [("outputs/two", 0), ("outputs/one/checkpoints/step_100.pt", 0), ("outputs/one", 1), ("nowhere", 2)],
)
def test_the_exit_status_tells_scripts_how_it_went(workspace: Path, what: str, code: int) -> None:
    assert run(workspace / what).returncode == code


def test_a_folder_without_checkpoints_and_one_that_is_missing_are_said(tmp_path: Path) -> None:
    done = run(tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert "There is no checkpoint" in done.stderr
    assert f"{tmp_path / 'x'} is not there." in run(tmp_path / "x").stderr


def test_a_table_is_for_people(workspace: Path) -> None:
    text = run(workspace / "outputs" / "one").stdout
    assert "fail" in text
    assert "step_300.pt  step 300  (newest)" in text
    assert "its end is missing: it was cut off" in text


def test_torch_itself_is_asked_in_a_child_process_where_that_is_wanted(tmp_path: Path) -> None:
    torch.save({"w": torch.ones(10)}, tmp_path / "good.pt")
    torch.save({"w": torch.ones(10)}, tmp_path / "odd.pt", pickle_protocol=4)
    trainer_folder(tmp_path / "checkpoint-400")
    code, lines = told(tmp_path, "--deep")
    short = {Path(line["path"]).name: (line["sound"], line["reason"]) for line in lines}
    assert short["good.pt"] == ("pass", "every byte is as it was saved; torch loads it")
    assert short["checkpoint-400"][0] == "pass"
    assert short["odd.pt"][0] == "fail"  # weights_only knows no protocol 4
    assert "torch does not load it" in short["odd.pt"][1]
    assert code == 1


def test_a_python_without_torch_is_named(tmp_path: Path) -> None:
    done = run(tmp_path, "--deep", "--python", "/usr/bin/false")
    assert done.returncode == 2
    assert "has no torch" in done.stderr
    assert "cannot be started" in run(tmp_path, "--deep", "--python", "/nowhere/python").stderr


def test_a_checkpoint_that_is_still_being_written_is_unknown_and_not_broken(tmp_path: Path) -> None:
    path, content = tmp_path / "step_1.pt", saved()
    path.write_bytes(content[:500])
    stop = threading.Event()

    def write_on() -> None:
        with path.open("ab") as file:
            while not stop.is_set():
                file.write(b"\x01" * 64)
                file.flush()
                time.sleep(0.05)

    writer = threading.Thread(target=write_on)
    writer.start()
    try:
        code, (line,) = told(path)
    finally:
        stop.set()
        writer.join()
    assert (code, line["sound"]) == (2, "unknown")
    assert "still being written" in line["reason"]


def test_names_that_the_site_trusts_and_places_it_links_to_are_said_on_the_command_line(tmp_path: Path) -> None:
    import argparse

    elsewhere, here = tmp_path / "scratch", tmp_path / "here"
    elsewhere.mkdir()
    here.mkdir()
    torch.save({"args": argparse.Namespace(lr=1)}, elsewhere / "a.pt")
    (here / "a.pt").symlink_to(elsewhere / "a.pt")
    assert run(here / "a.pt").returncode == 1
    assert run(here / "a.pt", "--root", elsewhere).returncode == 1
    assert run(here / "a.pt", "--root", elsewhere, "--allow", "argparse.Namespace").returncode == 0


def test_a_reader_that_goes_away_ends_it_quietly(workspace: Path) -> None:
    script = f"{sys.executable} manage.py verify_checkpoint {workspace} --json | head -n 1"
    done = subprocess.run(["bash", "-c", script], cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.stdout.count("\n") == 1
    assert "Traceback" not in done.stderr


def test_a_name_and_a_content_of_different_steps_are_both_told(tmp_path: Path) -> None:
    (tmp_path / "step_500.pt").write_bytes(saved())
    _, (line,) = told(tmp_path)
    assert (line["sound"], line["step"]) == ("pass", 500)
    assert line["reason"].endswith("; it says step 120 inside")
