"""A pass over the worktrees of one workspace. While branches and indexes stand as they were, git is asked nothing."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.db import transaction

from apps.audit.selectors import last_good_cursor
from apps.audit.services import PassTally, sync_pass
from apps.core.upsert import upsert
from apps.workspaces.models import Workspace
from apps.worktrees.domain.facts import Facts, shown
from apps.worktrees.domain.findings import findings_of
from apps.worktrees.models import Worktree
from apps.worktrees.ports import NoRepository
from apps.worktrees.services.acts import end_those_that_died
from apps.worktrees.services.looking import Repository, Tools, look_at_branches, look_at_checkout

log = structlog.get_logger(__name__)
SOURCE = "worktrees"
LOOK_AGAIN = timedelta(minutes=10)


@dataclass
class Scanned:
    """``changed`` are the paths whose row was made or changed; ``ok`` False where the pass failed."""

    changed: tuple[str, ...] = ()
    ok: bool = True


def scan_worktrees(*, workspace: Workspace, tools: Tools, now: datetime, look_again: timedelta = LOOK_AGAIN) -> Scanned:
    """Bring the rows in line with a workspace's repository; whatever fails is noted with the pass, and nothing lost.

    A worktree is asked again when its index, its head or a name of the practice's table changed, when any branch
    did, and after ``look_again``: a file that was edited and not added shows then at the latest.
    """
    result = Scanned(ok=False)
    with sync_pass(source=SOURCE, scope=workspace.name) as tally:
        tools.store.checkouts(workspace.path)  # ``Transient`` where the filesystem does not answer
        end_those_that_died(now=now)
        _scan(workspace, tools, now, look_again, tally, result)
        result.ok = True
    return result


def _scan(
    workspace: Workspace, tools: Tools, now: datetime, look_again: timedelta, tally: PassTally, result: Scanned
) -> None:
    rows = {row.path: row for row in Worktree.objects.filter(workspace=workspace)}
    try:
        stamp = tools.git.stamp(workspace.path)
    except NoRepository as error:
        Worktree.objects.filter(workspace=workspace).delete()
        tally.cursor = {"none": str(error)}
        return
    stands = last_good_cursor(SOURCE, workspace.name).get("stamp") == stamp and bool(rows)
    due = _due(rows.values(), tools, now - look_again)
    base = str(workspace.config.get("base_branch", ""))
    found: list[tuple[Facts, Path | None, bool]] = []
    gone: set[str] = set()
    if not stands or due:
        only = [Path(path) for path in due] if stands else None
        repository = look_at_branches(workspace.path, tools, base=base, only=only)
        found = _looked(repository, rows, due, workspace, tools, tally)
        gone = set() if stands else {path for path, row in rows.items() if row.kind != "clone"}
        gone -= {facts.path for facts, *_ in found}
    clones = _clones(workspace, rows, found, tools)
    gone |= {path for path, row in rows.items() if row.kind == "clone"} - {one.path for one in clones}
    result.changed = _save(workspace, [*found, *((one, None, True) for one in clones)], rows, gone, tools, now)
    tally.seen, tally.changed = len({*rows, *result.changed} - gone), len(result.changed)
    tally.cursor = {"stamp": stamp}


def _due(rows: Iterable[Worktree], tools: Tools, before: datetime) -> set[str]:
    """The checkouts whose own files changed, or that nobody has asked for long."""
    return {
        row.path
        for row in rows
        if row.kind != "clone"
        and (row.looked_at < before or tools.files.stamp(Path(row.path), _folder(row)) != row.stamp)
    }


def _folder(row: Worktree) -> Path | None:
    return Path(row.folder) if row.folder else None


def _looked(
    repository: Repository, rows: dict[str, Worktree], due: set[str], workspace: Workspace, tools: Tools,
    tally: PassTally,
) -> list[tuple[Facts, Path | None, bool]]:  # fmt: skip
    """Ask what is due; of the others only how their branch stands is new."""
    found: list[tuple[Facts, Path | None, bool]] = []
    for entry in repository.entries:
        path = str(entry.path)
        row = rows.get(path)
        kept = row.told() if row is not None and path not in due else None
        if kept is None or kept.head != entry.head or bool(kept.prunable) != bool(entry.prunable):
            tally.requests += 1
            facts = look_at_checkout(entry, repository, tools, links_into=workspace.links_into)
            found.append((facts, entry.folder, True))
            continue
        told = repository.standing[path]
        facts = replace(kept, branch=entry.branch, merge=told.merge, unpushed=told.unpushed,
                        unpushed_why=told.unpushed_why, locked=entry.locked)  # fmt: skip
        found.append((facts, entry.folder, False))
    return found


def _clones(
    workspace: Workspace, rows: dict[str, Worktree], found: list[tuple[Facts, Path | None, bool]], tools: Tools
) -> list[Facts]:
    paths = [Path(path) for path, row in rows.items() if row.kind != "clone"] or [Path(one.path) for one, *_ in found]
    main = next((Path(row.path) for row in rows.values() if row.kind == "main"), None)
    main = main or next((Path(one.path) for one, *_ in found if one.kind == "main"), workspace.path)
    return [Facts(str(one.path), kind="clone", branch=one.branch) for one in tools.files.clones(main, paths)]


@transaction.atomic
def _save(
    workspace: Workspace, found: list[tuple[Facts, Path | None, bool]], rows: dict[str, Worktree], gone: set[str],
    tools: Tools, now: datetime,
) -> tuple[str, ...]:  # fmt: skip
    wanted = []
    changed: list[str] = []
    for facts, folder, asked in found:
        row = rows.get(facts.path)
        values = _values(facts)
        if row is None or any(getattr(row, name) != value for name, value in values.items()):
            changed.append(facts.path)
        wanted.append(
            {
                "workspace": workspace,
                "path": shown(facts.path),
                **values,
                "folder": str(folder or ""),
                "stamp": tools.files.stamp(Path(facts.path), folder) if asked or row is None else row.stamp,
                "looked_at": now if asked or row is None else row.looked_at,
                "changed_at": now if row is None or facts.path in changed else row.changed_at,
            }
        )
    upsert(Worktree, key=("workspace", "path"), rows=wanted)
    if gone:
        Worktree.objects.filter(workspace=workspace, path__in=gone).delete()
    return (*changed, *sorted(gone))


def _values(facts: Facts) -> dict[str, object]:
    return {
        "kind": facts.kind,
        "branch": shown(facts.branch)[:300],
        "how": facts.merge.how.value,
        "facts": facts.as_json(),
        "findings": [one.as_json() for one in findings_of(facts)],
    }
