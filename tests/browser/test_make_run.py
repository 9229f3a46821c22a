"""What `make run` does on a fresh machine: embedded defaults, a sample that really trains, and one Ctrl-C."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.services.sweepboard import ROOT, RunningSweepboard, free_port, running_sweepboard

pytestmark = [
    pytest.mark.starts_first,
    pytest.mark.needs_chromium,
    pytest.mark.timeout(400),
    pytest.mark.skipif(bool(os.environ.get("DATABASE_URL")), reason="embedded defaults: needs no DATABASE_URL"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def sample(home: Path) -> Iterator[RunningSweepboard]:
    with running_sweepboard(home, {}) as running:
        yield running


def processes_below(folder: Path) -> list[str]:
    """Return the command lines of processes that belong to the Sweepboard in ``folder``."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            environment = (process / "environ").read_bytes()
            command = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder).encode() in environment and int(process.name) != os.getpid():
            found.append(command)
    return found


def test_the_sample_fills_the_board_and_shows_every_kind_of_trouble(sample: RunningSweepboard, page: Page) -> None:
    sample.wait_for(lambda: "digits-search" in sample.manage("sweep_status"), 60, "the board should fill")
    # What comes after the page was loaded is announced there, and not inserted.
    sample.wait_for(lambda: "digits-trouble" in sample.manage("sweep_status"), 120, "the sweep in trouble should come")
    page.goto(sample.url)
    page.fill("#id_username", "admin")
    page.fill("#id_password", sample.password)
    page.get_by_role("button", name="Log in").click()
    expect(page.locator(".sample")).to_contain_text("Sample workspace")
    trouble = page.locator(".sweep", has=page.locator(".toggle", has_text="digits-trouble"))
    expect(trouble.locator(".badge", has_text="zombie")).to_be_visible(timeout=120_000)
    expect(trouble.locator(".badge", has_text="stale-heartbeat")).to_be_visible(timeout=120_000)
    page.reload()  # sweeps that came since are announced, not inserted under the reader's eyes
    ablation = page.locator(".sweep", has=page.locator(".toggle", has_text="digits-ablation"))
    expect(ablation.locator(".badge", has_text="fast-completion")).to_be_visible(timeout=60_000)
    ablation.locator(".toggle").click()
    expect(page.locator("table.runs")).to_contain_text("cuda-oom")
    report = sample.manage("active_sweeps", "--stdout")
    history = report.split("## Preemption History")[1].split("##")[0]
    assert "(RUNNING)" in history, "the preempted job should be back"
    sample.wait_for(lambda: _waits(page, sample.url), 90, "a plan and a question of the sample's agent should wait")


def _waits(page: Page, url: str) -> bool:
    page.goto(f"{url}inbox")
    told = page.locator("main").inner_text()
    return "Count warm-up in steps" in told and "Which schedule do we keep" in told


SUBMIT = """
from pathlib import Path
from apps.slurm.ports import Submission
from apps.slurm.wiring import make_scheduler
script = Path("{script}")
script.write_text("#!/bin/bash\\nexec sleep 300\\n")
print(make_scheduler().submit(Submission(str(script), work_dir=str(script.parent))))
"""


def test_one_interrupt_stops_everything(tmp_path: Path) -> None:
    home = tmp_path
    with running_sweepboard(home, {}) as running:
        assert processes_below(home)
        # As a resume does: a job that the sample itself knows nothing of.
        running.manage("shell", "-c", SUBMIT.format(script=home / "own.sh"))
        running.wait_for(lambda: any("sleep 300" in one for one in processes_below(home)), 30, "the job should run")
        assert "Another Sweepboard runs in" in refusal({"SWEEPBOARD_HOME": str(home / "home")})
        running.process.send_signal(signal.SIGINT)
        assert running.process.wait(60) == 0
    assert processes_below(home) == []
    assert "Stopped." in running.said
    own = tmp_path / "own.toml"
    own.write_text('[wandb]\nprojects = ["team/own"]\n')
    # What the sample left behind must not stand in for a key that is missing.
    assert "no key is set" in refusal({"SWEEPBOARD_HOME": str(home / "home"), "SWEEPBOARD_CONFIG": str(own)})


def refusal(environment: dict[str, str]) -> str:
    """Start once more with these settings, expect a refusal, and return its sentence."""
    done = subprocess.run(
        [sys.executable, "manage.py", "up"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "PORT": str(free_port()), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    return done.stderr


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({"WANDB_API_KEY": "k" * 40}, "no project to follow"),
        ({"WANDB_BASE_URL": "http://127.0.0.1:9"}, "Set WANDB_API_KEY"),
        ({"SWEEPBOARD_CONFIG": "/nowhere/sweepboard.toml"}, "Set SWEEPBOARD_CONFIG"),
        ({"REDIS_URL": "redis://127.0.0.1:9/0"}, "Check REDIS_URL"),
        ({"DATABASE_URL": "postgres://nobody@127.0.0.1:9/none"}, "Check DATABASE_URL"),
        ({"SWEEPBOARD_HOME": "/proc/nowhere"}, "SWEEPBOARD_HOME"),
    ],
)
def test_a_missing_or_wrong_setting_stops_the_start_with_a_sentence(
    environment: dict[str, str], sentence: str, tmp_path: Path
) -> None:
    assert sentence in refusal({"SWEEPBOARD_HOME": str(tmp_path), **environment})
