"""Importances of parameters: asked for when a page shows them, found by a worker, kept until the runs change."""

import uuid
from collections.abc import Callable
from datetime import datetime, timedelta

import structlog
from django.db.models import Q

from apps.pages.domain.importances import importances
from apps.pages.models import Importance
from apps.pages.selectors.charts import log_parameters, samples_of, stamp_of
from apps.sweeps.models import Run, Sweep

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=10)  # longer than any: a dead worker's claim ends with it
OPEN = ("queued", "running")
Clock = Callable[[], datetime]


def ask_for_importance(*, sweep: Sweep, now: datetime) -> tuple[Importance, bool]:
    """Return what is kept of a sweep, and whether a worker has to be sent because its runs changed."""
    stamp = stamp_of(sweep)
    held, created = Importance.objects.get_or_create(sweep=sweep, defaults={"stamp": stamp, "asked_at": now})
    if created:
        return held, True
    if held.stamp == stamp:
        return held, False
    asked = Importance.objects.filter(pk=held.pk).exclude(stamp=stamp)
    sent = asked.update(stamp=stamp, state="queued", asked_at=now, claimed_at=None)
    return Importance.objects.get(pk=held.pk), bool(sent)


def unfinished_importances(now: datetime) -> list[int]:
    """Return those that nobody works on: never begun, or begun by a worker that was heard of no more."""
    return list(Importance.objects.filter(_free(now)).order_by("asked_at").values_list("pk", flat=True))


def _free(now: datetime) -> Q:
    return Q(state="queued") | Q(state="running", claimed_at__lt=now - LEASE)


def drive_importance(*, importance_pk: int, clock: Clock) -> bool:
    """Find one, unless somebody else does; tell whether anything was done. What fails is kept as a sentence."""
    now = clock()
    if not Importance.objects.filter(_free(now), pk=importance_pk).update(state="running", claimed_at=now):
        return False
    held = Importance.objects.select_related("sweep").get(pk=importance_pk)
    try:
        values = _found(held)
    except Exception:
        reference = uuid.uuid4().hex[:12]
        log.exception("pages.importance.failed", sweep=held.sweep.sweep_id, error_id=reference)
        values = {"state": "failed", "error_id": reference, "said": "The importance of parameters could not be found."}
    # Only for the runs that were asked about: where they changed meanwhile, another message is under way.
    mine = Importance.objects.filter(pk=held.pk, state="running", stamp=held.stamp)
    return bool(mine.update(**values, made_at=clock()))


def _found(held: Importance) -> dict[str, object]:
    sweep = held.sweep
    total = Run.objects.filter(sweep=sweep).count()
    result = importances(samples_of(sweep), sweep.metric_name, sweep.metric_goal, log_parameters(sweep), total)
    said = str(result.pop("said", ""))
    return {"state": "done", "result": result, "said": said, "made_of": held.stamp, "error_id": ""}
