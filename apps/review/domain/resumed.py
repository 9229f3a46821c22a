"""Preemptions, resumes, and what they saved or would have saved. Pure. Practice: 'Favor resumes over restarts'."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from apps.core.units import duration
from apps.review.domain.facts import AttemptFact, RunFact, WeekFacts
from apps.review.domain.numbers import Figure, Row, Table, counted, median, summed, table
from apps.review.domain.spans import EVER, NEVER, clip, hours
from apps.review.domain.stays import Stay, stays
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
    stays: tuple[Stay, ...]  # oldest first; those that have not begun come last


def _carried(facts: WeekFacts) -> list[_Carried]:
    own = {one.pk: one for one in facts.runs}
    found: dict[int, list[Stay]] = defaultdict(list)
    for stay in stays(facts):
        if stay.run.pk in own:
            found[stay.run.pk].append(stay)
    return [_Carried(own[pk], tuple(sorted(some, key=_age))) for pk, some in sorted(found.items())]


def _age(stay: Stay) -> tuple[datetime, datetime, int]:
    return stay.begin or NEVER, stay.attempt.submit_at, stay.attempt.pk


def resumes(facts: WeekFacts) -> list[Resume]:
    """Return each further attempt that began in the week after every earlier one of its run was over."""
    return [resume for one in _carried(facts) for resume in _resumes_of(one, facts)]


def _resumes_of(one: _Carried, facts: WeekFacts) -> Iterator[Resume]:
    before: Stay | None = None
    for stay in one.stays:
        if stay.begin is None:
            continue
        if before is not None and before.end is not None and before.end <= stay.begin and facts.holds(stay.begin):
            waited = (stay.begin - before.end).total_seconds()
            yield Resume(stay.link, one.run, before.attempt, stay.attempt, waited, _saved(one.run, before))
        if before is None or (stay.end or NEVER) >= (before.end or NEVER):
            before = stay


def _saved(run: RunFact, before: Stay) -> float | None:
    """Hours that ``before`` trained up to its newest checkpoint: what starting anew would have cost again."""
    if run.checkpoint_at is None:
        return 0.0 if run.looked else None
    if before.begin is None or before.end is None or run.created_at is None:
        return None
    saved = run.saved_before(before.end)
    if saved is None:
        return None
    return hours([(before.begin, saved)]) if before.begin < saved else 0.0


def preempted(facts: WeekFacts) -> list[tuple[int, RunFact, AttemptFact]]:
    """Return (link, run, attempt) of each run whose attempt was preempted in the week while the run was in it."""
    return [
        (stay.link, one.run, stay.attempt)
        for one in _carried(facts)
        for stay in one.stays
        if stay.attempt.state == PREEMPTED and stay.shared_its_end and facts.holds(stay.attempt.over_at)
    ]


def abandoned(facts: WeekFacts) -> list[tuple[RunFact, float | None]]:
    """Return the runs that ended in the week without finishing, have a checkpoint, and were not resumed by its end.

    Beside each the hours that it had trained by then; None where nothing tells.
    """
    found = []
    for one in _carried(facts):
        there = [stay for stay in one.stays if stay.attempt.submit_at < facts.until]
        came_later = len(there) < len(one.stays)
        if not there or one.run.checkpoint_at is None or not facts.holds(there[-1].end):
            continue
        if one.run.ended_badly or (came_later and there[-1].broke_off):
            found.append((one.run, _trained(there, facts)))
    return found


def _trained(some: Iterable[Stay], facts: WeekFacts) -> float | None:
    spans = [part for stay in some if (part := clip(stay.span, (EVER, facts.until)))]
    return hours(spans) if spans else None


def resume_figures(facts: WeekFacts) -> list[Figure]:
    """Count preemptions and resumes, the median wait, and the training hours that were kept and given up."""
    gap, limit = facts.known.slurm, limit_of(facts, "slurm")
    came, left = resumes(facts), abandoned(facts)
    untold = sum(one.saved is None for one in came)
    unlooked = f"of {untold} resumes nobody knows which checkpoints were there" if untold else limit
    no_time = sum(trained is None for _, trained in left)
    partly = f"of {no_time} runs nothing tells how long they trained" if no_time else limit
    saved = [(one.link, one.saved) for one in came if one.saved is not None]
    gone = [(run.pk, trained) for run, trained in left if trained is not None]
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
            (run.crash_class or run.state, run.verdict or "not judged", _duration(trained)),
            "run",
            run.pk,
            run.url,
        )
        for run, trained in sorted(abandoned(facts), key=lambda pair: (-(pair[1] or 0), pair[0].pk))
    ]
    return table("abandoned", ("Run", "Ended by", "Verdict", "Trained"), rows, MOST)


def _hours(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.1f}"


def _duration(trained: float | None) -> str:
    return duration(None if trained is None else trained * 3600)
