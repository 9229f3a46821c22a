"""Preemptions, resumes, and what they saved or would have saved. Pure. Practice: 'Favor resumes over restarts'."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from apps.core.units import duration
from apps.review.domain.facts import AttemptFact, RunFact, WeekFacts
from apps.review.domain.numbers import Figure, Row, Table, counted, median, summed, table
from apps.review.domain.spans import hours
from apps.review.domain.work import MOST, limit_of

PREEMPTED = "PREEMPTED"


@dataclass(frozen=True, slots=True)
class Resume:
    """A run that came back: ``link`` is that of the new attempt. ``waited`` in seconds without a job.

    ``saved`` in hours of training; None where nobody can tell."""

    link: int
    run: RunFact
    before: AttemptFact
    after: AttemptFact
    waited: float
    saved: float | None


@dataclass(frozen=True, slots=True)
class _Carried:
    run: RunFact
    attempts: tuple[tuple[int, AttemptFact], ...]  # (link, attempt), oldest first


def _carried(facts: WeekFacts) -> list[_Carried]:
    runs, attempts = {one.pk: one for one in facts.runs}, {one.pk: one for one in facts.attempts}
    found: dict[int, list[tuple[int, AttemptFact]]] = defaultdict(list)
    for link in facts.links:
        if link.run in runs and link.job in attempts:
            found[link.run].append((link.pk, attempts[link.job]))
    return [
        _Carried(runs[pk], tuple(sorted(some, key=lambda one: (one[1].submit_at, one[1].pk))))
        for pk, some in sorted(found.items())
    ]


def resumes(facts: WeekFacts) -> list[Resume]:
    """Return each further attempt that began in the week after an earlier one of its run was over."""
    return [resume for one in _carried(facts) for resume in _resumes_of(one, facts)]


def _resumes_of(one: _Carried, facts: WeekFacts) -> Iterator[Resume]:
    ran = [(link, attempt) for link, attempt in one.attempts if attempt.start_at is not None]
    for (_, before), (link, after) in pairwise(ran):
        began, over = after.start_at, before.over_at
        if began is not None and facts.holds(began) and over is not None and over <= began:
            yield Resume(link, one.run, before, after, (began - over).total_seconds(), _saved(one.run, before))


def _saved(run: RunFact, before: AttemptFact) -> float | None:
    """Hours that ``before`` trained up to its newest checkpoint: what starting anew would have cost again."""
    if run.checkpoint_at is None:
        return 0.0 if run.looked else None
    if before.start_at is None or before.over_at is None or run.created_at is None:
        return None
    saved = run.saved_before(before.over_at)
    if saved is None:
        return None
    kept = (max(before.start_at, run.created_at), saved)
    return hours([kept]) if kept[0] < kept[1] else 0.0


def preempted(facts: WeekFacts) -> list[tuple[int, RunFact, AttemptFact]]:
    """Return (link, run, attempt) of each run whose attempt was preempted in the week."""
    return [
        (link, one.run, attempt)
        for one in _carried(facts)
        for link, attempt in one.attempts
        if attempt.state == PREEMPTED and facts.holds(attempt.over_at)
    ]


def abandoned(facts: WeekFacts) -> list[RunFact]:
    """Return the runs that ended in the week without finishing, have a checkpoint, and were not resumed by its end."""
    found = []
    for one in _carried(facts):
        there = [attempt for _, attempt in one.attempts if attempt.submit_at < facts.until]
        came_later = len(there) < len(one.attempts)
        if not there or one.run.checkpoint_at is None or not facts.holds(there[-1].over_at):
            continue
        if one.run.ended_badly or (came_later and there[-1].state != "COMPLETED"):
            found.append(one.run)
    return found


def resume_figures(facts: WeekFacts) -> list[Figure]:
    """Count preemptions and resumes, the median wait, and the training hours that were kept and given up."""
    gap, limit = facts.known.slurm, limit_of(facts, "slurm")
    came, left = resumes(facts), abandoned(facts)
    untold = sum(one.saved is None for one in came)
    unlooked = f"of {untold} resumes nobody knows which checkpoints were there" if untold else limit
    no_time = sum(run.trained_seconds is None for run in left)
    partly = f"of {no_time} runs nothing tells how long they trained" if no_time else limit
    saved = [(one.link, one.saved) for one in came if one.saved is not None]
    gone = [(run.pk, run.trained_seconds / 3600) for run in left if run.trained_seconds is not None]
    return [
        counted("preemptions", "link", (link for link, _, _ in preempted(facts)), limit, unknown=gap),
        counted("resumes", "link", (one.link for one in came), limit, unknown=gap),
        median("resume-median", "link", ((one.link, one.waited) for one in came), "nothing was resumed", unknown=gap),
        summed("hours-saved", "link", saved, unlooked, unknown=gap or (unlooked if came and not saved else "")),
        summed("hours-abandoned", "run", gone, partly, unknown=gap or (partly if left and not gone else "")),
    ]


def resumed_table(facts: WeekFacts) -> Table:
    """Return what came back, the longest wait first."""
    rows = [
        Row(
            one.run.name or one.run.run_id,
            (one.before.state.lower(), duration(one.waited), f"job {one.after.job_id}", _hours(one.saved)),
            "run",
            one.run.pk,
            one.run.url,
        )
        for one in sorted(resumes(facts), key=lambda one: (-one.waited, one.link))
    ]
    return table("resumed", ("Run", "Ended by", "Waited", "Came back as", "Hours saved"), rows, MOST)


def abandoned_table(facts: WeekFacts) -> Table:
    """Return what could have been resumed and was not, the most training first."""
    rows = [
        Row(
            run.name or run.run_id,
            (run.crash_class or run.state, run.verdict or "not judged", duration(run.trained_seconds)),
            "run",
            run.pk,
            run.url,
        )
        for run in sorted(abandoned(facts), key=lambda run: (-(run.trained_seconds or 0), run.pk))
    ]
    return table("abandoned", ("Run", "Ended by", "Verdict", "Trained"), rows, MOST)


def _hours(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"
