"""Runs that W&B's project no longer holds: deleted, or moved to another project."""

from datetime import datetime

from django.db.models import Exists, OuterRef

from apps.sweeps.models import Run, RunQuerySet
from apps.sweeps.services.states import set_state

GONE = ("deleted", "moved")


def note_gone(*, project: str, run_ids: set[str], now: datetime) -> set[int]:
    """Mark runs that the project no longer holds: moved where another project holds them now, else deleted."""
    if not run_ids:
        return set()
    rows = Run.objects.of_project(project).filter(run_id__in=run_ids)
    changed = set(rows.values_list("pk", flat=True))
    moved = set(_held_elsewhere(rows).values_list("pk", flat=True))
    set_state(moved, "moved", now)
    set_state(changed - moved, "deleted", now)
    return changed


def note_moved(*, project: str, run_ids: set[str], now: datetime) -> set[int]:
    """Mark runs that are deleted elsewhere, and that this project holds now, as moved."""
    entity, name = project.split("/", 1)
    lost = Run.objects.filter(run_id__in=run_ids, state="deleted", offline=False).exclude(entity=entity, project=name)
    moved = set(_held_elsewhere(lost).values_list("pk", flat=True))
    set_state(moved, "moved", now)
    return moved


def _held_elsewhere(runs: RunQuerySet) -> RunQuerySet:
    """Those that another row holds alive: an id is unique only in its project, so the time of birth counts too."""
    twins = Run.objects.filter(run_id=OuterRef("run_id"), created_at=OuterRef("created_at"), offline=False)
    return runs.filter(Exists(twins.exclude(pk=OuterRef("pk")).exclude(state__in=GONE)))
