"""Bringing the workspaces in line with `sweepboard.toml`."""

from django.db import transaction

from apps.audit.services import record
from apps.workspaces.config import SweepboardConfig, WorkspaceConfig
from apps.workspaces.models import Workspace


@transaction.atomic
def apply_config(*, config: SweepboardConfig) -> list[Workspace]:
    """Make the table say what the file says and return the active workspaces; repeating it changes nothing."""
    workspaces = [_upsert(section) for section in config.workspace]
    gone = Workspace.objects.filter(active=True).exclude(pk__in=[workspace.pk for workspace in workspaces])
    for workspace in gone:
        workspace.active = False
        workspace.save(update_fields=["active"])
        record(type="workspace.removed", actor="sweepboard.toml", subject=workspace.name)
    return workspaces


def _upsert(section: WorkspaceConfig) -> Workspace:
    values = {
        "root": str(section.root),
        "config": section.model_dump(mode="json", exclude={"name", "root"}),
        "active": True,
    }
    workspace, created = Workspace.objects.get_or_create(name=section.name, defaults=values)
    changed = [key for key, value in values.items() if getattr(workspace, key) != value]
    if changed:
        for key in changed:
            setattr(workspace, key, values[key])
        workspace.save(update_fields=changed)
    if created or changed:
        record(type="workspace.configured", actor="sweepboard.toml", subject=section.name, **values)
    return workspace
