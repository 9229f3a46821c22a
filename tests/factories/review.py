"""Facts of a week, filled in plausibly where a test says nothing. The week is 2026-W47 in UTC."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from apps.review.domain.counting import count_week
from apps.review.domain.facts import (
    AttemptFact,
    FlagFact,
    Known,
    LinkFact,
    RunFact,
    SweepFact,
    WeekFacts,
)
from apps.review.domain.numbers import WeekNumbers
from apps.review.domain.weeks import Week, parse_week

WEEK = parse_week("2026-W47")
START, END = WEEK.start, WEEK.end


def at(hours: float) -> datetime:
    """A moment so many hours after the week began."""
    return START + timedelta(hours=hours)


def sweep(pk: int = 1, **values: Any) -> SweepFact:
    told = {
        "pk": pk, "sweep_id": f"swp{pk}", "name": f"search {pk}", "url": f"https://wandb.ai/team/glue/sweeps/swp{pk}",
        "created_at": at(-100), "updated_at": at(-100), "lives": True, "metric": "loss", "parameters": ("lr", "depth"),
    }  # fmt: skip
    return SweepFact(**{**told, **values})


def run(pk: int = 1, begin: float = 0, end: float | None = None, **values: Any) -> RunFact:
    """A run from ``begin`` to ``end`` hours into the week; None while it lives. An ended one finished."""
    over = None if end is None else at(end)
    told = {
        "pk": pk, "sweep": 1, "run_id": f"run{pk}", "name": f"calm-{pk}", "url": f"https://wandb.ai/team/glue/runs/run{pk}",
        "state": "running" if end is None else "finished", "created_at": at(begin), "ended_at": over,
        "beat_at": over or at(160), "verdict": "healthy" if end is None else "done", "trained_seconds": 3600.0,
    }  # fmt: skip
    return RunFact(**{**told, **values})


def attempt(pk: int = 1, begin: float = 0, end: float | None = None, **values: Any) -> AttemptFact:
    told = {
        "pk": pk, "job_id": str(100 + pk), "user": "mia", "gpus": 2, "state": "RUNNING" if end is None else "COMPLETED",
        "submit_at": at(begin - 0.5), "start_at": at(begin), "over_at": None if end is None else at(end), "node": "g07",
    }  # fmt: skip
    return AttemptFact(**{**told, **values})


def flag(pk: int = 1, rule: str = "zombie", opened: float = 1, cleared: float | None = None, **values: Any) -> FlagFact:
    told = {
        "pk": pk, "rule": rule, "severity": "critical", "run": 1, "sweep": 1, "evidence": "It said so.",
        "opened_at": at(opened), "cleared_at": None if cleared is None else at(cleared),
    }  # fmt: skip
    return FlagFact(**{**told, **values})


def link(pk: int = 1, of: int = 1, job: int = 1) -> LinkFact:
    return LinkFact(pk, of, job)


def week_facts(*, until: float = 168, **values: Any) -> WeekFacts:
    return WeekFacts(since=START, until=at(until), **{"known": Known(), **values})


def counted(facts: WeekFacts, week: Week = WEEK) -> WeekNumbers:
    return count_week(facts, week, workspace="", now=facts.until)


def values(facts: WeekFacts) -> dict[str, float | None]:
    return {id: one.value for id, one in counted(facts).figures.items()}


def with_configs(facts: WeekFacts, configs: Mapping[int, Mapping[str, Any]]) -> WeekFacts:
    return replace(facts, configs=configs)
