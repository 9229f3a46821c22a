"""Bulk upsert that touches only the rows that changed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from django.db import models

M = TypeVar("M", bound=models.Model)
BATCH = 500


@dataclass
class Upserted(Generic[M]):
    """The rows that an upsert made or changed; ``before`` holds the old values by primary key."""

    created: list[M] = field(default_factory=list)
    updated: list[M] = field(default_factory=list)
    before: dict[int, dict[str, Any]] = field(default_factory=dict)

    @property
    def changed(self) -> list[M]:
        return [*self.created, *self.updated]


def upsert(
    model: type[M],
    *,
    key: Sequence[str],
    rows: Iterable[Mapping[str, Any]],
    keep_if_empty: Sequence[str] = (),
) -> Upserted[M]:
    """Create or update one row per mapping and return what changed; run it inside a transaction.

    ``key`` names the fields that tell rows apart; of several mappings with one key the last wins.
    A field in ``keep_if_empty`` keeps its old value when the new one is empty ("", None or 0). Text that
    does not fit its column is made to: one odd row from outside must not fail the others.
    """
    widths = _widths(model)
    fitting = (
        {**row, **{name: _fitted(row[name], widths[name]) for name in widths.keys() & row.keys()}} for row in rows
    )
    wanted = {tuple(row[name] for name in key): row for row in fitting}
    result: Upserted[M] = Upserted()
    keys = list(wanted)
    for start in range(0, len(keys), BATCH):
        batch = {one: wanted[one] for one in keys[start : start + BATCH]}
        _upsert_batch(model, key, batch, set(keep_if_empty), result)
    return result


def _widths(model: type[models.Model]) -> dict[str, int]:
    """Return the columns that hold text, and how many characters; 0 for any number."""
    fields = (field for field in model._meta.concrete_fields if isinstance(field, models.CharField | models.TextField))
    return {field.attname: field.max_length or 0 for field in fields}


def _fitted(value: Any, width: int) -> Any:
    if not isinstance(value, str):
        return value
    text = value.replace("\x00", "")  # PostgreSQL takes no NUL
    return text[:width] if width else text


def _upsert_batch(
    model: type[M],
    key: Sequence[str],
    wanted: Mapping[tuple[Any, ...], Mapping[str, Any]],
    keep_if_empty: set[str],
    result: Upserted[M],
) -> None:
    existing = _existing(model, key, wanted)
    created: list[M] = []
    updated: list[M] = []
    for one, row in wanted.items():
        found = existing.get(one)
        if found is None:
            created.append(model(**row))
        elif old := _apply(found, row, keep_if_empty):
            updated.append(found)
            result.before[found.pk] = old
    manager = model._default_manager
    if created:
        # Another worker may have created the same row a moment ago: then this one updates it. Either way
        # the database tells the primary keys, so nothing is read back.
        fields = [name for name in next(iter(wanted.values())) if name not in key]
        created = manager.bulk_create(created, update_conflicts=True, update_fields=fields, unique_fields=list(key))
    if updated:
        names = {name for found in updated for name in result.before[found.pk]}
        # An insert that meets the row's own key: several times as quick as an update with a case for every row.
        manager.bulk_create(updated, update_conflicts=True, update_fields=sorted(names), unique_fields=["pk"])
    result.created += created
    result.updated += updated


def _existing(
    model: type[M], key: Sequence[str], wanted: Mapping[tuple[Any, ...], Mapping[str, Any]]
) -> dict[tuple[Any, ...], M]:
    if not wanted:
        return {}
    # The longest list of distinct values narrows best; the rest is compared here.
    values = {name: {one[index] for one in wanted} for index, name in enumerate(key)}
    lookups = {f"{name}__in": options for name, options in values.items()}
    found = model._default_manager.filter(**lookups)
    return {one: row for row in found if (one := tuple(getattr(row, name) for name in key)) in wanted}


def _apply(found: models.Model, row: Mapping[str, Any], keep_if_empty: set[str]) -> dict[str, Any]:
    """Put the new values onto ``found`` and return the old ones that they replace."""
    old: dict[str, Any] = {}
    for name, value in row.items():
        present = getattr(found, name)
        if present == value or (name in keep_if_empty and value in ("", None, 0)):
            continue
        old[name] = present
        setattr(found, name, value)
    return old
