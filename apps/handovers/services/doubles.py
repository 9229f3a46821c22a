"""Two files with one key: said on both, and neither is hidden."""

from collections import defaultdict

from apps.handovers.models import Handover
from apps.workspaces.models import Workspace

_ID = "two-files-one-key"


def mark_doubles(*, workspace: Workspace, touched: set[int]) -> None:
    """Give each handover that shares its key with another present one a finding, and take it from those that do not.

    Only the keys of ``touched`` handovers are looked at, and those that were marked before.
    """
    rows = Handover.objects.filter(workspace=workspace)
    keys = set(rows.filter(pk__in=touched).values_list("key", flat=True))
    marked = set(rows.filter(doubled=True).values_list("key", flat=True))
    by_key: dict[str, list[Handover]] = defaultdict(list)
    for row in rows.filter(key__in=keys | marked).only("pk", "key", "name", "path", "state", "findings", "doubled"):
        by_key[row.key].append(row)
    changed = [row for members in by_key.values() for row in members if _mark(row, members)]
    Handover.objects.bulk_update(changed, ["findings", "doubled"], batch_size=200)


def _mark(row: Handover, members: list[Handover]) -> bool:
    others = [one.path for one in members if one.pk != row.pk and one.state != "gone"]
    kept = [one for one in row.findings if one["id"] != _ID]
    if others and row.state != "gone":
        told = f"{row.key} is also the key of {' and '.join(others[:3])}."
        kept.append({"id": _ID, "sentence": told, "line": 0})
    if kept == row.findings and row.doubled == bool(others):
        return False
    row.findings, row.doubled = kept, bool(others)
    return True
