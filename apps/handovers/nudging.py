"""Reading what nudges are about: a fixed number of queries, however many checkouts and handovers there are."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.db.models import OuterRef, Subquery

from apps.handovers.domain.nudges import BranchFacts, Nudge, Reported, nudges_of
from apps.handovers.models import CheckoutKey, CheckoutWork, Exchange, Handover
from apps.sweeps.models import Run
from apps.workspaces.models import Workspace

MOST_RUNS = 2000
MINUTE = timedelta(seconds=59)  # a key tells its minute only: what was written in it was handed over by its end
Place = tuple[int, str]  # a workspace's primary key, and a branch or a path in it


@dataclass(frozen=True, slots=True)
class Done:
    """What git told of a checkout, and when the branch that it left was handed over."""

    work: CheckoutWork
    left_at: datetime | None


def newest_of_branch(name: str) -> Subquery:
    """Return the date of the newest handover of the branch in column ``name`` of a row that has a workspace."""
    rows = Handover.objects.present().filter(workspace=OuterRef("workspace"), branch=OuterRef(name), date__isnull=False)
    return Subquery(rows.order_by("-date").values("date")[:1])


def nudges(now: datetime, workspace: Workspace | None = None) -> list[Nudge]:
    """Return the handovers that are due now, of one workspace or of all."""
    facts: dict[int, list[BranchFacts]] = defaultdict(list)
    policies = {}
    for owner, told in _facts(workspace):
        facts[owner.pk].append(told)
        policies[owner.pk] = owner.policy
    return [nudge for pk, every in facts.items() for nudge in nudges_of(every, now, policies[pk].handover_exchanges)]


def _facts(workspace: Workspace | None) -> list[tuple[Workspace, BranchFacts]]:
    keys = CheckoutKey.objects.filter(workspace__in=_active(workspace)).exclude(branch="").select_related("workspace")
    rows = list(keys.annotate(handed_over=newest_of_branch("branch")).order_by("workspace__name", "-is_main", "path"))
    works = _works([row.workspace_id for row in rows])
    reports = _reports([row.workspace_id for row in rows])
    begun = _begun(rows, works)
    return [(row.workspace, _of(row, row.handed_over, works, reports, begun)) for row in rows]


def _active(workspace: Workspace | None) -> Iterable[Workspace]:
    return [workspace] if workspace is not None else Workspace.objects.filter(active=True)


def _works(pks: Iterable[int]) -> dict[Place, Done]:
    rows = CheckoutWork.objects.filter(workspace__in=set(pks)).annotate(left=newest_of_branch("switched_from"))
    return {(row.workspace_id, row.path): Done(row, row.left) for row in rows}


def _reports(pks: Iterable[int]) -> Mapping[Place, list[Reported]]:
    found: dict[Place, list[Reported]] = defaultdict(list)
    for row in Exchange.objects.filter(workspace__in=set(pks)).order_by("pk"):
        found[row.workspace_id, row.branch].append(Reported(row.agent, row.count, row.at))
    return found


def _begun(rows: Sequence[CheckoutKey], works: Mapping[Place, Done]) -> dict[Place, list[datetime]]:
    """Return when runs began in each checkout: by the folder of the run's job, else in the main checkout."""
    since = [done.work.since for done in works.values()]
    if not since:
        return {}
    found: dict[Place, list[datetime]] = defaultdict(list)
    mains = {project: row for row in rows if row.is_main for project in row.workspace.projects}
    runs = Run.objects.filter(created_at__gt=min(since)).order_by("-created_at", "-pk")
    told = runs.values_list("pk", "entity", "project", "created_at", "job_links__job__work_dir")
    seen: set[int] = set()
    for pk, entity, project, at, folder in told[:MOST_RUNS]:
        main = mains.get(f"{entity}/{project}")
        if main is None or at is None or pk in seen:
            continue
        seen.add(pk)
        home = _home(folder or "", [row.path for row in rows if row.workspace_id == main.workspace_id]) or main.path
        found[main.workspace_id, home].append(at)
    return found


def _home(folder: str, checkouts: Iterable[str]) -> str:
    """The checkout in which a folder lies; of several the innermost."""
    inside = [path for path in checkouts if f"{folder}/".startswith(f"{path}/")]
    return max(inside, key=len, default="")


def _of(
    row: CheckoutKey,
    handed_over: datetime | None,
    works: Mapping[Place, Done],
    reports: Mapping[Place, list[Reported]],
    begun: Mapping[Place, list[datetime]],
) -> BranchFacts:
    place = (row.workspace_id, row.path)
    facts = BranchFacts(
        workspace=row.workspace.name,
        branch=row.branch,
        checkout=row.path,
        handed_over_at=handed_over + MINUTE if handed_over else None,
        reported=tuple(reports.get((row.workspace_id, row.branch), ())),
    )
    done = works.get(place)
    # What git told of another branch, or before the newest handover, tells nothing of this one.
    if done is None or done.work.branch != row.branch or (handed_over or done.work.since) > done.work.since:
        return facts
    return replace(
        facts,
        switched_from=done.work.switched_from,
        switched_at=done.work.switched_at,
        left_at=done.left_at + MINUTE if done.left_at else None,
        commits=done.work.commits,
        runs=sum(at > done.work.since for at in begun.get(place, ())),
    )
