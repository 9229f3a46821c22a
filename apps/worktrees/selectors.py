"""All reads of worktrees: what the passes found, with the handover and the jobs of each."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from apps.audit.selectors import Freshness, freshness
from apps.core.clock import utcnow
from apps.handovers.models import Handover
from apps.slurm.models import Job
from apps.slurm.selectors import cluster_sources
from apps.workspaces.models import Workspace
from apps.worktrees.domain.acts import JobFacts, refusals_of
from apps.worktrees.domain.facts import Facts
from apps.worktrees.domain.findings import Finding
from apps.worktrees.models import Worktree, WorktreeAct
from apps.worktrees.services.jobs import runs_from

SOURCE = "worktrees"
MOST_ACTS = 30
SHOWN = ("findings", "merged", "dirty", "unpushed")


@dataclass(frozen=True, slots=True)
class JobHere:
    """A live job that runs from a worktree, as the last pass over Slurm told it."""

    cluster: str
    job_id: str
    name: str
    state: str


@dataclass(frozen=True, slots=True)
class HandoverHere:
    """The handover that a worktree's CLAUDE.md names, as the registry has it; ``pk`` None where it has none."""

    key: str
    focus: str = ""
    state: str = ""
    pk: int | None = None


@dataclass(frozen=True, slots=True)
class WorktreeView:
    """One worktree for screens, the API and agents. ``jobs`` is None where Slurm did not answer lately."""

    pk: int
    workspace: str
    facts: Facts
    findings: tuple[Finding, ...]
    looked_at: datetime
    handover: HandoverHere | None
    jobs: tuple[JobHere, ...] | None

    @property
    def name(self) -> str:
        return self.facts.path.rstrip("/").rpartition("/")[2]

    @property
    def finding_ids(self) -> tuple[str, ...]:
        """The kinds of findings, each once."""
        return tuple(dict.fromkeys(one.id for one in self.findings))

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why it may not be cleaned up, by what the passes know; empty where a fresh look is worth it."""
        live = tuple(f"{one.job_id} ({one.state})" for one in self.jobs or ())
        unknown = "" if self.jobs is not None else "Slurm did not answer lately."
        return refusals_of(self.facts, JobFacts(live, unknown))

    @property
    def held_files(self) -> int | None:
        return None if self.facts.held is None else sum(one.files for one in self.facts.held)

    @property
    def held_bytes(self) -> int | None:
        return None if self.facts.held is None else sum(one.bytes for one in self.facts.held)


def worktrees_of(workspace: Workspace) -> list[WorktreeView]:
    """Return the main checkout, its worktrees and clones beside it, as last looked at."""
    return _views(Worktree.objects.filter(workspace=workspace).select_related("workspace"))


def all_worktrees() -> list[WorktreeView]:
    """Return those of every active workspace; as many queries as for one."""
    return _views(Worktree.objects.filter(workspace__active=True).select_related("workspace"))


def worktree_view(row: Worktree) -> WorktreeView:
    return _views([row])[0]


def is_shown(view: WorktreeView, show: str, q: str) -> bool:
    """Tell whether a worktree is one of those that ``show`` names, and has every word of ``q``."""
    facts = view.facts
    wanted = {
        "findings": bool(view.findings),
        "merged": facts.merge.merged is True,
        "dirty": facts.dirty is True,
        "unpushed": bool(facts.unpushed),
    }.get(show, True)
    words = f"{facts.path} {facts.branch} {facts.focus} {view.workspace} {facts.key}".lower()
    return wanted and all(word in words for word in q.lower().split())


def _views(rows: Iterable[Worktree]) -> list[WorktreeView]:
    found = list(rows)
    told = {row.pk: row.told() for row in found}
    handovers = _handovers(found, told)
    jobs = _live_jobs([facts.path for facts in told.values()]) if found else {}
    return [
        WorktreeView(
            pk=row.pk,
            workspace=row.workspace.name,
            facts=told[row.pk],
            findings=tuple(Finding(**one) for one in row.findings),
            looked_at=row.looked_at,
            handover=_handover(told[row.pk], handovers.get((row.workspace_id, told[row.pk].key))),
            jobs=None if jobs is None else tuple(jobs.get(row.path, ())),
        )
        for row in sorted(found, key=_place)
    ]


def _place(row: Worktree) -> tuple[str, int, str]:
    order = {"main": 0, "worktree": 1, "clone": 2}
    return row.workspace.name, order.get(row.kind, 3), row.path


def _handovers(rows: Sequence[Worktree], told: dict[int, Facts]) -> dict[tuple[int, str], Handover]:
    keys = {facts.key for facts in told.values() if facts.key}
    workspaces = {row.workspace_id for row in rows}
    if not keys:
        return {}
    found = Handover.objects.present().filter(workspace__in=workspaces, key__in=keys).defer("findings", "sections")
    return {(one.workspace_id, one.key): one for one in found.order_by("date", "pk")}


def _handover(facts: Facts, row: Handover | None) -> HandoverHere | None:
    if row is not None:
        return HandoverHere(row.key, row.focus, row.state, row.pk)
    return HandoverHere(facts.key) if facts.key else None


def _live_jobs(paths: Sequence[str]) -> dict[str, list[JobHere]] | None:
    """The live jobs by the worktree that they run from, the innermost; None where a cluster did not answer."""
    clusters = cluster_sources(freshness())
    if not clusters or not all(one.ok for one in clusters):
        return None
    found: dict[str, list[JobHere]] = {}
    inner = sorted(paths, key=len, reverse=True)
    rows = Job.objects.live().order_by("pk").values_list(
        "cluster", "job_id", "name", "state", "work_dir", "stdout_path", "command"
    )  # fmt: skip
    for cluster, job_id, name, state, *places in rows:
        path = next((one for one in inner if runs_from([one], *places)), None)
        if path is not None:
            found.setdefault(path, []).append(JobHere(cluster, job_id, name, state))
    return found


@dataclass(frozen=True, slots=True)
class PassState:
    """How fresh a workspace's worktrees are. ``level`` is waiting (no pass yet), failed, stale, none (no git) or ok."""

    workspace: str
    level: str
    source: Freshness | None
    said: str = ""


def pass_states(workspaces: Sequence[Workspace], *, late_seconds: float) -> list[PassState]:
    """Return one state for each workspace; three queries."""
    told = {one.scope: one for one in freshness() if one.source == SOURCE}
    have = set(Worktree.objects.values_list("workspace__name", flat=True).distinct())
    now = utcnow()
    return [_state(one.name, told.get(one.name), one.name in have, now, late_seconds) for one in workspaces]


def _state(name: str, source: Freshness | None, has_rows: bool, now: datetime, late_seconds: float) -> PassState:
    if source is None or (source.good_at is None and not source.error):
        return PassState(name, "waiting", source)
    if source.error:
        return PassState(name, "failed", source, source.error)
    if source.tried_at is not None and (now - source.tried_at).total_seconds() > late_seconds:
        return PassState(name, "stale", source)
    return PassState(name, "ok" if has_rows else "none", source)


def acts(workspace: Workspace | None = None) -> list[WorktreeAct]:
    """Return the latest acts on worktrees, the newest first."""
    rows = WorktreeAct.objects.select_related("workspace")
    return list((rows if workspace is None else rows.filter(workspace=workspace))[:MOST_ACTS])
