"""Which run was in which attempt, from when to when. Pure.

An agent's job carries runs one after another, and a run may come back in a later job: a job's times are not its runs'.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from apps.review.domain.facts import ENDED_WELL, AttemptFact, RunFact, WeekFacts
from apps.review.domain.spans import EVER, NEVER, Span

COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True)
class Stay:
    """A run in one attempt. ``begin`` is None where the attempt has not begun, ``end`` where the run is in it still.

    ``went_on`` says that the attempt's agent took another run, whatever W&B says of this one.
    """

    link: int
    run: RunFact
    attempt: AttemptFact
    begin: datetime | None
    end: datetime | None
    went_on: bool

    @property
    def span(self) -> Span:
        return self.begin or NEVER, self.end or NEVER

    @property
    def broke_off(self) -> bool:
        """The run was not done when it left the attempt, as far as the attempt tells."""
        return self.end is not None and (self.went_on or self.attempt.state != COMPLETED)

    @property
    def shared_its_end(self) -> bool:
        """The run was in the attempt when that ended: what became of the job became of the run."""
        over = self.attempt.over_at
        if over is None or self.went_on:
            return False
        return not (self.run.state == ENDED_WELL and self.run.ended_at is not None and self.run.ended_at <= over)


def stays(facts: WeekFacts) -> list[Stay]:
    """Return every stay of the runs of a week, and of the others in their jobs, in the order of the links."""
    runs = {one.pk: one for one in (*facts.runs, *facts.others)}
    attempts = {one.pk: one for one in facts.attempts}
    known = [one for one in facts.links if one.run in runs and one.job in attempts]
    carried: dict[int, list[RunFact]] = defaultdict(list)
    for link in known:
        carried[link.job].append(runs[link.run])
    following = {job: _following(some) for job, some in carried.items()}
    found: dict[int, list[_Entry]] = defaultdict(list)
    for link in known:
        found[link.run].append((attempts[link.job], following[link.job].get(link.run)))
    return [
        _stay(link.pk, runs[link.run], attempts[link.job], following[link.job].get(link.run), found[link.run])
        for link in known
    ]


_Entry = tuple[AttemptFact, RunFact | None]  # an attempt of a run, and the run that its job began next


def _following(runs: Sequence[RunFact]) -> dict[int, RunFact]:
    """Return the job's next run, by run."""
    ordered = sorted(runs, key=lambda one: (one.created_at or EVER, one.pk))
    return {one.pk: other for one, other in pairwise(ordered) if other.created_at is not None}


def _stay(link: int, run: RunFact, attempt: AttemptFact, following: RunFact | None, every: Sequence[_Entry]) -> Stay:
    next_at = following.created_at if following is not None else None
    went_on = next_at is not None and (
        run.beat_at is None or run.beat_at < next_at or _came_back_alone(next_at, following, every)
    )
    begin = max(attempt.start_at, run.created_at or EVER) if attempt.start_at is not None else None
    ends = [at for at in (attempt.over_at, run.ended_at, next_at if went_on else None) if at is not None]
    end = min(ends, default=None)
    return Stay(link, run, attempt, begin, max(end, begin) if end and begin else end, went_on)


def _came_back_alone(next_at: datetime, following: RunFact | None, every: Sequence[_Entry]) -> bool:
    """Tell whether a later job took the run up without the next one: then a heartbeat after that one began is its.

    Otherwise it means two runs side by side, which come back together.
    """
    return any(one.start_at is not None and one.start_at >= next_at and also is not following for one, also in every)
