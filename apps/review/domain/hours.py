"""Whose GPU hours a week were, and what became of them. Pure.

Practice: 'Every epoch is valuable', 'Fast completion = red flag', 'Cross-reference W&B with Slurm'. Every attempt
counts with the part of it that lies in the week, also one that a later attempt replaced, as on the page of GPU hours.
An hour is lost for one reason only, the first of ``LOST`` that holds; what is neither lost nor told apart is useful.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

from apps.review.domain.facts import AttemptFact, FlagFact, RunFact, WeekFacts
from apps.review.domain.spans import EVER, NEVER, Span, clip, hours, shared, without

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
    runs: Mapping[int, RunFact]
    last: Mapping[int, AttemptFact]  # by run, the attempt that began last
    carried: Mapping[int, Sequence[RunFact]]  # by attempt, in the order in which they began
    agents: Mapping[int, Sequence[int]]  # sweeps by attempt
    by_run: Mapping[int, Sequence[FlagFact]]
    by_sweep: Mapping[int, Sequence[FlagFact]]
    week: Span


def shares(facts: WeekFacts) -> list[Share]:
    """Return every GPU hour of the week once."""
    books = _books(facts)
    return [share for attempt in facts.attempts if attempt.gpus for share in _of_attempt(attempt, books)]


def _books(facts: WeekFacts) -> _Books:
    runs = {one.pk: one for one in facts.runs}
    carried: dict[int, list[RunFact]] = defaultdict(list)
    for link in facts.links:
        if link.run in runs and runs[link.run].created_at is not None:
            carried[link.job].append(runs[link.run])
    for some in carried.values():
        some.sort(key=lambda one: (one.created_at or EVER, one.pk))
    agents: dict[int, list[int]] = defaultdict(list)
    for job, sweep in facts.agents:
        agents[job].append(sweep)
    by_run: dict[int, list[FlagFact]] = defaultdict(list)
    by_sweep: dict[int, list[FlagFact]] = defaultdict(list)
    for flag in facts.flags:
        if flag.run is not None:
            by_run[flag.run].append(flag)
        elif flag.sweep is not None:
            by_sweep[flag.sweep].append(flag)
    return _Books(runs, _last(facts), carried, agents, by_run, by_sweep, (facts.since, facts.until))


def _last(facts: WeekFacts) -> dict[int, AttemptFact]:
    attempts = {one.pk: one for one in facts.attempts}
    ran = [(link.run, one) for link in facts.links if (one := attempts.get(link.job)) and one.start_at is not None]
    return dict(sorted(ran, key=lambda pair: (pair[1].start_at or EVER, pair[1].pk)))


def _of_attempt(attempt: AttemptFact, books: _Books) -> Iterator[Share]:
    held = clip((attempt.start_at or NEVER, attempt.over_at or NEVER), books.week)
    if held is None:
        return
    runs = books.carried.get(attempt.pk, ())
    lives = [(run, part) for run, life in _lives(runs) if (part := clip(life, held))]
    between = [held]
    for _, life in lives:
        between = without(between, life)
    # Runs side by side in one job share its hours.
    alone = hours([held]) - hours(between)
    portion = alone / total if (total := hours([life for _, life in lives])) else 0.0
    for run, life in lives:
        for fate, taken in _fates(run, life, attempt, books):
            yield Share(attempt.pk, run.pk, run.sweep, attempt.user, fate, attempt.gpus * portion * taken)
    yield from _between(attempt, between, runs, books)


def _lives(runs: Sequence[RunFact]) -> Iterator[tuple[RunFact, Span]]:
    """A run that its agent left behind, whatever W&B says of it, ended where the next one began."""
    for place, run in enumerate(runs):
        end, begin = run.ended_at or NEVER, run.created_at or NEVER
        following = runs[place + 1].created_at if place + 1 < len(runs) else None
        if following is not None and (run.beat_at is None or run.beat_at < following):
            end = min(end, following)
        yield run, (begin, end)


def _fates(run: RunFact, life: Span, attempt: AttemptFact, books: _Books) -> Iterator[tuple[str, float]]:
    left = [life]
    told = [*_losses(run, attempt, books), *_cut_off(run, attempt, books)]
    for fate, span in sorted(told, key=lambda one: _ORDER.index(one[0])):
        if taken := hours(shared(left, span)):
            yield fate, taken
            left = without(left, span)
    if rest := hours(left):
        yield UNTOLD if run.ended_badly and not run.looked else USEFUL, rest


def _losses(run: RunFact, attempt: AttemptFact, books: _Books) -> Iterator[tuple[str, Span]]:
    """Yield why hours of a run are lost, and when, in the order of ``LOST``."""
    flags = books.by_run.get(run.pk, ())
    unsaved: Span = (run.checkpoint_at or EVER, NEVER)  # what no checkpoint holds
    if run.ended_badly and any(_burned(run, attempt, one) for one in books.by_sweep.get(run.sweep or 0, ())):
        yield REPEATED, (EVER, NEVER)
    if run.looked and any(one.rule == "zombie" for one in flags):
        yield ZOMBIE, unsaved
    if run.looked and run.ended_badly:
        yield CRASHED, unsaved
    for flag in flags:
        if flag.rule == "idle-gpu":
            yield IDLE, (flag.opened_at, flag.cleared_at or NEVER)


def _cut_off(run: RunFact, attempt: AttemptFact, books: _Books) -> Iterator[tuple[str, Span]]:
    """What an attempt had trained since its newest checkpoint when it ended, and a later one had to train again.

    Where no checkpoint is remembered from before its end, but there is one now, nobody knows.
    """
    last = books.last.get(run.pk)
    if last is None or last.pk == attempt.pk or attempt.over_at is None or attempt.state == "COMPLETED":
        return
    if (last.start_at or EVER) < attempt.over_at or not run.looked:
        return
    saved = run.saved_before(attempt.over_at)
    if saved is None and run.checkpoint_at is not None:
        yield UNTOLD, (EVER, attempt.over_at)
    else:
        yield CRASHED, (saved or EVER, attempt.over_at)


def _burned(run: RunFact, attempt: AttemptFact, flag: FlagFact) -> bool:
    """Tell whether a run is one of those that a flag of repeated failure on a node speaks of."""
    if flag.rule != "repeated-failure" or run.ended_at is None or not attempt.node:
        return False
    named = attempt.node in flag.evidence.replace(",", " ").replace(":", " ").split()
    return named and flag.opened_at - A_DAY <= run.ended_at <= (flag.cleared_at or NEVER)


def _between(attempt: AttemptFact, spans: list[Span], runs: Sequence[RunFact], books: _Books) -> Iterator[Share]:
    """What an attempt had without a run: GPUs that a dead run still held are lost, of the rest nobody knows."""
    last = runs[-1] if runs else None
    if last is not None and last.ended_at is not None:
        for flag in books.by_run.get(last.pk, ()):
            if flag.rule == "wandb-dead-job-alive":
                dead: Span = (last.ended_at, flag.cleared_at or NEVER)
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
