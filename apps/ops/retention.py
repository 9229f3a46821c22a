"""Thinning out the machine's own records. Flags, audit events and what people wrote are never touched."""

from datetime import datetime, timedelta

from django.db.models import Max

from apps.alerts.services.thinning import drop_old
from apps.audit.models import SyncPass
from apps.audit.services import sync_pass
from apps.slurm.models import Job
from apps.sweeps.models import RunHistory
from apps.sweeps.ports import ENDED_RUN_STATES
from apps.workspaces.config import RetentionConfig

BATCH = 5000


def thin_out(*, policy: RetentionConfig, now: datetime) -> dict[str, int]:
    """Delete old samples, old jobs that carried nothing, and old notes of passes; return the counts.

    A job that carried a run, or worked for a sweep, is kept: its GPU hours and its end are evidence. Of every
    source the last pass and the last good one are kept, however old: the next pass begins there.
    """
    dropped: dict[str, int] = {}
    with sync_pass(source="retention", scope="old rows") as tally:
        dropped["histories"] = _old_histories(now - timedelta(days=policy.history_days))
        dropped["jobs"] = _old_jobs(now - timedelta(days=policy.jobs_days))
        dropped["alerts"] = drop_old(before=now - timedelta(days=policy.alerts_days))
        dropped["passes"] = _old_passes(now - timedelta(days=policy.passes_days))
        tally.changed = sum(dropped.values())
    return dropped


def _old_histories(before: datetime) -> int:
    old = RunHistory.objects.filter(
        run__state__in=[*ENDED_RUN_STATES, "deleted", "moved"], run__heartbeat_at__lt=before
    )
    # Emptied, not deleted: a run without a sample would be asked for it again.
    return old.exclude(metric=[], loss=[]).update(metric=[], loss=[])


def _old_jobs(before: datetime) -> int:
    old = Job.objects.filter(end_at__lt=before, run_links=None, agent_links=None)
    total = 0
    while pks := list(old.order_by("pk").values_list("pk", flat=True)[:BATCH]):
        total += Job.objects.filter(pk__in=pks).delete()[0]
    return total


def _old_passes(before: datetime) -> int:
    scopes = SyncPass.objects.values("source", "scope")
    kept = {row["last"] for row in scopes.annotate(last=Max("pk"))}
    kept |= {row["last"] for row in scopes.filter(error="").annotate(last=Max("pk"))}
    return SyncPass.objects.filter(finished_at__lt=before).exclude(pk__in=kept).delete()[0]
