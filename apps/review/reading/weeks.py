"""All facts of one week, and the numbers that are counted from them."""

from dataclasses import replace
from datetime import datetime

from apps.review.domain.counting import count_week
from apps.review.domain.facts import Known, WeekFacts
from apps.review.domain.numbers import WeekNumbers
from apps.review.domain.results import best_runs
from apps.review.domain.weeks import Week
from apps.review.reading import desk, training
from apps.review.reading.known import known_of
from apps.review.reading.training import asked_of

NOT_BEGUN = "the week has not begun"


def facts_of(week: Week, *, workspace: str, now: datetime) -> WeekFacts:
    """Return the facts of a week, told up to its end or to ``now``; a fixed number of queries.

    ``workspace`` is a name; empty for all, and then also what belongs to none.
    """
    if week.start > now:
        nothing = Known(wandb=NOT_BEGUN, slurm=NOT_BEGUN, watched=NOT_BEGUN, alerts=NOT_BEGUN)
        return WeekFacts(week.start, week.start, nothing)
    asked = asked_of(week.start, week.until(now), workspace)
    others, their_links, their_agents = training.others_of(asked)
    sweeps, best = training.sweeps_of(asked)
    links, linked = training.links_of(asked)
    agents = training.agents_of(asked)
    attempts = linked | training.attempts_of(asked)
    if workspace:
        own = set(linked) | {job for job, _ in agents}
        attempts = {pk: one for pk, one in attempts.items() if pk in own}
    facts = WeekFacts(
        since=asked.since,
        until=asked.until,
        known=known_of(asked.since, asked.until, now),
        sweeps=sweeps,
        runs=training.runs_of(asked),
        attempts=tuple(attempts.values()),
        links=(*links, *their_links),
        agents=agents,
        others=others,
        other_agents=their_agents,
        flags=training.flags_of(asked),
        handovers=desk.handovers_of(asked),
        plans=desk.plans_of(asked),
        questions=desk.questions_of(asked),
        alerts=desk.alerts_of(asked),
    )
    return _with_configs(facts, best)


def _with_configs(facts: WeekFacts, best: dict[int, int]) -> WeekFacts:
    wanted = {one.run.pk for one in best_runs(facts)} | set(best.values())
    told = training.configs_of(wanted)
    sweeps = training.with_best(facts.sweeps, best, told)
    return replace(facts, sweeps=sweeps, configs={pk: config for pk, (_, config) in told.items()})


def numbers_of(week: Week, *, workspace: str, now: datetime) -> WeekNumbers:
    """Count a week from what is known now."""
    return count_week(facts_of(week, workspace=workspace, now=now), week, workspace=workspace, now=now)
