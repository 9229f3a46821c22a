"""A run's life on one axis: what W&B heard of it and what Slurm did with its jobs. Pure.

Only what is stored is drawn. W&B keeps a run's last state only; which ones it passed through is known as far as a pass
saw them. Before the first of those there are W&B's first and last sign of life, and nothing is said of the state.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import pairwise

WANDB, SLURM = "W&B", "Slurm"
WENT_ON = "its agent went on to another run"
PENDING, NO_JOB, UNKNOWN, HEARD = "PENDING", "no job", "unknown", "heard"


@dataclass(frozen=True, slots=True)
class AttemptLife:
    """What is stored of one attempt: its job, its last state and its times. ``end`` is None while it lives.

    ``went_on`` says that the job's agent took another run at ``end``: the job's state is not of this run.
    """

    job: str
    state: str
    submit: datetime
    start: datetime | None
    end: datetime | None
    gpus: int = 0
    nodes: str = ""
    went_on: bool = False

    @property
    def ended(self) -> str:
        """How it ended for the run; empty while it lives."""
        return "" if self.end is None else WENT_ON if self.went_on else self.state


@dataclass(frozen=True, slots=True)
class RunLife:
    """What is stored of a run; ``began`` and ``heard`` are W&B's first and last sign, ``live`` what W&B says now.

    ``seen`` are the states that passes saw, each with the time of the first pass that did, in the order of time.
    """

    name: str
    state: str
    live: bool
    began: datetime | None
    heard: datetime | None
    attempts: tuple[AttemptLife, ...] = ()
    seen: tuple[tuple[datetime, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Span:
    """A state over a span of time on one lane; ``end`` is never before ``begin``."""

    lane: str
    state: str
    begin: datetime
    end: datetime
    note: str = ""
    run: str = ""


def spans_of(life: RunLife, now: datetime) -> list[Span]:
    """Return both lanes of one run, W&B's first, each in the order of time."""
    return [*_wandb(life, now), *_slurm(life, now)]


def _wandb(life: RunLife, now: datetime) -> list[Span]:
    if life.began is None:
        return []
    heard = max(life.began, life.heard or life.began)
    if seen := _seen(life, heard):
        return _as_seen(life, seen, heard, now)
    known = Span(WANDB, HEARD, life.began, heard, "between W&B's first and last sign of life", life.name)
    if heard >= now:
        return [known]
    note = "no sign of life since" if life.live else "what W&B says now; since its last sign of life"
    return [known, Span(WANDB, life.state, heard, now, note, life.name)]


def _seen(life: RunLife, heard: datetime) -> list[tuple[datetime, str]]:
    """What passes saw after the run began, up to the state that it has now."""
    seen = [(at, state) for at, state in life.seen if life.began is not None and at > life.began]
    if seen and seen[-1][1] != life.state:
        seen.append((max(heard, seen[-1][0]), life.state))
    return seen


def _as_seen(life: RunLife, seen: Sequence[tuple[datetime, str]], heard: datetime, now: datetime) -> list[Span]:
    began = life.began or seen[0][0]
    found = [Span(WANDB, HEARD, began, seen[0][0], "before a pass first told its state", life.name)]
    for (at, state), (until, _) in pairwise([*seen, (now, "")]):
        found.append(Span(WANDB, state, at, max(at, until), "from the pass that saw it first", life.name))
    last = found[-1]
    if not life.live:
        found[-1] = replace(last, note=f"{last.note}; last sign of life at {heard:%Y-%m-%d %H:%M} UTC")
    elif last.begin < heard < last.end:
        found[-1:] = [replace(last, end=heard), replace(last, begin=heard, note="no sign of life since")]
    return found


def _slurm(life: RunLife, now: datetime) -> list[Span]:
    found: list[Span] = []
    reached: datetime | None = None
    for one in sorted(life.attempts, key=lambda attempt: attempt.submit):
        if reached is not None and one.submit > reached:
            found.append(Span(SLURM, NO_JOB, reached, one.submit, "no attempt of the run was known", life.name))
        found += _attempt(one, now, life.name)
        end = one.end or now
        reached = end if reached is None else max(reached, end)
    return found


def _attempt(one: AttemptLife, now: datetime, name: str) -> list[Span]:
    end = max(one.submit, one.end or now)
    waited = max(one.submit, min(one.start or end, end))
    where = f"job {one.job}" + (f" on {one.nodes}" if one.nodes else "")
    spans = []
    if waited > one.submit or one.start is None:
        spans.append(Span(SLURM, PENDING, one.submit, waited, f"{where} waited", name))
    if one.start is not None:
        ended = f", ended: {one.ended}" if one.went_on else f", ended {one.ended}" if one.ended else ""
        state = one.state if one.end is None else "RUNNING"
        spans.append(Span(SLURM, state, waited, end, f"{where}{ended}", name))
    return spans


def endings(life: RunLife) -> Sequence[tuple[datetime, str, str]]:
    """Return (when, how, job) of every attempt that is over, in the order of time; how is the job's state."""
    over = [(one.end, one.ended, one.job) for one in life.attempts if one.end is not None]
    return sorted(over)
