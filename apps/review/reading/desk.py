"""Handovers, plans, questions and alerts of a week."""

from collections import defaultdict
from datetime import datetime

from django.db.models import Q
from django.db.models.functions import Coalesce

from apps.alerts.models import AlertDelivery
from apps.approvals.models import Decision, Plan, PlanVersion, Question
from apps.handovers.models import Handover, Pickup, Version
from apps.review.domain.facts import AlertFact, HandoverFact, PlanFact, QuestionFact
from apps.review.reading.training import Asked

ARCHIVED = "/archive/"


def handovers_of(asked: Asked) -> tuple[HandoverFact, ...]:
    """Return the handovers that were written, taken up or archived in the time; three queries."""
    taken: dict[int, list[datetime]] = defaultdict(list)
    written = Handover.objects.annotate(written=Coalesce("date", "first_seen_at"))
    recent = written.filter(written__gte=asked.since, written__lt=asked.until)
    within = Q(at__gte=asked.since, at__lt=asked.until)
    for pk, at in Pickup.objects.filter(within | Q(handover__in=recent.values("pk"))).values_list("handover_id", "at"):
        taken[pk].append(at)
    archived: dict[int, list[datetime]] = defaultdict(list)
    moved = Version.objects.filter(within, event="moved", path__contains=ARCHIVED).exclude(
        path_before__contains=ARCHIVED
    )
    for pk, at in moved.values_list("handover_id", "at"):
        archived[pk].append(at)
    touched = Q(pk__in=Pickup.objects.filter(within).values("handover")) | Q(pk__in=moved.values("handover"))
    rows = asked.within(written.filter(touched | Q(pk__in=recent.values("pk"))), "workspace__name").order_by("pk")
    return tuple(
        HandoverFact(pk, key, branch, focus, at, tuple(sorted(taken[pk])), tuple(sorted(archived[pk])))
        for pk, key, branch, focus, at in rows.values_list("pk", "key", "branch", "focus", "written")
    )


def plans_of(asked: Asked) -> tuple[PlanFact, ...]:
    """Return the plans that may have waited in the time, or were decided on in it; three queries.

    ``expires_at`` moves on with every version and report, so one that expired by now may count as waiting no more.
    """
    decided = Decision.objects.filter(at__gte=asked.since, at__lt=asked.until).values("plan")
    every = Plan.objects.filter(posted_at__lt=asked.until).filter(Q(expires_at__gte=asked.since) | Q(pk__in=decided))
    rows = asked.within(every, "handover__workspace__name")
    acts: dict[int, list[tuple[str, datetime]]] = defaultdict(list)
    for plan, act, at in (
        Decision.objects.filter(plan__in=rows.values("pk")).order_by("pk").values_list("plan_id", "act", "at")
    ):
        acts[plan].append((act, at))
    texts: dict[int, list[datetime]] = defaultdict(list)
    revised = PlanVersion.objects.filter(plan__in=rows.values("pk"), number__gt=1).order_by("pk")
    for plan, at in revised.values_list("plan_id", "at"):
        texts[plan].append(at)
    told = rows.order_by("pk").values_list("pk", "title", "by", "posted_at", "expires_at")
    return tuple(
        PlanFact(pk, title, by, posted, expires, tuple(acts[pk]), tuple(texts[pk]))
        for pk, title, by, posted, expires in told
    )


def questions_of(asked: Asked) -> tuple[QuestionFact, ...]:
    """Return the questions that were open at some moment of the time; one query."""
    rows = Question.objects.filter(at__lt=asked.until)
    rows = rows.filter(Q(answer=None) | Q(answer__at__gte=asked.since))
    rows = rows.filter(Q(withdrawn_at=None) | Q(withdrawn_at__gte=asked.since))
    if asked.workspace:
        name = asked.workspace
        rows = rows.filter(Q(handover__workspace__name=name) | Q(plan__handover__workspace__name=name))
    fields = ("pk", "title", "by", "at", "answer__at", "withdrawn_at")
    return tuple(QuestionFact(*row) for row in rows.order_by("pk").values_list(*fields))


def alerts_of(asked: Asked) -> tuple[AlertFact, ...]:
    """Return the messages about red flags that ended in the time, well or not; one query."""
    rows = AlertDelivery.objects.filter(kind="alert", state__in=AlertDelivery.ENDED)
    rows = rows.annotate(ended=Coalesce("sent_at", "claimed_at", "made_at"))
    rows = asked.within(rows.filter(ended__gte=asked.since, ended__lt=asked.until), "channel__workspace")
    fields = ("pk", "channel__name", "subject", "state", "ended")
    return tuple(AlertFact(*row) for row in rows.order_by("pk").values_list(*fields))
