"""Keeping each handover's state in line with its files, its branch and the indexes."""

from collections.abc import Iterable

from django.db.models import Count, Q

from apps.handovers.domain.states import Standing, State, Told, states_of
from apps.handovers.models import Handover
from apps.workspaces.models import Workspace


def restate(*, workspace: Workspace, branches: Iterable[str], named_keys: set[str]) -> int:
    """Tell anew what is current and superseded on these branches; return how many handovers changed.

    Only the branches on which something happened are read, in one query.
    """
    rows = list(
        Handover.objects.filter(workspace=workspace, branch__in=set(branches))
        .annotate(lying=Count("files", filter=Q(files__archived=False)), stored=Count("files"))
        .only("pk", "name", "key", "text_key", "branch", "date", "state", "superseded_by", "content")
    )
    told = states_of((_standing(row) for row in rows), {row.name for row in rows if named(row, named_keys)})
    pks = {row.name: row.pk for row in rows}
    changed = [row for row in rows if _apply(row, told[row.name], pks)]
    Handover.objects.bulk_update(changed, ["state", "superseded_by"], batch_size=500)
    return len(changed)


def named(row: Handover, keys: set[str]) -> bool:
    """Whether an index that names one of ``keys`` means this handover."""
    return row.key in keys or (row.text_key != "" and row.text_key in keys)


def _standing(row: Handover) -> Standing:
    lying, stored = row.lying, row.stored  # type: ignore[attr-defined]  # annotated above
    return Standing(
        name=row.name,
        branch=row.branch,
        at=row.date,
        readable=row.content_id is not None,
        present=stored > 0,
        archived=stored > 0 and lying == 0,
    )


def _apply(row: Handover, told: Told, pks: dict[str, int]) -> bool:
    later = pks.get(told.superseded_by)
    if (row.state, row.superseded_by_id) == (told.state.value, later):
        return False
    row.state, row.superseded_by_id = State(told.state).value, later
    return True
