"""`manage.py classify_logs` as people and scripts call it: a process of its own, without a database."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
CRASHES = ROOT / "tests" / "recorded" / "crashes"
KEYS = {"out", "err", "crash_class", "resumable", "epoch", "step", "target_epochs", "evidence", "run_id", "reason"}


def call(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "manage.py", "classify_logs", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )


def lines(done: subprocess.CompletedProcess[str]) -> list[dict[str, Any]]:
    assert "Traceback" not in done.stderr, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    "url", ["nonsense://x", "postgres://nobody@127.0.0.1:1/none", "sqlite:////proc/none/x.sqlite3"]
)
def test_it_needs_no_database(url: str) -> None:
    done = call(str(CRASHES / "three_attempts_in_one_log"), "--json", DATABASE_URL=url)
    (found,) = lines(done)
    assert found.keys() == KEYS
    assert (found["crash_class"], found["resumable"], done.returncode) == ("time-limit", "yes", 1)
    assert (found["epoch"], found["step"], found["target_epochs"], found["run_id"]) == (5.0, 500, 10.0, "aaa111")
    (proof,) = found["evidence"]
    assert (proof["file"], proof["line"]) == (found["out"], 11)
    assert proof["text"].endswith("DUE TO TIME LIMIT ***")


def test_a_folder_gives_a_line_for_each_job_and_the_exit_status_tells_whether_one_failed(tmp_path: Path) -> None:
    (tmp_path / "a_1.out").write_text("Epoch 10/10\n")
    (tmp_path / "a_1.err").write_text("")
    done = call(str(tmp_path), "--json")
    assert ([one["crash_class"] for one in lines(done)], done.returncode) == (["none"], 0)
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b_2.err").write_text("ModuleNotFoundError: No module named 'x'\n")
    done = call(str(tmp_path), "--json")
    found = {(one["out"], one["err"]): one["resumable"] for one in lines(done)}
    assert found == {
        (str(tmp_path / "a_1.out"), str(tmp_path / "a_1.err")): "no",
        (None, str(tmp_path / "deep" / "b_2.err")): "no",
    }
    assert done.returncode == 1


def test_the_other_log_of_a_job_is_found_beside_the_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "a_1.out").write_text("Epoch 1/10\n")
    (tmp_path / "a_1.err").write_text("torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 1 GiB\n")
    (found,) = lines(call(str(tmp_path / "a_1.out"), "--json"))
    assert (found["crash_class"], found["epoch"]) == ("cuda-oom", 1.0)


def test_hostile_files_give_a_line_with_a_reason_and_never_a_traceback(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo.out")
    (tmp_path / "loop.out").symlink_to("loop.out")
    (tmp_path / "rubbish.out").write_bytes(bytes(range(256)) * 40)
    (tmp_path / os.fsdecode(b"caf\xe9\n.out")).write_text("Epoch 1/1\n")
    (tmp_path / "long.out").write_bytes(b"Epoch 1/1 " * 400_000)
    done = call(str(tmp_path), "--json")
    found = {Path(one["out"]).name: one for one in lines(done)}
    assert len(found) == 5
    for name in ("fifo.out", "loop.out", "rubbish.out"):
        assert (found[name]["crash_class"], found[name]["resumable"]) == ("unknown", "look-first")
        assert found[name]["reason"]
    assert found["long.out"]["crash_class"] == "none"
    assert done.returncode == 2
    table = call(str(tmp_path))
    assert (table.returncode, "Traceback" in table.stderr) == (2, False)


def test_a_path_that_is_not_there_is_told_and_the_others_are_read(tmp_path: Path) -> None:
    (tmp_path / "a.out").write_text("Epoch 1/1\n")
    done = call(str(tmp_path / "none.out"), str(tmp_path / "a.out"), "--json")
    assert [one["crash_class"] for one in lines(done)] == ["none"]
    assert (f"{tmp_path / 'none.out'} is not there." in done.stderr, done.returncode) == (True, 2)


def test_without_json_a_table_is_printed_that_a_terminal_can_show(tmp_path: Path) -> None:
    (tmp_path / "a_1.err").write_text("Epoch 2/10 step 20\nValueError: \x1b]0;x\x07 bad\n")
    done = call(str(tmp_path))
    assert "python-error" in done.stdout
    assert "2/10" in done.stdout
    assert "\x1b" not in done.stdout


def test_of_a_log_beyond_the_limits_head_and_tail_are_read_and_the_gap_takes_the_yes(tmp_path: Path) -> None:
    config = tmp_path / "sweepboard.toml"
    config.write_text("[logs]\nmax_bytes_per_log = 4000\n")
    end = "slurmstepd: error: *** JOB 1 ON n CANCELLED AT x DUE TO TIME LIMIT ***\n"
    (tmp_path / "a_1.out").write_text("Epoch 1/10\n" + "nothing of interest\n" * 5000 + end)
    (found,) = lines(call(str(tmp_path / "a_1.out"), "--json", SWEEPBOARD_CONFIG=str(config)))
    assert (found["crash_class"], found["resumable"]) == ("time-limit", "look-first")
    assert "were not read" in found["reason"]


def test_limits_that_cannot_be_read_are_told_and_the_defaults_hold(tmp_path: Path) -> None:
    (tmp_path / "a_1.out").write_text("Epoch 1/1\n")
    done = call(str(tmp_path / "a_1.out"), "--json", SWEEPBOARD_CONFIG=str(tmp_path / "none.toml"))
    assert [one["crash_class"] for one in lines(done)] == ["none"]
    assert "The default limits are used." in done.stderr
    assert done.returncode == 0


def test_without_a_path_it_says_what_to_name() -> None:
    done = call()
    assert (done.returncode, "Name at least one log" in done.stderr) == (2, True)


def test_a_reader_that_has_enough_ends_it_quietly() -> None:
    command = [sys.executable, "manage.py", "classify_logs", str(CRASHES), "--json"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert json.loads(process.stdout.readline())
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141
