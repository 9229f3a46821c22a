"""From the facts of a week to its numbers. Pure."""

from datetime import datetime

from apps.review.domain import desk, hours, results, resumed, work, wrong
from apps.review.domain.facts import WeekFacts
from apps.review.domain.numbers import WeekNumbers
from apps.review.domain.weeks import Week


def count_week(facts: WeekFacts, week: Week, *, workspace: str, now: datetime) -> WeekNumbers:
    """Return every figure and table of a week, told up to its end or to ``now`` while it runs."""
    taken = hours.shares(facts)
    figures = [
        *work.sweep_figures(facts),
        *work.run_figures(facts),
        *work.hour_figures(facts, taken),
        *wrong.flag_figures(facts),
        *resumed.resume_figures(facts),
        *results.result_figures(facts),
        *desk.handover_figures(facts),
        *desk.decision_figures(facts),
        *desk.alert_figures(facts),
    ]
    tables = [
        work.sweep_table(facts),
        *work.hour_tables(facts, taken),
        wrong.cause_table(facts),
        wrong.fast_table(facts),
        resumed.resumed_table(facts),
        resumed.abandoned_table(facts),
        results.result_table(facts),
        *desk.desk_tables(facts),
    ]
    return WeekNumbers(
        week=str(week),
        zone=week.zone,
        workspace=workspace,
        since=facts.since,
        until=facts.until,
        made_at=now,
        running=week.running(now),
        figures={one.id: one for one in figures},
        tables={one.id: one for one in tables},
        lived_on=_lived_on(facts),
    )


def _lived_on(facts: WeekFacts) -> dict[str, tuple[int, ...]]:
    runs = [one for one in facts.runs if one.ended_at is None or one.ended_at >= facts.until]
    return {"run": tuple(one.pk for one in runs), "sweep": tuple({one.sweep for one in runs if one.sweep is not None})}
