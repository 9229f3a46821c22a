"""Reading the record."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max, OuterRef, Subquery

from apps.audit.models import PassScope, SyncPass


@dataclass(frozen=True, slots=True)
class Freshness:
    """How old one source's data is, and why, if it is older than it should be."""

    source: str
    scope: str
    good_at: datetime | None  # start of the last pass without error: all that happened before it is known
    tried_at: datetime | None
    error: str  # of the last pass; empty when that one was good
    error_id: str
    last_pk: int = 0  # the last pass's row

    @property
    def ok(self) -> bool:
        return self.good_at is not None and not self.error


def freshness() -> list[Freshness]:
    """Return one entry for every source and scope that was ever passed over, in two queries.

    An empty scope is a source that had not told its name yet; it gives way to the first one that did.
    """
    passes = SyncPass.objects.filter(source=OuterRef("source"), scope=OuterRef("scope")).order_by("-pk").values("pk")
    scopes = PassScope.objects.annotate(last=Subquery(passes[:1]), good=Subquery(passes.filter(error="")[:1]))
    told = list(scopes.filter(last__isnull=False).order_by("source", "scope").values("source", "scope", "last", "good"))
    rows = SyncPass.objects.in_bulk({row[which] for row in told for which in ("last", "good") if row[which]})
    named = {row["source"] for row in told if row["scope"]}
    return [
        _freshness_of(rows[row["last"]], rows.get(row["good"]))
        for row in told
        if row["scope"] or row["source"] not in named
    ]


def _freshness_of(last: SyncPass, good: SyncPass | None) -> Freshness:
    return Freshness(
        source=last.source,
        scope=last.scope,
        good_at=good.started_at if good else None,
        tried_at=last.finished_at,
        error=last.error,
        error_id=last.error_id,
        last_pk=last.pk,
    )


def held_until(source: str, scope: str) -> datetime | None:
    """Return until when the source asked to be left alone; None when it did not."""
    passes = SyncPass.objects.filter(source=source, scope=scope).order_by("-pk")
    return passes.values_list("retry_at", flat=True).first()


def revision() -> int:
    """Return a number that grows with every finished pass, once what it brought is on the board."""
    return SyncPass.objects.filter(joined=True).aggregate(last=Max("pk"))["last"] or 0


def last_good_cursor(source: str, scope: str) -> dict[str, Any]:
    """Return where the last good pass of this source ended; empty before the first one."""
    last = SyncPass.objects.filter(source=source, scope=scope, error="").order_by("-pk").first()
    return dict(last.cursor) if last else {}
