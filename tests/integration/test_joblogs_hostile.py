"""Lines that are made to stall a reader cost no more than their length."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = [pytest.mark.starts_first, pytest.mark.any_database]

ROOT = Path(__file__).parents[2]
LENGTH = 200_000
# Each is repeated until it is LENGTH long: what a pattern may begin with, and what it may run on over.
HOSTILE = [
    *("epoch ", "Epoch", "epoch" + " " * LENGTH, "Epoch 1 of ", "Epoch [1/2], Step [", "step ", "loss "),
    *("Training:  1%|", "1/1 [", "1" * LENGTH, "1/1 [1:1<1:1, 1it/s", "1 [:" + ":" * LENGTH, "1/1 [0<0, 1it/s, x=1] "),
    *("1it [0:1, 1s/it, ", "Epoch 1/1 " + "━" * LENGTH, "Epoch 1/1 ━ 1/1 ", "`Trainer.fit` stopped: `max_epochs="),
    *("Epoch 1, global step ", "{'epoch': 1", "{" * LENGTH, "{'epoch': " + "[" * LENGTH + "}", "nan,"),
    *("{'epoch': -" + "-" * 1900 + "1}", "{'epoch': " + "nan," * 400 + "}", "{'epoch': " + "(" * 20 + "}"),
    *("{'epoch': 9**9**9}", "{'epoch': " + "9" * 1900 + "}", "Run: ", "Run: " + "a" * LENGTH, "/run-1_1-"),
    *("Run data is saved locally in " + "/run-1" * LENGTH, "Sweep ID: ", "CANCELLED AT ", "oom_kill ", "Key '"),
    *("CANCELLED AT" + " DUE TO" * LENGTH, "exceeded memory limit ", "slurmstepd: error: ", "DataLoader worker (pid "),
    *("a.Error", "Error: ", "a" * LENGTH + "Error", "_" * LENGTH + "OutOfMemoryError", "Watchdog caught "),
    *(
        "Monitored metric ",
        "Function '",
        "Error: loss nan",
        "Error: " + "nan" * LENGTH,
        "line 1: ",
        ": line 1: 2 Killed",
    ),
    *(
        "Value '" + "' of type '" * LENGTH,
        "OSError: x.so",
        "Traceback (most",
        "srun: error: ",
        "exitcode: -9",
        "NCCL error",
    ),
    *(
        "n1: ",
        "worker-1: ",
        "a-" * LENGTH,
        "wandb: ERROR ",
        "ERROR CUDA ",
        " errored: ",
        "In '",
        "datasets.a.Data",
        "_.py: error: ",
    ),
    *("\x1b[", "\x1b]", "\x1b[A", "\x1b[0;", "[rank1]: ", "wandb: ", "1: "),
]
READ_ALL = """
import json, sys
from apps.joblogs.domain import LogState, follow
from apps.joblogs.parsers import cause_in, clean, closes_start, context_in, follows_a_signal, progress_in, run_in
from apps.joblogs.parsers import hint_in, says_caught, sign_in, sweep_in
given = json.load(sys.stdin)
for seed in given["hostile"]:
    line = clean((seed * (1 + given["length"] // len(seed)))[: given["length"]].encode())
    for read in (
        progress_in, run_in, sweep_in, cause_in, closes_start, follows_a_signal, sign_in, context_in, says_caught,
        hint_in,
    ):
        read(line)
    whole = (seed[:3000] * (1 + 3000 // len(seed)) + "\\n").encode()
    follow(LogState(), whole * 100, last=True)
    follow(LogState(), line.encode(), max_line=1 << 20, last=True)
print("read", len(given["hostile"]))
"""


def test_no_hostile_line_stalls_the_reader() -> None:
    """What costs the square of a line's length would take hours here; the child is killed long before."""
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL],
        input=json.dumps({"hostile": HOSTILE, "length": LENGTH}),
        capture_output=True,
        text=True,
        timeout=150,
        cwd=ROOT,
        check=False,
    )
    assert done.stdout == f"read {len(HOSTILE)}\n", done.stderr
