"""Whose GPU hours a week were, and what became of them. Pure.

Practice: 'Every epoch is valuable', 'Fast completion = red flag', 'Cross-reference W&B with Slurm'. Every attempt
counts with the part of it that lies in the week, also one that a later attempt replaced, as on the page of GPU hours.
An hour is lost for one reason only, the first of ``LOST`` that holds; what is neither lost nor told apart is useful.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from apps.review.domain.facts import AttemptFact, FlagFact, RunFact, WeekFacts
from apps.review.domain.spans import EVER, NEVER, Span, clip, hours, shared, without
from apps.review.domain.stays import Stay, stays

USEFUL, UNTOLD = "useful", "untold"
REPEATED, ZOMBIE, CRASHED, IDLE = "repeated", "zombie", "crashed", "idle"
LOST = (REPEATED, ZOMBIE, CRASHED, IDLE)
_ORDER = (*LOST, UNTOLD)
A_DAY = timedelta(days=1)  # within which failures on one node count as repeated, see flags.rules.sweeps


@dataclass(frozen=True, slots=True)
class Share:
    """GPU hours of one attempt in the week: for which run and sweep (None: not known), whose, and what they came to."""

    job: int
    run: int | None
    sweep: int | None
    person: str
    fate: str  # useful, untold, or one of LOST
    hours: float


@dataclass(frozen=True, slots=True)
class _Books:
    stays: Mapping[int, Sequence[Stay]]  # by attempt, in the order in which the runs began
    begins: Mapping[int, Sequence[datetime]]  # by run, of its stays
    agents: Mapping[int, Sequence[int]]  # sweeps by attempt
    by_run: Mapping[int, Sequence[FlagFact]]
    by_sweep: Mapping[int, Sequence[FlagFact]]
    week: Span


def shares(facts: WeekFacts) -> list[Share]:
    """Return every GPU hour of the week once; of a job that worked for other workspaces too only what is ours."""
    books = _books(facts)
    every = [share for attempt in facts.attempts if attempt.gpus for share in _of_attempt(attempt, books)]
    theirs = {one.pk for one in facts.others}
    sweeps = {one.sweep for one in facts.others} | {sweep for _, sweep in facts.other_agents}
    sweeps -= {None, *(one.sweep for one in facts.runs)}
    return [one for one in every if one.run not in theirs and one.sweep not in sweeps]


def _books(facts: WeekFacts) -> _Books:
    by_attempt: dict[int, list[Stay]] = defaultdict(list)
    begins: dict[int, list[datetime]] = defaultdict(list)
    for stay in sorted(stays(facts), key=lambda one: (one.run.created_at or EVER, one.run.pk)):
        if stay.run.created_at is not None and stay.begin is not None:
            by_attempt[stay.attempt.pk].append(stay)
            begins[stay.run.pk].append(stay.begin)
    agents: dict[int, list[int]] = defaultdict(list)
    for job, sweep in (*facts.agents, *facts.other_agents):
        agents[job].append(sweep)
    by_run: dict[int, list[FlagFact]] = defaultdict(list)
    by_sweep: dict[int, list[FlagFact]] = defaultdict(list)
    for flag in facts.flags:
        if flag.run is not None:
            by_run[flag.run].append(flag)
        elif flag.sweep is not None:
            by_sweep[flag.sweep].append(flag)
    return _Books(by_attempt, begins, agents, by_run, by_sweep, (facts.since, facts.until))


def _of_attempt(attempt: AttemptFact, books: _Books) -> Iterator[Share]:
    held = clip((attempt.start_at or NEVER, attempt.over_at or NEVER), books.week)
    if held is None:
        return
    own = books.stays.get(attempt.pk, ())
    between = [held]
    for span, together in _slices([(stay, part) for stay in own if (part := clip(stay.span, held))]):
        between = without(between, span)
        for stay in together:  # runs side by side in one job share its hours
            for fate, taken in _fates(stay, span, books):
                amount = attempt.gpus * taken / len(together)
                yield Share(attempt.pk, stay.run.pk, stay.run.sweep, attempt.user, fate, amount)
    yield from _between(attempt, between, own, books)


def _slices(lives: Sequence[tuple[Stay, Span]]) -> Iterator[tuple[Span, list[Stay]]]:
    """Yield the spans in which the same runs lived, and these."""
    begun: dict[datetime, list[Stay]] = defaultdict(list)
    ended: dict[datetime, list[Stay]] = defaultdict(list)
    for stay, (begin, end) in lives:
        begun[begin].append(stay)
        ended[end].append(stay)
    alive: dict[int, Stay] = {}
    for begin, end in pairwise(sorted({*begun, *ended})):
        for stay in ended[begin]:
            del alive[stay.link]
        alive.update((stay.link, stay) for stay in begun[begin])
        if alive:
            yield (begin, end), list(alive.values())


def _fates(stay: Stay, span: Span, books: _Books) -> Iterator[tuple[str, float]]:
    left = [span]
    told = [*_losses(stay, books), *_cut_off(stay, books)]
    for fate, gone in sorted(told, key=lambda one: _ORDER.index(one[0])):
        if taken := hours(shared(left, gone)):
            yield fate, taken
            left = without(left, gone)
    if rest := hours(left):
        yield UNTOLD if stay.run.ended_badly and not stay.run.looked else USEFUL, rest


def _losses(stay: Stay, books: _Books) -> Iterator[tuple[str, Span]]:
    """Yield why hours of a run are lost, and when."""
    run, flags = stay.run, books.by_run.get(stay.run.pk, ())
    unsaved: Span = (run.checkpoint_at or EVER, NEVER)  # what no checkpoint holds
    if run.ended_badly and any(_burned(run, stay.attempt, one) for one in books.by_sweep.get(run.sweep or 0, ())):
        yield REPEATED, (EVER, NEVER)
    # A zombie that came back to life, or was none, has lost nothing.
    if run.looked and any(one.rule == "zombie" and (one.over_at is None or run.ended_badly) for one in flags):
        yield ZOMBIE, unsaved
    if run.looked and run.ended_badly:
        yield CRASHED, unsaved
    for flag in flags:
        if flag.rule == "idle-gpu":
            yield IDLE, (flag.opened_at, flag.over_at or NEVER)


def _cut_off(stay: Stay, books: _Books) -> Iterator[tuple[str, Span]]:
    """What a run had trained since its newest checkpoint when an attempt broke off, and a later one trained again.

    Where no checkpoint is remembered from before that, but there is one now, nobody knows.
    """
    run, end = stay.run, stay.end
    if end is None or not run.looked or not stay.broke_off:
        return
    if not any(begin >= end for begin in books.begins[run.pk] if begin != stay.begin):
        return
    saved = run.saved_before(end)
    if saved is None and run.checkpoint_at is not None:
        yield UNTOLD, (EVER, end)
    else:
        yield CRASHED, (saved or EVER, end)


def _burned(run: RunFact, attempt: AttemptFact, flag: FlagFact) -> bool:
    """Tell whether a run is one of those that a flag of repeated failure on a node speaks of."""
    if flag.rule != "repeated-failure" or run.ended_at is None or not attempt.node:
        return False
    named = attempt.node in flag.evidence.replace(",", " ").replace(":", " ").split()
    return named and flag.opened_at - A_DAY <= run.ended_at <= (flag.over_at or NEVER)


def _between(attempt: AttemptFact, spans: list[Span], own: Sequence[Stay], books: _Books) -> Iterator[Share]:
    """What an attempt had without a run: GPUs that a dead run still held are lost, of the rest nobody knows."""
    last = own[-1].run if own else None
    if last is not None and last.ended_at is not None:
        for flag in books.by_run.get(last.pk, ()):
            if flag.rule == "wandb-dead-job-alive":
                dead: Span = (last.ended_at, flag.over_at or NEVER)
                if taken := hours(shared(spans, dead)):
                    yield Share(attempt.pk, last.pk, last.sweep, attempt.user, ZOMBIE, attempt.gpus * taken)
                    spans = without(spans, dead)
    if rest := attempt.gpus * hours(spans):
        worked_for: Sequence[int | None] = books.agents.get(attempt.pk) or [last.sweep if last else None]
        for sweep in worked_for:
            yield Share(attempt.pk, None, sweep, attempt.user, UNTOLD, rest / len(worked_for))


def by(some: Iterable[Share], name: str) -> dict[object, dict[str, float]]:
    """Return the hours by fate of each sweep or person, the most lost first, then the most of all."""
    found: dict[object, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in some:
        found[getattr(one, name)][one.fate] += one.hours
    return dict(sorted(found.items(), key=lambda one: (-lost(one[1]), -sum(one[1].values()), str(one[0]))))


def lost(fates: Mapping[str, float]) -> float:
    return sum(fates.get(fate, 0.0) for fate in LOST)
