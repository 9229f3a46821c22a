"""Reading sweeps, runs and run folders."""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Count, Prefetch, Q, QuerySet

from apps.core.errors import Permanent
from apps.sweeps.models import RunFolder, Sweep, UploadRequest


def folders_to_show() -> QuerySet[RunFolder]:
    """Return the run folders that W&B does not have whole, and those uploaded lately, newest first.

    Each has its uploads as ``asked``, the latest first.
    """
    latest = Prefetch("uploads", UploadRequest.objects.order_by("-pk"), to_attr="asked")
    wanted = Q(synced=False) | Q(uploads__isnull=False)
    folders = RunFolder.objects.filter(wanted).distinct().select_related("run", "run__sweep", "workspace")
    return folders.prefetch_related(latest).order_by("synced", "-modified_at", "-pk")


def unsynced_count() -> int:
    """Return how many runs are on a disk and not, or not whole, on W&B."""
    return RunFolder.objects.filter(synced=False).count()


def unsynced_since(run_pks: Iterable[int]) -> dict[int, datetime]:
    """Return when the folder of each run that W&B does not have whole was last written, in one query."""
    waiting = RunFolder.objects.filter(synced=False, run__in=set(run_pks)).order_by("modified_at")
    return {pk: at for pk, at in waiting.values_list("run_id", "modified_at") if pk is not None}


def offline_runs_of_sweeps(sweep_pks: Iterable[int]) -> dict[int, int]:
    """Return how many runs of each sweep W&B has not seen yet, in one query."""
    waiting = RunFolder.objects.filter(synced=False, offline=True, run__sweep__in=set(sweep_pks))
    rows = waiting.values("run__sweep").annotate(count=Count("pk"))
    return {int(row["run__sweep"]): int(row["count"]) for row in rows}


def sweep_named(sweep_id: str, project: str = "") -> Sweep:
    """Return the sweep of that id; ``Permanent`` where none or several projects know it."""
    entity, _, name = project.partition("/")
    found = list(
        Sweep.objects.filter(sweep_id=sweep_id, **({"entity": entity, "project": name} if project else {}))[:2]
    )
    if not found:
        where = f" in {project}" if project else ""
        raise Permanent(f"No sweep '{sweep_id}' is known{where}; `manage.py sync` reads W&B.")
    if len(found) > 1:
        raise Permanent(f"Several projects have a sweep '{sweep_id}': name one with --project entity/project.")
    return found[0]
