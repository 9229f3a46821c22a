"""The sandbox, driven by the real client: sweeps, their agents, and what people do to them."""

import json
import re
import signal
import time
from collections.abc import Iterator
from typing import Any

import pytest

from tests.services.sandbox import SandboxServer, running_sandbox

CRASH_AFTER = 7.0
# The client's own agents, with a pulse of half a second instead of five.
FUNCTION_AGENT = """
import json, time, types, wandb
from wandb.agents import pyagent
pyagent.time = types.SimpleNamespace(time=time.time, sleep=lambda _seconds: time.sleep(0.5))
def train():
    run = wandb.init()
    run.log({{"loss": run.config["lr"]}})
    run.finish()
sweep = wandb.sweep({config!r}, project={project!r})
wandb.agent(sweep, train, project={project!r}, count={count!r})
found = wandb.Api().sweep(f"sandbox/{project}/{{sweep}}")
print("answer", json.dumps(dict(
    sweep=sweep, state=found.state, expected=found.expected_run_count, url=found.url,
    runs=[[run.id, run.state, dict(run.config), run.sweep_name] for run in found.runs],
    best=found.best_run().summary["loss"],
    agents=[agent._attrs for agent in found.agents()],
    ran=[[run.id for run in agent.runs()] for agent in found.agents()])))
"""
PROGRAM_AGENT = """
from wandb import wandb_agent
from wandb.cli.cli import cli
wandb_agent.Agent.POLL_INTERVAL = 0.5
cli(["agent", {path!r}])
"""
TRAIN = """
import sys, time, wandb
run = wandb.init(resume="allow")
run.log({"loss": run.config["lr"]})
{body}
run.finish()
"""
PREEMPTED_ONCE = """
if run.config["lr"] == 0.2 and run.starting_step == 0:
    run.mark_preempting()
    sys.exit(75)
"""
LR = {"lr": {"values": [0.1, 0.2]}}
SWEEP = (
    "dict(state=s.state, runs=[[r.id, r.state, r.config, r.historyLineCount] for r in s.runs], agents=["
    "a._attrs['state'] for a in s.agents()])"
)


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxServer]:
    with running_sandbox(tmp_path_factory.mktemp("sweeps"), crash_after=CRASH_AFTER) as server:
        yield server


def function_agent(sandbox: SandboxServer, project: str, count: int | None, **config: Any) -> dict[str, Any]:
    metric = {"name": "loss", "goal": "minimize"}
    script = FUNCTION_AGENT.format(config={"metric": metric, **config}, project=project, count=count)
    found: dict[str, Any] = json.loads(sandbox.run(script=script).rpartition("answer")[2])
    return found


def create(sandbox: SandboxServer, project: str, body: str, parameters: dict[str, Any] = LR) -> str:
    """Create a grid sweep of a program and return its path."""
    (sandbox.work / f"{project}.py").write_text(TRAIN.replace("{body}", body))
    config = {"program": f"{project}.py", "method": "grid", "parameters": parameters}
    output = sandbox.run(script=f"import wandb; print('id', wandb.sweep({config!r}, project={project!r}))")
    (name,) = re.findall(r"^id (\w+)", output, re.MULTILINE)
    return f"sandbox/{project}/{name}"


def run_agent(sandbox: SandboxServer, path: str) -> str:
    """Run an agent of programs until the server sends it home."""
    return sandbox.run(script=PROGRAM_AGENT.format(path=path))


def facts(sandbox: SandboxServer, path: str) -> dict[str, Any]:
    found: dict[str, Any] = sandbox.ask(f"[{SWEEP} for s in [api.sweep({path!r})]][0]")
    return found


def test_a_grid_sweep_with_a_function_agent_ends_when_exhausted(sandbox: SandboxServer) -> None:
    parameters = {"lr": {"values": [0.1, 0.2]}, "seed": {"values": [0, 1]}, "fixed": {"value": "x"}}
    found = function_agent(sandbox, "grid", None, method="grid", parameters=parameters)
    assert (found["state"], found["expected"]) == ("FINISHED", 4)
    assert [state for _, state, *_ in found["runs"]] == ["finished"] * 4
    drawn = {(config["lr"], config["seed"], config["fixed"]) for _, _, config, _ in found["runs"]}
    assert drawn == {(0.1, 0, "x"), (0.1, 1, "x"), (0.2, 0, "x"), (0.2, 1, "x")}
    assert {sweep for *_, sweep in found["runs"]} == {found["sweep"]}
    assert found["best"] == 0.1
    (agent,) = found["agents"]
    assert (agent["state"], agent["totalRuns"]) == ("FINISHED", 4)
    assert all(agent[field] for field in ("id", "name", "host"))
    assert agent["heartbeatAt"] >= agent["createdAt"]
    assert found["ran"] == [[name for name, *_ in found["runs"]]]
    assert found["url"].startswith(sandbox.url)
    status, page = sandbox.get(found["url"].removeprefix(sandbox.url))
    assert status == 200
    assert "FINISHED" in page
    assert sandbox.ask("[s.state for s in api.project('grid').sweeps()]") == ["FINISHED"]


def test_a_random_sweep_stops_at_its_run_cap(sandbox: SandboxServer) -> None:
    parameters = {
        "lr": {"distribution": "log_uniform_values", "min": 0.001, "max": 1.0},
        "depth": {"min": 1, "max": 3},
        "rate": {"distribution": "q_uniform", "min": 0.0, "max": 1.0, "q": 0.25},
        "noise": {"distribution": "normal", "mu": 0, "sigma": 1},
        "kind": {"values": ["a", "b"], "probabilities": [1.0, 0.0]},
        "optimizer": {"parameters": {"beta": {"value": 0.9}}},
    }
    found = function_agent(sandbox, "capped", None, method="random", run_cap=2, parameters=parameters)
    assert (found["state"], found["expected"], len(found["runs"])) == ("FINISHED", 2, 2)
    first, second = (config["lr"] for _, _, config, _ in found["runs"])
    assert first != second
    assert 0.001 <= min(first, second) <= max(first, second) <= 1
    for _, _, config, _ in found["runs"]:
        assert config["depth"] in (1, 2, 3)
        assert config["rate"] in (0, 0.25, 0.5, 0.75, 1)
        assert (config["kind"], config["optimizer"]) == ("a", {"beta": 0.9})


def test_a_random_sweep_goes_on_after_an_agent_had_its_count(sandbox: SandboxServer) -> None:
    found = function_agent(sandbox, "endless", 1, method="random", parameters={"lr": {"min": 0.0, "max": 1.0}})
    assert (found["state"], found["expected"], len(found["runs"])) == ("RUNNING", None, 1)


def test_a_preempted_run_is_handed_to_an_agent_to_resume(sandbox: SandboxServer) -> None:
    path = create(sandbox, "preempted", PREEMPTED_ONCE)
    output = run_agent(sandbox, path)
    assert "Agent received command: resume" in output
    found = facts(sandbox, path)
    assert found["state"] == "FINISHED"
    # The preempted run logged once before and once after: its history went on.
    states = sorted((config["lr"], state, lines) for _, state, config, lines in found["runs"])
    assert states == [(0.1, "finished", 1), (0.2, "finished", 2)]


def test_a_lost_agent_and_its_run_are_crashed_and_the_sweep_goes_on(sandbox: SandboxServer) -> None:
    path = create(sandbox, "lost", "time.sleep(60) if run.config['lr'] == 0.1 else None")
    agent = sandbox.popen(script=PROGRAM_AGENT.format(path=path))
    runs: list[Any] = []
    while not (runs and runs[0][3]):
        time.sleep(0.3)
        runs = facts(sandbox, path)["runs"]
    # The agent's child leads a process group of its own, so that killing the agent alone leaves it running.
    killed = sandbox.run("pgrep", "-P", str(agent.pid)).split()
    agent.send_signal(signal.SIGKILL)
    for child in killed:
        sandbox.run("kill", "-9", child)
    agent.communicate()
    time.sleep(CRASH_AFTER + 1)
    found = facts(sandbox, path)
    assert (found["state"], found["agents"], found["runs"][0][1]) == ("RUNNING", ["CRASHED"], "crashed")
    run_agent(sandbox, path)
    found = facts(sandbox, path)
    assert (found["state"], found["agents"]) == ("FINISHED", ["CRASHED", "FINISHED"])
    assert [state for _, state, *_ in found["runs"]] == ["crashed", "finished"]


def test_stopping_one_run_of_a_sweep_goes_through_its_agent(sandbox: SandboxServer) -> None:
    path = create(sandbox, "unwanted", "time.sleep(60) if run.config['lr'] == 0.1 else None")
    agent = sandbox.popen(script=PROGRAM_AGENT.format(path=path))
    runs: list[Any] = []
    while not (runs and runs[0][3]):
        time.sleep(0.3)
        runs = facts(sandbox, path)["runs"]
    sandbox.ask(f"api.run('sandbox/unwanted/{runs[0][0]}').stop()")
    output = "".join(agent.communicate(timeout=60))
    assert "Agent received command: stop" in output
    deadline = time.monotonic() + CRASH_AFTER + 5
    while (states := [state for _, state, *_ in facts(sandbox, path)["runs"]]) != ["killed", "finished"]:
        assert time.monotonic() < deadline, states
        time.sleep(0.3)


def test_a_sweep_is_paused_resumed_stopped_and_cancelled_from_the_command_line(
    sandbox: SandboxServer,
) -> None:
    path = create(sandbox, "steered", "")
    other = create(sandbox, "steered", "")
    script = f"""
    import wandb
    from wandb.cli.cli import cli
    def steer(path, *options):
        cli(["sweep", *options, path], standalone_mode=False)
        return wandb.Api().sweep(path).state
    states = [steer({path!r}, option) for option in ("--resume", "--pause", "--resume", "--stop")]
    print("states", *states, steer({other!r}, "--resume"), steer({other!r}, "--cancel"))
    """
    assert "states RUNNING PAUSED RUNNING FINISHED RUNNING CANCELED" in sandbox.run(script=script)
    # An agent that comes to a sweep that is over is sent home at once.
    assert "Agent received command: exit" in run_agent(sandbox, other)
    assert facts(sandbox, other)["runs"] == []


def test_the_state_of_a_sweeps_run_is_not_updated_by_hand(sandbox: SandboxServer) -> None:
    sandbox.seed(project="states", runs=1, state="running", sweep="made-up")
    script = """
    import wandb
    try:
        wandb.Api().runs("sandbox/states")[0].update_state("failed")
    except wandb.Error as error:
        print("refused", error)
    """
    assert "refused" in sandbox.run(script=script)
