"""What people did in a week: handovers, plans, questions, and what they were told by alerts. Pure."""

from apps.core.units import duration
from apps.review.domain.facts import HandoverFact, PlanFact, QuestionFact, WeekFacts
from apps.review.domain.numbers import Figure, Row, Table, counted, median, table
from apps.review.domain.work import MOST, limit_of

SENT = "sent"


def handover_figures(facts: WeekFacts) -> list[Figure]:
    """Count the handovers written, picked up, never picked up and archived."""
    gap, limit, every = facts.known.watched, limit_of(facts, "watched"), facts.handovers
    picked = [one.pk for one in every if any(facts.holds(at) for at in one.picked_up_at)]
    archived = [one.pk for one in every if any(facts.holds(at) for at in one.archived_at)]
    return [
        counted("handovers-written", "handover", (one.pk for one in _written(facts)), limit, unknown=gap),
        counted("handovers-picked", "handover", picked, limit, unknown=gap),
        counted("handovers-never", "handover", (one.pk for one in never_picked_up(facts)), limit, unknown=gap),
        counted("handovers-archived", "handover", archived, limit, unknown=gap),
    ]


def _written(facts: WeekFacts) -> list[HandoverFact]:
    return [one for one in facts.handovers if facts.holds(one.written_at)]


def never_picked_up(facts: WeekFacts) -> list[HandoverFact]:
    """Return the handovers of the week that nobody had taken up when its told part ended, the oldest first."""
    left = [one for one in _written(facts) if all(at >= facts.until for at in one.picked_up_at)]
    return sorted(left, key=lambda one: (one.written_at, one.pk))


def decision_figures(facts: WeekFacts) -> list[Figure]:
    """Count decisions on plans, answers and their wait."""
    gap, limit = facts.known.watched, limit_of(facts, "watched")
    answered = [one for one in facts.questions if facts.holds(one.answered_at)]
    waits = [(one.pk, (one.answered_at - one.asked_at).total_seconds()) for one in answered if one.answered_at]
    return [
        counted("plans-approved", "plan", _decided(facts, "approved"), limit, unknown=gap),
        counted("plans-rejected", "plan", _decided(facts, "rejected"), limit, unknown=gap),
        counted("questions-answered", "question", (one.pk for one in answered), limit, unknown=gap),
        median("questions-wait", "question", waits, "no question was answered", unknown=gap),
        counted("plans-open", "plan", (one.pk for one in waiting_plans(facts)), limit, unknown=gap),
        counted("questions-open", "question", (one.pk for one in open_questions(facts)), limit, unknown=gap),
    ]


def _decided(facts: WeekFacts, wanted: str) -> list[int]:
    return [one.pk for one in facts.plans for act, at in one.decisions if act == wanted and facts.holds(at)]


def waiting_plans(facts: WeekFacts) -> list[PlanFact]:
    """Return the plans that waited for a person when the told part of the week ended, the oldest first."""
    waiting = [one for one in facts.plans if one.waits_at(facts.until)]
    return sorted(waiting, key=lambda one: (one.posted_at, one.pk))


def open_questions(facts: WeekFacts) -> list[QuestionFact]:
    """Return the questions that nobody had answered when the told part of the week ended, the oldest first."""
    left = [
        one
        for one in facts.questions
        if one.asked_at < facts.until
        and (one.answered_at is None or one.answered_at >= facts.until)
        and (one.withdrawn_at is None or one.withdrawn_at >= facts.until)
    ]
    return sorted(left, key=lambda one: (one.asked_at, one.pk))


def alert_figures(facts: WeekFacts) -> list[Figure]:
    """Count the messages about red flags that arrived, and those that did not or may have."""
    gap, limit = facts.known.watched or facts.known.alerts, limit_of(facts, "watched")
    told = [one for one in facts.alerts if facts.holds(one.at)]
    sent = [one.pk for one in told if one.state == SENT]
    rest = [one.pk for one in told if one.state != SENT]
    return [
        counted("alerts-sent", "alert", sent, limit, unknown=gap),
        counted("alerts-unsent", "alert", rest, limit, unknown=gap),
    ]


def desk_tables(facts: WeekFacts) -> list[Table]:
    """Return what nobody took up, and what waits for a person: the longest waiting first."""
    handovers = [
        Row(one.key, (one.branch or "—", one.focus[:120] or "—"), "handover", one.pk) for one in never_picked_up(facts)
    ]
    plans = [
        Row(one.title, (one.by, duration(facts.until - one.posted_at)), "plan", one.pk) for one in waiting_plans(facts)
    ]
    questions = [
        Row(one.title, (one.by, duration(facts.until - one.asked_at)), "question", one.pk)
        for one in open_questions(facts)
    ]
    return [
        table("handovers-never", ("Handover", "Branch", "Focus"), handovers, MOST),
        table("plans-open", ("Plan", "By", "Waits for"), plans, MOST),
        table("questions-open", ("Question", "By", "Waits for"), questions, MOST),
    ]
