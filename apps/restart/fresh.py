"""What W&B, Slurm and the files say at this moment: nothing is restarted on stored words."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from glob import escape

from apps.checkpoints.domain import newest
from apps.checkpoints.ports import CheckpointStore
from apps.core.errors import SweepboardError
from apps.links.models import AgentLink, RunLink
from apps.restart.domain import RestartFacts, RunFact
from apps.restart.selectors import Subject, facts_of, runs_of, sweep_of, workspace_of
from apps.slurm.domain import run_named_in, sweep_named_in
from apps.slurm.ports import JobAttempt, Scheduler
from apps.sweeps.asking import SOON, check_not_held
from apps.sweeps.control import SweepControl
from apps.sweeps.models import Run
from apps.sweeps.ports import LIVE_RUN_STATES, SweepSource
from apps.workspaces.models import Workspace


@dataclass(frozen=True)
class Tools:
    """How to reach W&B, the schedulers and the files. Each is made when it is needed, because making one may fail."""

    source: Callable[[], SweepSource]
    control: Callable[[], SweepControl]
    schedulers: Callable[[], Mapping[str, Scheduler]]
    store: Callable[[], CheckpointStore]


def fresh_facts(tools: Tools, subject: Subject, now: datetime) -> RestartFacts:
    """Return the facts with what was just asked in place of what was stored; a silent source makes its side unknown."""
    facts, runs = facts_of(subject, now), runs_of(subject)
    facts = _with_wandb(facts, tools, subject, now)
    facts = _with_slurm(facts, tools, subject, runs)
    return _with_files(facts, tools, subject, runs)


def _with_wandb(facts: RestartFacts, tools: Tools, subject: Subject, now: datetime) -> RestartFacts:
    try:
        check_not_held(subject.project_path, now)
        source = tools.source()
        try:
            states = {one.sweep_id: one.state for one in source.sweeps(subject.project_path)}
            ids = [run.run_id for run in facts.runs]
            told = {one.run_id: one.state for one in source.runs(subject.project_path, now + SOON, ids)}
        finally:
            source.close()
    except SweepboardError as error:
        return replace(facts, sweep_state=None, wandb_problem=str(error).rstrip("."))
    runs = tuple(replace(run, live=told.get(run.run_id, "") in LIVE_RUN_STATES) for run in facts.runs)
    return replace(facts, runs=runs, sweep_state=states.get(facts.sweep_id, ""), wandb_problem="")


def _with_slurm(facts: RestartFacts, tools: Tools, subject: Subject, runs: list[Run]) -> RestartFacts:
    own = _own_jobs(subject, runs)
    numbers = set().union(*(run.raw_job_ids for run in runs)) if facts.of_run else set()
    names = {run.run_id for run in runs}
    try:
        alive = [one for scheduler in tools.schedulers().values() for one in scheduler.queue() if not one.ended]
    except SweepboardError as error:
        return replace(facts, live_jobs=None, slurm_problem=str(error).rstrip("."))

    def is_own(one: JobAttempt) -> bool:
        agent = not facts.of_run and sweep_named_in(one.comment) == facts.sweep_id
        known = (one.cluster, one.job_id) in own or one.raw_id in numbers
        return known or agent or run_named_in(one.comment) in names

    return replace(facts, live_jobs=tuple(one.job_id for one in alive if is_own(one)), slurm_problem="")


def _own_jobs(subject: Subject, runs: list[Run]) -> set[tuple[str, str]]:
    """The jobs that carry the runs; for a sweep also those that work for it. An agent that went on is not a run's."""
    links = RunLink.objects.filter(run__in=runs).select_related("job")
    own = {(link.job.cluster, link.job.job_id) for link in links}
    sweep = sweep_of(subject)
    if isinstance(subject, Run):
        return own
    return own | set(AgentLink.objects.filter(sweep=sweep).values_list("job__cluster", "job__job_id"))


def _with_files(facts: RestartFacts, tools: Tools, subject: Subject, runs: list[Run]) -> RestartFacts:
    """List the checkpoints anew: one that is not the one whose proof is known is unread."""
    workspace = workspace_of(subject)
    if workspace is None:
        return replace(facts, files_problem=f"no workspace names the project {subject.project_path}.")
    store, held = tools.store(), {run.pk: run for run in runs}
    try:
        listed = tuple(_listed(one, held[one.pk], workspace, store) for one in facts.runs)
    except SweepboardError as error:
        return replace(facts, files_problem=str(error))
    return replace(facts, runs=listed)


def _listed(fact: RunFact, run: Run, workspace: Workspace, store: CheckpointStore) -> RunFact:
    values = {"run_id": escape(run.run_id), "sweep_id": "*", "job_id": "*", "task_id": "*"}
    patterns = [pattern.format_map(values) for pattern in workspace.patterns("checkpoints")]
    last = newest(store.find(workspace.path, patterns, workspace.links_into))
    known = getattr(run, "checkpoint", None)
    if last is None:
        return replace(fact, checkpoint="", sound="", good="")
    same = known is not None and (str(last.path), last.bytes, last.modified_at) == (
        known.path, known.bytes, known.modified_at,
    )  # fmt: skip
    return fact if same else replace(fact, checkpoint=last.path.name, sound="")
