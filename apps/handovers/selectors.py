"""All reads of the registry."""

from django.db.models import Q, QuerySet

from apps.core.errors import Permanent
from apps.handovers.domain.verifying import IndexFact, VerifyFacts
from apps.handovers.models import CheckoutKey, Handover, Pickup, Version
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep
from apps.workspaces.models import Workspace

MOST = 50
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
    named = Handover.objects.filter(mentions__kind="job", mentions__name=job.job_id)
    return named.filter(mentions__job__cluster=job.cluster).distinct().order_by("-date", "-pk")


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
