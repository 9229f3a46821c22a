"""Red flags and fast completions of a week, worst first. Pure."""

from collections import defaultdict

from apps.core.units import count, duration, with_ages
from apps.review.domain.facts import FlagFact, RunFact, WeekFacts
from apps.review.domain.numbers import Figure, Row, Table, counted, median, table
from apps.review.domain.work import MOST, limit_of

FAST = "fast-completion"
_ORDER = {"critical": 0, "warning": 1, "note": 2}


def flag_figures(facts: WeekFacts) -> list[Figure]:
    """Count the flags that were raised, cleared and open; the median is of those that were over in the week."""
    gap, limit = facts.known.watched, limit_of(facts, "watched")
    raised = [one for one in facts.flags if facts.holds(one.opened_at)]
    over = [one for one in facts.flags if facts.holds(one.over_at)]
    took = [(one.pk, (one.over_at - one.opened_at).total_seconds()) for one in over if one.over_at]
    return [
        counted("flags-raised", "flag", (one.pk for one in raised), limit, unknown=gap),
        counted("flags-cleared", "flag", (one.pk for one in over), limit, unknown=gap),
        counted("flags-open", "flag", (one.pk for one in facts.flags if one.open_at(facts.until)), limit, unknown=gap),
        median("flags-median", "flag", took, "no flag was over this week", unknown=gap),
        counted("fast", "flag", (one.pk for one in raised if one.rule == FAST), limit, unknown=gap),
    ]


def cause_table(facts: WeekFacts) -> Table:
    """Return the rules whose flags were raised, the worst first, then the most frequent."""
    by_rule: dict[str, list[FlagFact]] = defaultdict(list)
    for flag in facts.flags:
        if facts.holds(flag.opened_at):
            by_rule[flag.rule].append(flag)
    ordered = sorted(by_rule.items(), key=lambda one: (_worst(one[1]), -len(one[1]), one[0]))
    columns = ("Red flag", "Raised", "Worst", "Open", "The first says")
    return table("causes", columns, (_cause(rule, some, facts) for rule, some in ordered), MOST)


def _worst(flags: list[FlagFact]) -> int:
    return min(_ORDER.get(one.severity, 9) for one in flags)


def _cause(rule: str, flags: list[FlagFact], facts: WeekFacts) -> Row:
    first = min(flags, key=lambda one: (_ORDER.get(one.severity, 9), one.opened_at, one.pk))
    still = sum(one.open_at(facts.until) for one in flags)
    where = len({one.sweep for one in flags if one.sweep is not None})
    sweeps = f" in {count(where, 'sweep')}" if where else ""
    said = with_ages(first.evidence, facts.until)[:200]
    return Row(rule, (f"{len(flags)}{sweeps}", first.severity, str(still), said), "rule")


def fast_table(facts: WeekFacts) -> Table:
    """Return the runs that were done too soon, each with its cause."""
    runs = {one.pk: one for one in facts.runs}
    flags = [one for one in facts.flags if one.rule == FAST and facts.holds(one.opened_at)]
    flags.sort(key=lambda one: (_ORDER.get(one.severity, 9), one.opened_at, one.pk))
    rows = [_fast(flag, runs.get(flag.run or 0), with_ages(flag.evidence, facts.until)) for flag in flags]
    return table("fast", ("Run", "Took", "Cause"), rows, MOST)


def _fast(flag: FlagFact, run: RunFact | None, said: str) -> Row:
    if run is None:
        return Row("a run that is gone", ("—", said[:200]), "flag", flag.pk)
    cause = run.crash_class or f"no crash class: {said[:160]}"
    return Row(run.name or run.run_id, (duration(run.trained_seconds), cause), "run", run.pk, run.url)
