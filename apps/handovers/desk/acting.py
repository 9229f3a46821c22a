"""Writing, archiving and restoring handovers of a place, registered or not."""

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

from apps.core.errors import Permanent
from apps.handovers import selectors
from apps.handovers.desk.places import Where
from apps.handovers.desk.reading import pick, refresh
from apps.handovers.domain.age import ArchiveFacts, Dated, may_archive
from apps.handovers.entries import Entry, Folder, read_folder
from apps.handovers.ports import DocumentStore, WorkSource
from apps.handovers.services.archiving import ANY_AGE, Outcome, archive_old, restored_outcome
from apps.handovers.services.archiving import restore as restore_row
from apps.handovers.services.following import move_files, would_follow
from apps.handovers.services.pickups import PickedUp, pick_up
from apps.handovers.services.prefilling import Prefill, Previous, prefill
from apps.handovers.services.writing import Wish, Written, write_handover
from apps.workspaces.domain import Policy


def prefilled(where: Where, store: DocumentStore, work: WorkSource, now: datetime) -> Prefill:
    """Return what a new handover of a place begins with."""
    if where.workspace is not None:
        refresh(where, store, now)
        return prefill(checkout=where.checkout, store=store, work=work, workspace=where.workspace)
    previous = _previous(read_folder(store, where.checkout), where.checkout)
    return prefill(checkout=where.checkout, store=store, work=work, workspace=None, previous=previous)


def _previous(folder: Folder, checkout: Path) -> Previous:
    """The newest document of the branch that is checked out; without git the newest of all."""
    here = next((one for one in folder.seen.checkouts if one.path.resolve() == checkout.resolve()), folder.seen.main)
    same = [one for one in folder.entries if one.document is not None and here.branch in ("", one.branch)]
    if not same or same[0].document is None:
        return Previous()
    return Previous(same[0].key, same[0].date, same[0].document.pending, same[0].document.checks)


def written(where: Where, wish: Wish, told: Prefill, store: DocumentStore, now: datetime, actor: str) -> Written:
    return write_handover(wish=wish, prefill=told, store=store, now=now, actor=actor, workspace=where.workspace)


def picked_up(where: Where, key: str, who: str, kind: str, store: DocumentStore, now: datetime) -> PickedUp:
    """Record a pickup; ``Permanent`` for a folder of no workspace, because nobody would remember it."""
    if where.workspace is None:
        raise Permanent(
            f"{where.checkout} belongs to no workspace of Sweepboard, so nobody would remember the pickup. "
            "Add it to sweepboard.toml."
        )
    refresh(where, store, now)
    row = selectors.handover_of(key, where.workspace)
    return pick_up(handover=row, who=who, kind=kind, now=now, checkout=str(where.checkout))


def archived(
    where: Where, keys: Sequence[str], store: DocumentStore, now: datetime, actor: str, *, dry_run: bool
) -> list[Outcome]:
    """Archive what is old, or these keys; an outcome for each handover that was looked at."""
    if where.workspace is not None:
        refresh(where, store, now)
        only = [selectors.handover_of(key, where.workspace).key for key in keys]
        return archive_old(workspace=where.workspace, store=store, now=now, actor=actor, dry_run=dry_run, only=only)
    folder = read_folder(store, where.checkout)
    chosen = [pick(folder.entries, key) for key in keys] or [one for one in folder.entries if one.state != "archived"]
    days = ANY_AGE if keys else Policy().handover_archive_days
    return [_archive_entry(one, folder, store, now, days, dry_run=dry_run) for one in chosen]


def _archive_entry(
    one: Entry, folder: Folder, store: DocumentStore, now: datetime, days: float, *, dry_run: bool
) -> Outcome:
    naming = [index for index in folder.seen.indexes if index.key and index.key in (one.key, one.text_key)]
    unread = [index.file.problem.sentence for index in folder.seen.indexes if index.file.problem and not index.key]
    facts = ArchiveFacts(
        Dated(one.date, one.date_source),
        named_by=tuple(str(index.file.path) for index in naming),
        held_by=tuple(f"an index cannot be read: {sentence}" for sentence in unread),
        archived=one.state == "archived",
    )
    decision = may_archive(facts, now, days)
    places = [Path(path) for path, in_archive in one.files if not in_archive and decision.archive]
    if not decision.archive or dry_run:
        links = would_follow(store, places, into_archive=True)
        return Outcome(one.key, one.path, decision.archive, decision.reason, links=links)
    done = move_files(store, places, into_archive=True)
    return Outcome(one.key, one.path, True, decision.reason, done.paths, done.error, done.links)


def restored(where: Where, key: str, store: DocumentStore, now: datetime, actor: str) -> Outcome:
    """Bring one handover back from the archive."""
    if where.workspace is not None:
        refresh(where, store, now)
        return restore_row(handover=selectors.handover_of(key, where.workspace), store=store, now=now, actor=actor)
    one = pick(read_folder(store, where.checkout).entries, key)
    places = [Path(path) for path, in_archive in one.files if in_archive]
    if not places:
        raise Permanent(f"{one.key} is not in the archive.")
    done = move_files(store, places, into_archive=False)
    if done.error and not done.paths:
        raise Permanent(done.error)
    return restored_outcome(one.key, done)
