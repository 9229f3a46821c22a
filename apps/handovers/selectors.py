"""All reads of the registry."""

from collections.abc import Iterable, Sequence

from django.db.models import Count, Q, QuerySet

from apps.core.errors import Permanent
from apps.handovers.domain.verifying import IndexFact, VerifyFacts
from apps.handovers.models import CheckoutKey, Handover, Mention, Pickup, Version
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep
from apps.workspaces.models import Workspace

MOST = 50
SHORTEST_SHA = 7
_KEY_FINDINGS = ("two-files-one-key", "key-mismatch", "copies-differ")


def handovers(workspace: Workspace | None = None) -> QuerySet[Handover]:
    """Return what lies on a disk, newest first; of one workspace or of all."""
    rows = Handover.objects.present().select_related("superseded_by", "workspace").order_by("-date", "-pk")
    return rows if workspace is None else rows.filter(workspace=workspace)


def handovers_of_sweep(sweep: Sweep) -> QuerySet[Handover]:
    """Return the handovers that name a sweep or one of its runs, newest first."""
    named = Q(mentions__sweep=sweep) | Q(mentions__run__sweep=sweep)
    return Handover.objects.filter(named).distinct().order_by("-date", "-pk")


def handovers_of_run(run: Run) -> QuerySet[Handover]:
    return Handover.objects.filter(mentions__run=run).order_by("-date", "-pk")


def handovers_of_job(job: Job) -> QuerySet[Handover]:
    """Return the handovers that name a job, whichever of its attempts."""
    named = Handover.objects.filter(mentions__kind="job", mentions__name=job.job_id, mentions__job__cluster=job.cluster)
    return named.distinct().order_by("-date", "-pk")


def numbers_naming_jobs(jobs: Iterable[Job]) -> dict[tuple[str, str], int]:
    """Return by cluster and id of those jobs that handovers name how many do, in one query."""
    wanted = {(job.cluster, job.job_id) for job in jobs}
    rows = Mention.objects.filter(kind="job", name__in={job_id for _, job_id in wanted}).order_by()
    counted = rows.values_list("job__cluster", "name").annotate(number=Count("handover", distinct=True))
    return {(cluster, name): number for cluster, name, number in counted if (cluster, name) in wanted}


def handovers_naming_branch(workspace: str, branch: str) -> QuerySet[Handover]:
    """Return the handovers of other branches that name this one, newest first."""
    named = Handover.objects.filter(workspace__name=workspace, mentions__kind="branch", mentions__name=branch)
    return named.exclude(branch=branch).distinct().order_by("-date", "-pk")


def handovers_of_commit(sha: str) -> QuerySet[Handover]:
    """Return the handovers that name a commit, however much of its hash they write, newest first."""
    names = [name for name in _commits_like([sha]) if _is_same(name, sha)]
    found = Handover.objects.filter(mentions__kind="commit", mentions__name__in=names)
    return found.distinct().order_by("-date", "-pk")


def named_elsewhere(handover: Handover, shas: Sequence[str]) -> set[str]:
    """Return those of the commits that another handover names too, in one query; none where none is asked for."""
    others = list(_commits_like(shas).exclude(handover=handover)) if shas else []
    return {sha for sha in shas if any(_is_same(sha, name) for name in others)}


def _commits_like(shas: Iterable[str]) -> QuerySet[Mention, str]:
    """The commits that begin as one of these does; between two names, which the index answers."""
    begins = Q(pk=None)
    for beginning in {sha[:SHORTEST_SHA] for sha in shas}:
        begins |= Q(name__gte=beginning, name__lt=f"{beginning}g")
    return Mention.objects.filter(begins, kind="commit").order_by().values_list("name", flat=True).distinct()


def _is_same(one: str, other: str) -> bool:
    return one.startswith(other) or other.startswith(one)


def find_handovers(key: str, workspace: Workspace | None = None) -> list[Handover]:
    """Return the handovers that ``key`` stands for: the whole key, or any fragment of one; those on a disk first.

    At most ``MOST``. An exact key beats fragments, also where it is that of the text only.
    """
    rows = Handover.objects.select_related("superseded_by", "workspace", "content", "handed_over")
    rows = rows if workspace is None else rows.filter(workspace=workspace)
    exact = list(rows.filter(Q(key=key) | Q(name=key) | Q(text_key=key)).order_by("-date", "-pk")[:MOST])
    found = exact or list(rows.filter(Q(key__icontains=key) | Q(name__icontains=key)).order_by("-date", "-pk")[:MOST])
    return sorted(found, key=lambda row: (row.state == "gone", row.key != key))


def handover_of(key: str, workspace: Workspace | None = None) -> Handover:
    """Return the one handover that ``key`` or a fragment means; ``Permanent`` where none or several are meant."""
    found = find_handovers(key, workspace) if key.strip() else []
    if not found:
        raise Permanent(f"No handover has the key '{key}', nor one that holds it.")
    if len({row.key for row in found}) > 1:
        named = ", ".join(row.key for row in found[:5])
        raise Permanent(f"'{key}' is part of several keys: {named}. Write more of it.")
    return found[0]


def live_pickup(handover: Handover) -> Pickup | None:
    """Return who goes on with a handover; of several the last one."""
    return handover.pickups.filter(released_at=None).order_by("-pk").first()


def previous_of(workspace: Workspace, branch: str) -> Handover | None:
    """Return the newest handover of a branch that lies on a disk, with what it says."""
    rows = Handover.objects.present().filter(workspace=workspace, branch=branch, content__isnull=False)
    return rows.select_related("content").order_by("-date", "-pk").first()


def index_facts(workspace: Workspace, checkout: str = "") -> tuple[IndexFact, ...]:
    """Return what the index of each checkout says, or of the one that is asked for."""
    rows = CheckoutKey.objects.filter(workspace=workspace).order_by("-is_main", "path")
    rows = rows.filter(path=checkout) if checkout else rows
    return tuple(
        IndexFact(
            f"{row.path}/CLAUDE.md", row.key, str(row.problem.get("sentence", "")), row.has_index, mentions=row.mentions
        )
        for row in rows
    )


def verify_facts(handover: Handover, checkout: str = "") -> VerifyFacts:
    """Return what the registry knows of a handover; ``checkout`` asks for one index only."""
    edited = Version.objects.filter(handover=handover).exclude(event__in=("appeared", "moved", "renamed"))
    edits = tuple(f"{row.event} {row.at:%Y-%m-%d %H:%M} UTC." for row in edited)
    return VerifyFacts(
        key=handover.key,
        path=handover.path,
        state=handover.state,
        superseded_by=handover.superseded_by.key if handover.superseded_by else "",
        indexes=index_facts(handover.workspace, checkout),
        handed_over=handover.handed_over.sha256 if handover.handed_over else "",
        now=handover.content.sha256 if handover.content and handover.state != "gone" else "",
        edits=edits,
        findings=tuple(one["sentence"] for one in handover.findings if one["id"] in _KEY_FINDINGS),
    )
