"""The passes that need not be quick: run folders, samples of what runs logged, deleted runs, and thinning out.

Like those of `sync`, each notes itself, is repeated by beat, and does not overlap with itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from apps.audit.selectors import held_until
from apps.audit.services import sync_pass
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.core.locks import Busy, lease
from apps.ops.retention import thin_out as thin
from apps.ops.sync import LEASE, Outcome, config_in_force, join
from apps.slurm.gpus import sync_gpu_types
from apps.slurm.wiring import cluster_names, make_scheduler
from apps.sweeps.ports import SweepSource
from apps.sweeps.services.histories import SOURCE as HISTORY
from apps.sweeps.services.histories import sync_histories as store_histories
from apps.sweeps.services.offline import sync_folders as store_folders
from apps.sweeps.services.project import look_for_gone_runs as store_gone
from apps.sweeps.wiring import make_folders, make_source
from apps.workspaces.selectors import active_workspaces
from apps.workspaces.services import apply_config


def sync_folders() -> Outcome:
    """Pass over the run folders of every workspace; one that is away does not stop the others."""
    outcome = Outcome()
    if (config := config_in_force()) is None:
        return Outcome(ok=False)
    try:
        with lease("sync:folders", seconds=LEASE):
            apply_config(config=config)
            for workspace in active_workspaces():
                changes = store_folders(workspace=workspace, folders=make_folders(), now=utcnow())
                outcome.runs |= changes.runs
                outcome.ok &= changes.ok
    except Busy:
        return Outcome(busy=True, ok=False)
    if outcome.runs:
        join(runs=outcome.runs, sweeps=set(), jobs=set())
    return outcome


def sync_histories() -> Outcome:
    """Fetch thin samples of what runs logged, for every project."""

    def store(project: str, source: SweepSource, outcome: Outcome) -> None:
        outcome.runs |= store_histories(project=project, source=source)

    return _over_projects("sync:histories", HISTORY, store)


def sync_gpus() -> Outcome:
    """Ask every cluster which GPUs it has; one that does not answer keeps what was known of it."""
    outcome = Outcome()
    for name in cluster_names() if config_in_force() is not None else []:
        try:
            outcome.ok &= sync_gpu_types(scheduler=make_scheduler(name), now=utcnow())
        except SweepboardError:
            outcome.ok = False  # the pass over its jobs says why
    return outcome


def look_for_gone_runs() -> Outcome:
    """Look for runs that were deleted from W&B, or moved to another project, in every project."""

    def store(project: str, source: SweepSource, outcome: Outcome) -> None:
        changes = store_gone(project=project, source=source, now=utcnow())
        outcome.runs |= changes.runs
        outcome.ok &= changes.ok

    outcome = _over_projects("sync:deletions", "wandb-deletions", store)
    if outcome.runs:
        join(runs=outcome.runs, sweeps=set(), jobs=set())
    return outcome


def _over_projects(lock: str, name: str, store: Callable[[str, SweepSource, Outcome], None]) -> Outcome:
    outcome = Outcome()
    if (config := config_in_force()) is None:
        return Outcome(ok=False)
    try:
        with lease(lock, seconds=LEASE):
            for project in config.projects():
                with _source(name, project, outcome) as source:
                    if source is not None:
                        store(project, source, outcome)
    except Busy:
        return Outcome(busy=True, ok=False)
    return outcome


@contextmanager
def _source(name: str, project: str, outcome: Outcome) -> Iterator[SweepSource | None]:
    """Yield a source for one project, or None when there is none now: held off by W&B, or not to be made."""
    held = held_until("wandb", project)
    if held is not None and held > utcnow():
        yield None
        return
    try:
        source = make_source()
    except SweepboardError as error:
        outcome.ok = False
        with sync_pass(source=name, scope=project):
            raise error
        yield None
        return
    try:
        yield source
    finally:
        source.close()


def thin_out() -> dict[str, int]:
    """Drop what the retention policy no longer keeps; return how many rows of each kind went."""
    if (config := config_in_force()) is None:
        return {}
    return thin(policy=config.retention, now=utcnow())
