"""Bringing rows in line with files: a batch of documents in one transaction, so that a pass that dies loses nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db import transaction

from apps.handovers.domain.changes import Event, Happened, Known, events_of
from apps.handovers.domain.document import Document, Finding
from apps.handovers.models import Content, DocumentFile, Handover, Version
from apps.handovers.services.mentions import save_mentions
from apps.handovers.services.reading import Read, content_of, cut_finding, parsed, values_of
from apps.workspaces.models import Workspace


@dataclass
class FileRow:
    """A file as the registry has it."""

    pk: int
    path: str
    checkout: str
    name: str
    handover_pk: int
    stamp: str
    sha256: str
    content_pk: int | None
    problem: dict[str, Any]

    @property
    def known(self) -> Known:
        return Known(self.path, self.name, self.sha256)


@dataclass
class Batch:
    """``branches`` are those of the checkouts; ``touched`` become the primary keys of handovers that changed."""

    workspace: Workspace
    now: datetime
    branches: dict[str, str]
    mains: set[str]
    touched: set[int] = field(default_factory=set)
    changed_branches: set[str] = field(default_factory=set)
    by_name: dict[str, Handover] = field(default_factory=dict)


def file_rows(workspace: Workspace) -> dict[str, FileRow]:
    """Return every file of a workspace by its path, in one query."""
    rows = DocumentFile.objects.filter(workspace=workspace).values_list(
        "pk", "path", "checkout", "handover__name", "handover_id", "stamp", "content__sha256", "content_id", "problem"
    )
    return {row[1]: FileRow(*row[:6], row[6] or "", *row[7:]) for row in rows}


@transaction.atomic
def register(batch: Batch, read: Sequence[Read], known: dict[str, FileRow], lost: Sequence[FileRow]) -> None:
    """Write down what was read and what is lost; ``known`` are all files as they were."""
    contents = _contents(read, batch.now)
    names = {one.name for one in read} | {row.name for row in lost}
    for row in Handover.objects.filter(workspace=batch.workspace, name__in=names):
        batch.by_name[row.name] = row
    gone = frozenset(name for name in batch.by_name if name not in {row.name for row in known.values()})
    happened = events_of(
        read=[Known(one.found.shown, one.name, one.sha256) for one in read],
        known={path: row.known for path, row in known.items()},
        lost=[row.known for row in lost],
        gone=gone,
    )
    _rename(batch, happened)
    _make_handovers(batch, read)
    _save_files(batch, read, contents, known)
    DocumentFile.objects.filter(pk__in=[row.pk for row in lost]).delete()
    _save_versions(batch, happened, contents)
    affected = {batch.by_name[name].pk for name in names if name in batch.by_name}
    refresh(batch, affected)


def _contents(read: Iterable[Read], now: datetime) -> dict[str, Content]:
    """Return the row of each content by its hash, made where it was never seen."""
    fresh = {one.sha256: content_of(one, now) for one in read if one.data is not None}
    held = {row.sha256: row for row in Content.objects.filter(sha256__in=list(fresh)).defer("text", "raw")}
    missing = [row for sha256, row in fresh.items() if sha256 not in held]
    Content.objects.bulk_create(missing, ignore_conflicts=True, batch_size=50)
    if missing:
        names = [row.sha256 for row in missing]
        held |= {row.sha256: row for row in Content.objects.filter(sha256__in=names).defer("text", "raw")}
    return held


def _rename(batch: Batch, happened: Iterable[Happened]) -> None:
    """A document under another name stays the handover that it was."""
    for one in happened:
        if one.event is Event.RENAMED and one.name not in batch.by_name:
            row = batch.by_name.pop(one.name_before)
            row.name = one.name
            row.save(update_fields=["name"])
            batch.by_name[one.name] = row


def _make_handovers(batch: Batch, read: Iterable[Read]) -> None:
    fresh = {one.name: one for one in read if one.name not in batch.by_name}
    rows = [
        Handover(
            workspace=batch.workspace,
            name=name,
            key=name[:200],
            path=one.found.shown[:2000],
            first_seen_at=batch.now,
            changed_at=batch.now,
        )
        for name, one in fresh.items()
    ]
    batch.by_name |= {row.name: row for row in Handover.objects.bulk_create(rows)}


def _save_files(batch: Batch, read: Sequence[Read], contents: dict[str, Content], known: dict[str, FileRow]) -> None:
    rows = [_file_row(batch, one, contents, known.get(one.found.shown)) for one in read]
    fields = ["handover", "checkout", "archived", "stamp", "modified_at", "content", "problem"]
    DocumentFile.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["workspace", "path"], update_fields=fields, batch_size=200
    )


def _file_row(batch: Batch, one: Read, contents: dict[str, Content], before: FileRow | None) -> DocumentFile:
    found = one.found
    content = contents[one.sha256].pk if one.data is not None else before.content_pk if before else None
    return DocumentFile(
        workspace=batch.workspace,
        handover=batch.by_name[one.name],
        path=found.shown[:2000],
        checkout=str(found.checkout),
        archived=found.archived,
        # What could not be read is tried again at the next look.
        stamp=found.stamp if one.data is not None else "",
        modified_at=found.modified_at,
        content_id=content,
        problem=one.problem.as_json() if one.problem else {},
    )


def _save_versions(batch: Batch, happened: Iterable[Happened], contents: dict[str, Content]) -> None:
    rows = []
    for one in happened:
        handover = batch.by_name[one.name]
        content = contents.get(one.sha256)
        kept = handover.content_id if one.event is Event.DELETED else content.pk if content else None
        rows.append(
            Version(
                handover=handover,
                content_id=kept,
                event=one.event.value,
                at=batch.now,
                path=one.path[:2000],
                path_before=one.path_before[:2000],
            )
        )
    Version.objects.bulk_create(rows, batch_size=200)


def refresh(batch: Batch, pks: set[int]) -> None:
    """Tell anew what these handovers say, from the files that they have now."""
    files: dict[int, list[DocumentFile]] = {pk: [] for pk in pks}
    for file in DocumentFile.objects.filter(handover__in=pks).select_related("content").order_by("path"):
        files[file.handover_id].append(file)
    documents: dict[int, Document] = {}
    rows = list(Handover.objects.filter(pk__in=pks).select_related("content", "handed_over"))
    for row in rows:
        batch.changed_branches.add(row.branch)
        document = _refresh_one(batch, row, files[row.pk])
        if document is not None:
            documents[row.pk] = document
        batch.changed_branches.add(row.branch)
        batch.touched.add(row.pk)
    # An insert that meets the row's own key: several times as quick as an update with a case for every row.
    Handover.objects.bulk_create(rows, update_conflicts=True, update_fields=_COLUMNS, unique_fields=["pk"])
    save_mentions(workspace=batch.workspace, documents=documents)


_COLUMNS = [
    *("key", "text_key", "date", "date_source", "branch", "agent", "author", "focus", "sections", "pending_open"),
    *("pending_done", "findings", "content", "handed_over", "path", "changed_at"),
]


def _refresh_one(batch: Batch, row: Handover, files: list[DocumentFile]) -> Document | None:
    """Put onto ``row`` what its primary file says; without a file it keeps what it said last."""
    row.changed_at = batch.now
    chosen = primary(files, batch.mains)
    if chosen is None:
        return None
    row.path = chosen.path
    findings = _file_findings(files)
    content = chosen.content or row.content
    if content is None:
        row.findings = [one.as_json() for one in findings]
        return None
    document = parsed(content, row.name)
    modified = chosen.modified_at
    for column, value in values_of(document, batch.branches.get(chosen.checkout, ""), modified).items():
        setattr(row, column, value)
    cut = [cut_finding(content.size)] if content.cut else []
    row.findings = [one.as_json() for one in (*document.findings, *cut, *findings)]
    row.content = content
    row.handed_over = row.handed_over or content
    return document


def primary(files: Sequence[DocumentFile], mains: set[str]) -> DocumentFile | None:
    """Return the file that speaks for a handover: one that was read, not in the archive; where copies differ the one
    changed last, where they are equal that of the main checkout."""
    readable = [file for file in files if file.content_id is not None] or list(files)
    lying = [file for file in readable if not file.archived] or readable
    if len({file.content_id for file in lying}) > 1:
        return max(lying, key=lambda file: (file.modified_at is not None, file.modified_at))
    return min(lying, key=lambda file: (file.checkout not in mains, file.path), default=None)


def _file_findings(files: Sequence[DocumentFile]) -> list[Finding]:
    found = [Finding(**file.problem) for file in files if file.problem]
    read = [file for file in files if file.content_id is not None]
    if len({file.content_id for file in read}) > 1:
        told = " and ".join(file.path for file in read[:4])
        found.append(Finding("copies-differ", f"Its copies do not say the same: {told}. Every one of them is kept."))
    elif any(file.archived for file in read) and any(not file.archived for file in read):
        found.append(Finding("archived-twice", "It lies in the archive and outside of it."))
    return list({one.sentence: one for one in found}.values())
