"""What stands at the head of a sweep's page, in a fixed number of queries."""

from collections import Counter
from dataclasses import dataclass

from django.db.models import Count, Q

from apps.audit.selectors import Freshness, freshness
from apps.board.domain import BoardRow
from apps.board.selectors import followed, rows_of
from apps.flags.models import SEVERITY_ORDER, Flag, RunStatus
from apps.flags.rules.catalogue import switched_off
from apps.handovers.models import Handover
from apps.handovers.selectors import handovers_of_sweep
from apps.links.selectors import agent_jobs
from apps.pages.domain.tables import Parameter, parameter_space
from apps.pages.models import SavedView
from apps.slurm.models import Job
from apps.sweeps.models import Run, Sweep, SweepAgent
from apps.workspaces.selectors import policy_of

MOST_AGENTS = 200
MOST_HANDOVERS = 5
MOST_OF_AN_ID = 100  # projects that have one of the same id
CALMEST = ("healthy", "wait", "done", "none", "")


@dataclass(frozen=True)
class SweepPage:
    """``row`` is the sweep as the board shows it; ``verdicts`` counts its runs by their next action, urgent first.

    ``flags`` are those on the sweep as a whole; its runs' stand in ``row.badges``. ``jobs`` are the last attempts of
    the agents' jobs, the newest first; ``handovers`` are the newest that name it or one of its runs.
    """

    sweep: Sweep
    row: BoardRow
    space: list[Parameter]
    agents: list[SweepAgent]
    agents_total: int
    jobs: list[Job]
    verdicts: list[tuple[str, int]]
    flags: list[Flag]
    handovers: list[Handover]
    rules_off: list[tuple[str, str]]
    sources: list[Freshness]

    @property
    def agent_states(self) -> list[tuple[str, int]]:
        return Counter(one.state for one in self.agents).most_common()

    @property
    def job_states(self) -> list[tuple[str, int]]:
        return Counter(one.state for one in self.jobs).most_common()

    @property
    def resumable(self) -> int:
        return sum(number for verdict, number in self.verdicts if verdict in ("resume", "change-then-resume"))

    @property
    def parameters(self) -> list[str]:
        return [one.name for one in self.space if not one.fixed]


def sweep_named_by(pk: int) -> Sweep | None:
    return Sweep.objects.select_related("workspace").filter(pk=pk).first()


def sweeps_of_id(sweep_id: str) -> list[Sweep]:
    """Return the sweeps that W&B calls so, one of each project that has one; no database holds a NUL."""
    rows = Sweep.objects.defer("config").order_by("entity", "project", "pk")
    return [] if "\x00" in sweep_id else list(rows.filter(sweep_id=sweep_id)[:MOST_OF_AN_ID])


def sweep_page(sweep: Sweep) -> SweepPage:
    sources = followed(freshness())
    agents = list(SweepAgent.objects.filter(sweep=sweep).order_by("-heartbeat_at", "-pk")[: MOST_AGENTS + 1])
    total = len(agents) if len(agents) <= MOST_AGENTS else SweepAgent.objects.filter(sweep=sweep).count()
    jobs = agent_jobs([sweep.pk]).get(sweep.pk, [])
    last = {(job.cluster, job.job_id): job for job in jobs}
    return SweepPage(
        sweep=sweep,
        row=rows_of([sweep], sources)[0],
        space=parameter_space(sweep.config),
        agents=agents[:MOST_AGENTS],
        agents_total=total,
        jobs=sorted(last.values(), key=lambda job: job.submit_at, reverse=True),
        verdicts=_verdicts(sweep),
        flags=_flags(sweep),
        handovers=list(handovers_of_sweep(sweep)[:MOST_HANDOVERS]),
        rules_off=switched_off(policy_of(sweep.workspace, sweep.sweep_id, sweep.name), sweep=True),
        sources=_sources(sweep, sources, {job.cluster for job in jobs}),
    )


def _verdicts(sweep: Sweep) -> list[tuple[str, int]]:
    rows = RunStatus.objects.filter(run__sweep=sweep).values_list("verdict").annotate(n=Count("pk"))
    return sorted(rows, key=lambda one: (one[0] in CALMEST, -one[1], one[0]))


def _flags(sweep: Sweep) -> list[Flag]:
    found = Flag.objects.standing().filter(sweep=sweep, run=None)
    return sorted(found, key=lambda one: (SEVERITY_ORDER.get(one.severity, 9), one.rule))


def _sources(sweep: Sweep, sources: list[Freshness], clusters: set[str]) -> list[Freshness]:
    mine = [one for one in sources if one.source == "wandb" and one.scope == sweep.project_path]
    return mine + [one for one in sources if one.source == "slurm" and (not clusters or one.scope in clusters)]


def states_of_runs(sweep: Sweep) -> list[str]:
    """Return the states that the sweep's runs are in."""
    return sorted(Run.objects.filter(sweep=sweep).order_by().values_list("state", flat=True).distinct())


def saved_views(sweep: Sweep, owner: str) -> list[SavedView]:
    """Return the views that somebody kept, and those that others share, own ones first."""
    found = SavedView.objects.filter(Q(owner=owner) | Q(shared=True), sweep=sweep)
    return sorted(found, key=lambda one: (one.owner != owner, one.name))
