"""What documents name, as rows that lead both ways: resolved when a document is read, and again when a run appears."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Max, Q

from apps.handovers.domain.document import Document, Names
from apps.handovers.models import Mention
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep
from apps.workspaces.models import Workspace

BATCH = 500
Targets = dict[tuple[str, str], int]
_COLUMN = {"sweep": "sweep_id", "run": "run_id", "job": "job_id"}  # of Mention: Django's names of the foreign keys


def named_by(names: Names) -> dict[tuple[str, str], None]:
    """Return (kind, name) of everything that a document names, in order."""
    kinds = {
        "sweep": names.sweeps,
        "run": names.runs,
        "job": names.jobs,
        "branch": names.branches,
        "commit": names.commits,
        "handover": names.handovers,
    }
    return {(kind, name[:300]): None for kind, told in kinds.items() for name in told}


def save_mentions(*, workspace: Workspace, documents: Mapping[int, Document]) -> None:
    """Make the mentions of these handovers (documents by primary key) what their newest text names."""
    wanted = {pk: named_by(document.names) for pk, document in documents.items()}
    present = list(Mention.objects.filter(handover__in=wanted).values_list("pk", "handover_id", "kind", "name"))
    stale = [pk for pk, owner, kind, name in present if (kind, name) not in wanted[owner]]
    Mention.objects.filter(pk__in=stale).delete()
    held = {(owner, kind, name) for _, owner, kind, name in present}
    fresh = [(pk, kind, name) for pk, named in wanted.items() for kind, name in named if (pk, kind, name) not in held]
    targets = _targets(workspace, {(kind, name) for _, kind, name in fresh})
    rows = [Mention(handover_id=pk, kind=kind, name=name, **_target(kind, name, targets)) for pk, kind, name in fresh]
    Mention.objects.bulk_create(rows, batch_size=BATCH, ignore_conflicts=True)


def _target(kind: str, name: str, targets: Targets) -> dict[str, Any]:
    found = targets.get((kind, name))
    return {} if found is None else {_COLUMN[kind]: found}


def _targets(workspace: Workspace, named: Iterable[tuple[str, str]]) -> Targets:
    """Return the primary keys of what is named. Of several the newest; of sweeps and runs the workspace's own."""
    found: Targets = {}
    by_kind: dict[str, list[str]] = {"sweep": [], "run": [], "job": []}
    for kind, name in named:
        by_kind.get(kind, []).append(name)
    own = Q()
    for path in workspace.projects:
        entity, _, project = path.partition("/")
        own |= Q(entity=entity, project=project)
    for batch in _batches(by_kind["sweep"]):
        sweeps = Sweep.objects.filter(own, sweep_id__in=batch).order_by("pk")
        found |= {("sweep", name): pk for name, pk in sweeps.values_list("sweep_id", "pk")}
    for batch in _batches(by_kind["run"]):
        runs = Run.objects.filter(own, run_id__in=batch).order_by("pk")
        found |= {("run", name): pk for name, pk in runs.values_list("run_id", "pk")}
    for batch in _batches(by_kind["job"]):
        jobs = Job.objects.filter(job_id__in=batch).order_by("submit_at")
        found |= {("job", name): pk for name, pk in jobs.values_list("job_id", "pk")}
    return found


def _batches(names: list[str]) -> Iterable[list[str]]:
    return (names[start : start + BATCH] for start in range(0, len(names), BATCH))


def newest_rows() -> dict[str, int]:
    """Return the highest primary key of sweeps, runs and jobs: what a later look has not seen yet comes after it."""
    return {
        "sweep": Sweep.objects.aggregate(last=Max("pk"))["last"] or 0,
        "run": Run.objects.aggregate(last=Max("pk"))["last"] or 0,
        "job": Job.objects.aggregate(last=Max("pk"))["last"] or 0,
    }


def resolve_again(*, workspace: Workspace, since: Mapping[str, int], until: Mapping[str, int]) -> int:
    """Link mentions to sweeps, runs and jobs that came after ``since``; return how many mentions found theirs.

    Costs nothing for a kind of which nothing came.
    """
    resolved = 0
    for kind, last in until.items():
        if last > since.get(kind, 0):
            resolved += _resolve_kind(workspace, kind, since.get(kind, 0))
    return resolved


def _resolve_kind(workspace: Workspace, kind: str, since: int) -> int:
    came = {
        "sweep": Sweep.objects.filter(pk__gt=since).values("sweep_id"),
        "run": Run.objects.filter(pk__gt=since).values("run_id"),
        "job": Job.objects.filter(pk__gt=since).values("job_id"),
    }[kind]
    open_ones = Mention.objects.filter(
        handover__workspace=workspace, kind=kind, sweep=None, run=None, job=None, name__in=came
    )
    waiting = list(open_ones)
    targets = _targets(workspace, {(one.kind, one.name) for one in waiting})
    found = [one for one in waiting if (one.kind, one.name) in targets]
    for one in found:
        setattr(one, _COLUMN[kind], targets[one.kind, one.name])
    Mention.objects.bulk_update(found, [kind], batch_size=BATCH)
    return len(found)
