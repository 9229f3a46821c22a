"""Whether a run may be resumed without a person, and when that stops itself. Pure.

Practice: 'Preempted runs are resumed, not restarted' of docs/practice.md, so that nobody must get up at night. Only
what the gate lets through as it is, only preemption and time limit, bounded, with a wait that doubles.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from apps.core.units import count
from apps.workspaces.domain import AutoResumePolicy

ACTOR = "auto-resume"
FAILURES = 2  # attempts that failed one after another end it
LOOK_SERVES = timedelta(minutes=8)  # a press takes a look of ten minutes at most


class Act(StrEnum):
    """What is done with a run at this moment."""

    NOTHING = "nothing"
    WAIT = "wait"
    LOOK = "look"
    PRESS = "press"
    STOP = "stop"


@dataclass(frozen=True, slots=True)
class Past:
    """One attempt without a person: how its request ended, when, and the checkpoint that it began from."""

    state: str
    ended_at: datetime | None
    step: int | None = None
    epoch: float | None = None


@dataclass(frozen=True, slots=True)
class Look:
    """The last look at the gate. ``refusal`` is empty where every line passes; step and epoch are its checkpoint's."""

    checked_at: datetime | None
    refusal: str = ""
    step: int | None = None
    epoch: float | None = None


@dataclass(frozen=True, slots=True)
class AutoFacts:
    """What is known of one run. ``past`` are the attempts since it was switched on, the oldest first.

    ``ended_at`` is the run's last sign of training. ``under_way`` says that a wish is open, anybody's.
    """

    now: datetime
    policy: AutoResumePolicy
    on: bool
    verdict: str
    crash_class: str
    ended_at: datetime | None
    under_way: bool = False
    stopped: bool = False
    past: tuple[Past, ...] = field(default_factory=tuple)
    look: Look | None = None


def decide(facts: AutoFacts) -> tuple[Act, str]:
    """Return what is to be done now, and a sentence that the page shows."""
    if not facts.on or facts.stopped or facts.verdict != "resume":
        return Act.NOTHING, ""
    if facts.crash_class not in facts.policy.classes:
        return Act.NOTHING, f"{facts.crash_class or 'An end without a class'} is not resumed without a person."
    if facts.under_way:
        return Act.WAIT, "A resume is under way."
    if why := _exhausted(facts):
        return Act.STOP, why
    due = due_at(facts)
    if due is None:
        return Act.WAIT, "Nobody knows when training ended."
    attempt = f"attempt {len(facts.past) + 1} of {facts.policy.max_attempts}"
    if facts.now < due:
        return Act.WAIT, f"Waits until {due:%H:%M} UTC for {attempt}."
    return _by_the_gate(facts, attempt)


def due_at(facts: AutoFacts) -> datetime | None:
    """Return when the next attempt is due: the wait doubles with every attempt; None where no end is known."""
    if facts.ended_at is None:
        return None
    last: datetime = max([facts.ended_at, *(one.ended_at for one in facts.past if one.ended_at is not None)])
    return last + _wait(facts)


def _wait(facts: AutoFacts) -> timedelta:
    return timedelta(minutes=facts.policy.backoff_minutes * float(2 ** len(facts.past)))


def _exhausted(facts: AutoFacts) -> str:
    """Why a person must look; empty while it may go on."""
    past = facts.past
    if past and past[-1].state == "cancelled":
        return "The last attempt was cancelled by a person."
    if len(past) >= FAILURES and all(one.state == "failed" for one in past[-FAILURES:]):
        return f"The last {FAILURES} attempts failed."
    if len(past) >= facts.policy.max_attempts:
        return f"{count(len(past), 'attempt')} were made: no more are allowed."
    return ""


def _by_the_gate(facts: AutoFacts, attempt: str) -> tuple[Act, str]:
    look = facts.look
    if look is None:
        return Act.LOOK, f"Looks at the gate for {attempt}."
    if look.checked_at is None:
        return Act.WAIT, f"Looks at the gate for {attempt}."
    age = facts.now - look.checked_at
    if look.refusal:
        return (Act.LOOK, "Looks at the gate again.") if age >= _wait(facts) else (Act.WAIT, look.refusal)
    if age >= LOOK_SERVES:
        return Act.LOOK, f"Looks at the gate for {attempt}."
    if why := _no_progress(facts, look):
        return Act.STOP, why
    return Act.PRESS, f"Resumed: {attempt}."


def _no_progress(facts: AutoFacts, look: Look) -> str:
    """Why the last attempt brought nothing; what cannot be compared counts as nothing."""
    if not facts.past:
        return ""
    last = facts.past[-1]
    if look.step is not None and last.step is not None:
        moved, at = look.step > last.step, f"step {look.step}"
    elif look.epoch is not None and last.epoch is not None:
        moved, at = look.epoch > last.epoch, f"epoch {look.epoch:g}"
    else:
        return "Nobody can tell whether the last attempt brought training on."
    return "" if moved else f"No progress since the last attempt: the newest checkpoint is still that of {at}."
