"""How old a handover is: the key's date, then the header's, then the file's, because a clone makes every file new."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from apps.handovers.domain.keys import key_in

LATE_EOD = 26 * 3600  # seconds that a header's time may differ from the key's: zones, and an evening that grew long


@dataclass(frozen=True, slots=True)
class Dated:
    """``source`` is key, header, file or unknown; ``at`` is None only where it is unknown."""

    at: datetime | None
    source: str

    def days(self, now: datetime) -> float | None:
        return None if self.at is None else (now - self.at).total_seconds() / 86_400


def dated(key: str, header_date: datetime | None, modified_at: datetime | None) -> Dated:
    """Return when a handover was written, and which of the three says so."""
    told = key_in(key)
    if told is not None and told.at is not None:
        return Dated(told.at, "key")
    if header_date is not None:
        return Dated(header_date, "header")
    return Dated(modified_at, "file" if modified_at is not None else "unknown")


@dataclass(frozen=True, slots=True)
class ArchiveFacts:
    """What decides whether one document may go to the archive; ``held_by`` are sentences of who still uses it."""

    dated: Dated
    named_by: tuple[str, ...] = ()
    held_by: tuple[str, ...] = ()
    archived: bool = False


@dataclass(frozen=True, slots=True)
class ArchiveDecision:
    archive: bool
    reason: str


def may_archive(facts: ArchiveFacts, now: datetime, days: float) -> ArchiveDecision:
    """Decide by the practice: older than ``days``, in no index as the current one, and used by nobody.

    What has no date at all stays where it is.
    """
    if facts.archived:
        return ArchiveDecision(False, "it is in the archive already")
    if facts.named_by:
        return ArchiveDecision(False, f"it is the current one in {', '.join(facts.named_by)}")
    if facts.held_by:
        return ArchiveDecision(False, "; ".join(facts.held_by))
    age = facts.dated.days(now)
    if age is None:
        return ArchiveDecision(False, "nothing tells how old it is")
    told = f"{age:.1f} days old by its {facts.dated.source}"
    if timedelta(days=age) <= timedelta(days=days):
        return ArchiveDecision(False, f"it is {told}, and stays for {days:g}")
    return ArchiveDecision(True, f"it is {told}, more than {days:g}")
