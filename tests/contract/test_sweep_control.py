"""Steering a sweep: one contract for memory and for the real client against the sandbox server."""

import time
from collections.abc import Iterator

import psutil
import pytest

from apps.core.errors import Permanent, Transient
from apps.sweeps.adapters.memory import MemoryProject
from apps.sweeps.adapters.memory_control import MemoryControl
from apps.sweeps.adapters.wandb_control import WandbControl
from apps.sweeps.control import STATE_AFTER, SweepControl, SweepSet
from tests.services.sandbox import SandboxServer, running_sandbox

pytestmark = pytest.mark.starts_first

KEY = "local" * 8
PROJECT = "sandbox/steered"
CONFIG = {
    "name": "search",
    "method": "grid",
    "description": "why it runs",
    "metric": {"name": "loss", "goal": "minimize"},
    "parameters": {"seed": {"values": [1, 2, 3]}},
}


class Memory:
    """Sweeps in memory."""

    def __init__(self) -> None:
        self.project = MemoryProject()
        self.control: SweepControl = MemoryControl({PROJECT: self.project})

    def descriptions(self) -> list[str]:
        return [one.description for one in self.project.sweeps]


class Sandbox:
    """The real client, each call in a process of its own."""

    def __init__(self, server: SandboxServer) -> None:
        self.server = server
        self.control: SweepControl = WandbControl(base_url=server.url, api_key=KEY)

    def descriptions(self) -> list[str]:
        told = self.server.ask(
            "[s._attrs.get('description') or s.config.get('description') for s in api.project('steered').sweeps()]"
        )
        return list(reversed(told))


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sandbox]:
    with running_sandbox(tmp_path_factory.mktemp("wandb"), api_key=KEY) as running:
        running.seed(project="steered", entity="sandbox", runs=1)  # a project that is there
        yield Sandbox(running)


@pytest.fixture(scope="module", params=["memory", "wandb"])
def at(request: pytest.FixtureRequest) -> Memory | Sandbox:
    made: Memory | Sandbox = Memory() if request.param == "memory" else request.getfixturevalue("real")
    return made


def test_a_sweep_is_made_once_for_a_key_and_says_so(at: Memory | Sandbox) -> None:
    made = at.control.create(PROJECT, CONFIG, "0123456789abcdef")
    again = at.control.create(PROJECT, CONFIG, "0123456789abcdef")
    assert (again.sweep_id, again.url, again.found, made.found) == (made.sweep_id, made.url, True, False)
    assert made.sweep_id in made.url
    told = {key: f"why it runs\nsweepboard:key={key}" for key in ("0123456789abcdef", "fedcba9876543210")}
    other = at.control.create(PROJECT, {**CONFIG, "description": told["0123456789abcdef"]}, "fedcba9876543210")
    assert other.sweep_id != made.sweep_id
    assert set(told.values()) <= set(at.descriptions())


def test_a_sweep_is_paused_resumed_stopped_and_that_is_the_end_of_it(at: Memory | Sandbox) -> None:
    sweep = at.control.create(PROJECT, CONFIG, "aaaa0000").sweep_id
    assert at.control.state(PROJECT, sweep) == "PENDING"
    with pytest.raises(Permanent, match="W&B says PENDING of the sweep: it cannot be paused"):
        at.control.set_state(PROJECT, sweep, "pause")
    if isinstance(at, Sandbox):
        start(at.server, sweep)
    else:
        at.project.sweeps[-1] = type(at.project.sweeps[-1])(sweep, "search", "grid", "RUNNING", CONFIG, "")
    for wish in ("pause", "resume", "stop"):
        assert at.control.set_state(PROJECT, sweep, wish) == SweepSet(STATE_AFTER[wish], acted=True)
        assert at.control.set_state(PROJECT, sweep, wish) == SweepSet(STATE_AFTER[wish], acted=False)
        assert at.control.state(PROJECT, sweep) == STATE_AFTER[wish]
    with pytest.raises(Permanent, match="W&B says FINISHED of the sweep: it cannot be cancelled"):
        at.control.set_state(PROJECT, sweep, "cancel")


def test_a_sweep_that_nobody_began_is_cancelled(at: Memory | Sandbox) -> None:
    sweep = at.control.create(PROJECT, CONFIG, "bbbb0000").sweep_id
    assert at.control.set_state(PROJECT, sweep, "cancel") == SweepSet("CANCELED", acted=True)


def test_a_sweep_that_w_and_b_does_not_know_is_permanent(at: Memory | Sandbox) -> None:
    for ask in (lambda: at.control.state(PROJECT, "nothere"), lambda: at.control.set_state(PROJECT, "nothere", "stop")):
        with pytest.raises(Permanent, match="does not know sweep nothere of sandbox/steered"):
            ask()


def start(server: SandboxServer, sweep: str) -> None:
    """As a first agent does."""
    server.run(
        script=f"""
        import wandb
        from wandb.apis.public.sweeps import _register_agent
        _register_agent(wandb.Api(), "here", sweep_id="{sweep}", project="steered", entity="sandbox")
        """
    )


def clients() -> set[int]:
    """The processes of W&B's client that steer sweeps, its side process among them."""
    found = set()
    for process in psutil.process_iter(["pid", "environ"]):
        if "sweepboard-control-" in (process.info["environ"] or {}).get("WANDB_DIR", ""):
            found.add(process.info["pid"])
    return found


def test_a_server_that_hangs_is_given_up_and_leaves_no_process(real: Sandbox) -> None:
    sweep = real.control.create(PROJECT, CONFIG, "cccc0000").sweep_id
    before = clients()
    real.server.fault("slow", seconds=8, match="UpsertSweep")
    with pytest.raises(Transient, match=f"W&B did not cancel sweep {sweep} within 5 seconds"):
        WandbControl(base_url=real.server.url, api_key=KEY, seconds=5).set_state(PROJECT, sweep, "cancel")
    assert clients() <= before
    real.server.clear_faults()
    deadline = time.monotonic() + 20  # what the server was slow to do, it does after its client is gone
    while real.control.state(PROJECT, sweep) != "CANCELED":
        assert time.monotonic() < deadline
    assert real.control.set_state(PROJECT, sweep, "cancel") == SweepSet("CANCELED", acted=False)


def test_a_refused_key_is_permanent_and_a_dead_server_is_transient(real: Sandbox) -> None:
    with pytest.raises(Permanent, match="refuses the key that ends in 'rong'"):
        WandbControl(base_url=real.server.url, api_key="wrong" * 8).state(PROJECT, "any")
    with pytest.raises(Transient):
        WandbControl(base_url="http://127.0.0.1:9", api_key=KEY, seconds=30).state(PROJECT, "any")
