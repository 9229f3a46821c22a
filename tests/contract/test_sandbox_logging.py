"""The sandbox, driven by the real client: what a training process does and what becomes of its run."""

import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.sandbox import SandboxServer, running_sandbox

CRASH_AFTER = 6.0
TRAIN = """
import wandb, sys
run = wandb.init(project="train", id={id!r}, config={{"lr": 0.1, "net": {{"depth": 2}}}}, tags=["a"],
                 notes="first", group="g", job_type="fit")
print("start", run.starting_step, run.url)
for step in range({steps}):
    run.log({{"loss": 1 / (step + 1), "global_step": step * 10, "bad": float("nan"), "far": float("inf")}})
{end}
"""
# A background job of a shell ignores interrupts, and so do its children: the client's own would do nothing then.
WAITING = """
import signal, time, wandb
signal.signal(signal.SIGINT, signal.default_int_handler)
run = wandb.init(project="train", id={id!r}, config={{"lr": 0.1}})
run.log({{"loss": 1.0}})
{then}
print("ready", flush=True)
for _ in range(600):
    time.sleep(0.2)
"""
FIELDS = "dict(state=r.state, heartbeat=r.heartbeatAt, step=r.lastHistoryStep, lines=r.historyLineCount)"


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("logging"), crash_after=CRASH_AFTER) as server:
        yield server


def train(sandbox: SandboxServer, name: str, steps: int = 3, end: str = "run.finish()", **env: Any) -> str:
    return sandbox.run(script=TRAIN.format(id=name, steps=steps, end=end), **env)


def facts(sandbox: SandboxServer, name: str) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.ask(f"[{FIELDS} for r in [api.run('sandbox/train/{name}')]][0]")
    return found


def wait_for_state(sandbox: SandboxServer, name: str, state: str, seconds: float = 20) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    while (found := facts(sandbox, name))["state"] != state:
        assert time.monotonic() < deadline, found
        time.sleep(0.3)
    return found


def test_a_finished_run_is_read_back_with_everything_about_it(sandbox: SandboxServer) -> None:
    output = train(sandbox, "whole", SLURM_JOB_ID="4711")
    assert f"start 0 {sandbox.url}/sandbox/train/runs/whole" in output
    read = """[dict(state=r.state, config=dict(r.config), summary=r.summary._json_dict, tags=r.tags,
        notes=r.notes, group=r.group, kind=r.job_type,
        user=r.user.username, url=r.url, lines=r.historyLineCount,
        keys=sorted(r.historyKeys["keys"]),
        job=r.metadata["slurm"]["job_id"], files=sorted(f.name for f in r.files()),
        sampled=r.history(pandas=False, keys=["loss"]), scanned=[row["bad"] for row in r.scan_history()],
        some=list(r.scan_history(keys=["loss"], min_step=1, max_step=2)))
        for r in [api.run("sandbox/train/whole")]][0]"""
    found = sandbox.ask(read)
    assert found["state"] == "finished"
    assert found["config"] == {"lr": 0.1, "net": {"depth": 2}}
    assert found["summary"]["loss"] == pytest.approx(1 / 3)
    assert (found["summary"]["bad"], found["summary"]["far"]) == ("NaN", "Infinity")
    assert (found["tags"], found["notes"], found["group"], found["kind"]) == (["a"], "first", "g", "fit")
    assert found["job"] == "4711"
    assert (found["user"], found["lines"]) == ("sandbox", 3)
    assert {"loss", "global_step", "_step"} <= set(found["keys"])
    assert {"config.yaml", "wandb-metadata.json", "wandb-summary.json"} <= set(found["files"])
    assert [row["_step"] for row in found["sampled"]] == [0, 1, 2]
    assert found["scanned"] == ["NaN"] * 3
    assert found["some"] == [{"_step": 1, "loss": 0.5}]
    status, page = sandbox.get("/sandbox/train/runs/whole")
    assert status == 200
    assert "finished" in page
    assert "global_step" in page


def test_a_run_that_exits_with_an_error_is_failed(sandbox: SandboxServer) -> None:
    sandbox.run(script=TRAIN.format(id="broken", steps=1, end="sys.exit(3)"), exitcode=3)
    sandbox.run(script=TRAIN.format(id="raised", steps=1, end="1 / 0"), exitcode=1)
    assert facts(sandbox, "broken")["state"] == "failed"
    assert facts(sandbox, "raised")["state"] == "failed"


def test_a_killed_process_becomes_crashed_and_its_heartbeat_stays(sandbox: SandboxServer) -> None:
    process = sandbox.popen(script=WAITING.format(id="killed", then=""))
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        pass
    time.sleep(3.5)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    alive = facts(sandbox, "killed")
    assert alive["state"] == "running"
    lost = wait_for_state(sandbox, "killed", "crashed")
    assert lost["heartbeat"] == alive["heartbeat"]
    resuming = {"WANDB_PROJECT": "train", "WANDB_RUN_ID": "killed", "WANDB_RESUME": "must"}
    sandbox.run(script="import wandb; r = wandb.init(); r.log({'loss': 2}); r.finish()", **resuming)
    assert facts(sandbox, "killed") | {"heartbeat": ""} == {
        "state": "finished",
        "heartbeat": "",
        "step": 1,
        "lines": 2,
    }


def test_resume_must_continues_where_the_run_stopped(sandbox: SandboxServer) -> None:
    train(sandbox, "again", end="run.finish(exit_code=1)")
    again = train(sandbox, "again", steps=2, WANDB_RESUME="must")
    assert "start 3" in again
    found = facts(sandbox, "again")
    assert (found["state"], found["step"], found["lines"]) == ("finished", 4, 5)


def test_resume_must_of_a_missing_run_is_a_usage_error(sandbox: SandboxServer) -> None:
    script = """
    import wandb
    try:
        wandb.init(project="train", id="nowhere", resume="must")
    except wandb.errors.UsageError as error:
        print("refused", error)
    run = wandb.init(project="train", id="perhaps", resume="allow")
    print("allowed", run.starting_step)
    """
    output = sandbox.run(script=script)
    assert "refused Run (nowhere) does not exist" in output
    assert "allowed 0" in output


def test_the_same_id_without_resume_overwrites_the_history(sandbox: SandboxServer) -> None:
    train(sandbox, "twice", steps=4)
    assert "start 0" in train(sandbox, "twice", steps=2)
    found = facts(sandbox, "twice")
    assert (found["step"], found["lines"]) == (1, 2)


def test_an_offline_run_is_synced_and_syncing_again_changes_nothing(sandbox: SandboxServer) -> None:
    train(sandbox, "offline", WANDB_MODE="offline", WANDB_DIR=str(sandbox.work))
    (folder,) = sandbox.work.glob("wandb/offline-run-*-offline")
    sandbox.run("wandb", "sync", str(folder))
    found = facts(sandbox, "offline")
    assert (found["state"], found["lines"]) == ("finished", 3)
    sandbox.run("wandb", "sync", "--include-synced", str(folder))
    assert facts(sandbox, "offline")["lines"] == 3


def test_a_stopped_run_is_interrupted_and_ends_killed(sandbox: SandboxServer) -> None:
    process = sandbox.popen(script=WAITING.format(id="unwanted", then=""))
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        pass
    sandbox.ask("api.run('sandbox/train/unwanted').stop()")
    # The client hears of it with its next beat, 30 s apart, and asks itself a while later.
    process.communicate(timeout=100)
    assert process.returncode != 0
    assert facts(sandbox, "unwanted")["state"] == "killed"


def test_a_preempting_run_that_ends_with_an_error_is_preempted(sandbox: SandboxServer) -> None:
    process = sandbox.popen(script=WAITING.format(id="evicted", then="run.mark_preempting()"))
    assert process.stdout is not None
    while "ready" not in process.stdout.readline():
        pass
    wait_for_state(sandbox, "evicted", "preempting")
    process.send_signal(signal.SIGKILL)
    process.communicate()
    wait_for_state(sandbox, "evicted", "preempted")
    end = "run.mark_preempting(); run.finish(exit_code=1)"
    train(sandbox, "evicted-politely", end=end)
    assert facts(sandbox, "evicted-politely")["state"] == "preempted"


def test_a_restarted_server_remembers_its_runs(tmp_path: Any) -> None:
    with running_sandbox(tmp_path) as server:
        train(server, "kept")
        server.restart()
        assert facts(server, "kept")["lines"] == 3
