"""Sweeps that are steered from outside: paused, resumed, stopped, cancelled, or made anew. One contract for adapters.

Every call has a time-out of its own and raises only ``Transient`` (W&B does not answer: whether it was done is not
known, and asking again finds out) or ``Permanent`` (W&B says no, or does not know the sweep).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from apps.core.errors import AlreadyDone, Permanent

# What W&B calls a sweep after each wish; these are the states that `wandb sweep --pause` and its sisters set.
STATE_AFTER = {"pause": "PAUSED", "resume": "RUNNING", "stop": "FINISHED", "cancel": "CANCELED"}
MAY_COME_FROM = {
    "pause": ("RUNNING",),
    "resume": ("PAUSED",),
    "stop": ("RUNNING", "PAUSED", "PENDING"),
    "cancel": ("RUNNING", "PAUSED", "PENDING"),
}
WHAT_IT_DOES = {
    "pause": "no new run begins; runs that train go on",
    "resume": "agents pull new runs again",
    "stop": "no new run begins, and agents leave when their run has ended; runs that train go on",
    "cancel": "agents are told to leave at once, and end the runs that they train",
}
SWEEP_KEY = "sweepboard:key="


@dataclass(frozen=True, slots=True)
class SweepSet:
    """``state`` is what W&B says of the sweep now; ``acted`` is False where it said so before."""

    state: str
    acted: bool


@dataclass(frozen=True, slots=True)
class NewSweep:
    """A sweep that was made; ``found`` says that an earlier try of the same request had made it."""

    sweep_id: str
    url: str
    found: bool = False


class SweepControl(Protocol):
    """Steers sweeps. See the module's docstring for what every method promises."""

    seconds: float  # how long one call may take, all told

    def state(self, project_path: str, sweep_id: str) -> str:
        """The sweep's state as W&B has it now, in capitals. ``project_path`` is entity/project."""

    def set_state(self, project_path: str, sweep_id: str, wish: str) -> SweepSet:
        """Do ``wish`` (a key of ``STATE_AFTER``); harmless where it is done already.

        ``Permanent`` where the sweep's state does not allow it; nothing is changed then.
        """

    def create(self, project_path: str, config: Mapping[str, Any], key: str) -> NewSweep:
        """Make a sweep of ``config``; one that carries ``key`` already is returned instead of a second one."""


def check_can_set(state: str, wish: str) -> None:
    """Raise with a sentence unless a sweep in ``state`` can be brought where ``wish`` wants it.

    ``AlreadyDone`` where it is there.
    """
    if state == STATE_AFTER[wish]:
        raise AlreadyDone(f"W&B says {state} of the sweep already: there is nothing to {wish}.")
    if state not in MAY_COME_FROM[wish]:
        raise Permanent(f"W&B says {state or 'nothing'} of the sweep: it cannot {_passive(wish)} from there.")


def _passive(wish: str) -> str:
    return {"pause": "be paused", "resume": "be resumed", "stop": "be stopped", "cancel": "be cancelled"}[wish]


def config_with_key(config: Mapping[str, Any], key: str) -> dict[str, Any]:
    """Return the config of a new sweep, whose description carries the key of the request that makes it.

    By it a sweep is found again whose id nobody lived to note. An older key in the description goes.
    """
    told = "\n".join(line for line in str(config.get("description") or "").splitlines() if SWEEP_KEY not in line)
    return {**config, "description": f"{told}\n{SWEEP_KEY}{key}".strip()}


def carries_key(config: Mapping[str, Any], description: str, key: str) -> bool:
    """Whether a sweep was made by the request with this key."""
    wanted = f"{SWEEP_KEY}{key}"
    return any(wanted in text.split() for text in (description or "", str(config.get("description") or "")))
