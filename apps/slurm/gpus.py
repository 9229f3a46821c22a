"""Which GPUs each cluster has: asked seldom, kept with its age."""

from datetime import datetime

import structlog
from django.db import transaction

from apps.core.errors import SweepboardError
from apps.slurm.models import GpuKind
from apps.slurm.ports import Scheduler

log = structlog.get_logger(__name__)


def sync_gpu_types(*, scheduler: Scheduler, now: datetime) -> bool:
    """Note the GPUs of one cluster in place of what was known of it; False where it does not answer."""
    try:
        cluster, told = scheduler.cluster(), scheduler.gpu_types()
    except SweepboardError as error:
        log.warning("slurm.gpus.unknown", error=str(error))  # the pass over its jobs tells people why
        return False
    rows = [GpuKind(cluster=cluster, name=one.name[:200], gpus=one.gpus, nodes=one.nodes, seen_at=now) for one in told]
    with transaction.atomic():
        GpuKind.objects.filter(cluster=cluster).delete()
        GpuKind.objects.bulk_create(rows)
    return True


def gpu_kinds() -> list[GpuKind]:
    """Return the GPUs of every cluster as they were last told."""
    return list(GpuKind.objects.all())
