"""Pages of lists, each beginning after the place where the one before ended."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from django.db.models import Model, QuerySet

from apps.api.domain.cursors import Place, cursor_of, place_of
from apps.api.schemas.base import Paged

M = TypeVar("M", bound=Model)
T = TypeVar("T")


def newest_first(rows: QuerySet[M], wish: Paged, order: str) -> tuple[list[M], str | None]:
    """Return one page of rows by their number, the highest first, and the cursor of the next page."""
    place = place_of(wish.cursor, order, int)
    rows = rows.filter(pk__lt=place[0]) if place else rows
    found = list(rows.order_by("-pk")[: wish.limit + 1])
    return with_next(found, wish, order, lambda row: (row.pk,))


def in_order(rows: QuerySet[M], wish: Paged, order: str) -> tuple[list[M], str | None]:
    """Return one page of rows in the order that they have, and the cursor of the next page.

    It begins after so many rows: a column may hold anything or nothing, and what comes in meanwhile may move the rest.
    """
    place = place_of(wish.cursor, order, int)
    begins = max(0, int(place[0])) if place else 0
    found = list(rows[begins : begins + wish.limit + 1])
    return found[: wish.limit], cursor_of(order, (begins + wish.limit,)) if len(found) > wish.limit else None


def slice_of(
    every: Sequence[T], wish: Paged, order: str, place: Callable[[T], Place], *kinds: type
) -> tuple[list[T], str | None]:
    """Return one page of what is in memory, in ascending order of ``place``, and the cursor of the next page."""
    begins = place_of(wish.cursor, order, *kinds)
    ordered = sorted((one for one in every if begins is None or place(one) > begins), key=place)
    return with_next(ordered[: wish.limit + 1], wish, order, place)


def with_next(found: list[T], wish: Paged, order: str, place: Callable[[T], Place]) -> tuple[list[T], str | None]:
    """Return what fits on the page, and the cursor of the next one where there is more."""
    if len(found) <= wish.limit:
        return found, None
    kept = found[: wish.limit]
    return kept, cursor_of(order, place(kept[-1]))
