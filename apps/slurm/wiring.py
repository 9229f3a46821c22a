"""Which scheduler is in force for each cluster, and why."""

from functools import lru_cache
from pathlib import Path
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from apps.core.errors import Permanent
from apps.slurm.detect import Detection, detect
from apps.slurm.ports import Scheduler
from apps.workspaces.config import ClusterConfig, SlurmConfig
from apps.workspaces.selectors import current_config

THE_ONLY_ONE = ""


@lru_cache(maxsize=32)
def detection(setting: str, conf: str = "") -> Detection:
    """Return which adapter the setting leads to on this machine; asked once in a process for each slurm.conf."""
    return detect(setting, conf=conf)


def cluster_names() -> list[str]:
    """Return the clusters of sweepboard.toml in its order; ``THE_ONLY_ONE`` where it names none."""
    return [cluster.name for cluster in current_config().slurm.cluster] or [THE_ONLY_ONE]


def make_scheduler(name: str = THE_ONLY_ONE) -> Scheduler:
    """Return the scheduler of a configured cluster, or the only one there is.

    Raises ``Permanent`` for a name that is not configured, and where no adapter can reach the cluster.
    """
    config = current_config().slurm
    if name:
        cluster = _configured(config, name)
        kind = detection_of(config, cluster).kind
        return _made(kind, seconds=config.timeout_seconds, cluster=cluster.name, conf=cluster.conf)
    kind = detection(config.adapter).kind
    if kind == "local":
        return _made(kind, folder=local_folder(), slots=config.local_slots or None)
    return _made(kind, seconds=config.timeout_seconds)


def make_schedulers() -> dict[str, Scheduler]:
    """Return the scheduler of every cluster by its configured name; see ``make_scheduler``."""
    return {name: make_scheduler(name) for name in cluster_names()}


def scheduler_of(cluster: str) -> Scheduler:
    """Return the scheduler that a job belongs to, by the cluster's name on the job's row.

    Raises ``Permanent`` when that cluster is followed no longer: its jobs must not end up on another one.
    """
    if current_config().slurm.cluster:
        return make_scheduler(cluster)
    scheduler = make_scheduler()
    if (name := scheduler.cluster()) != cluster:
        raise Permanent(f"The job is on the cluster '{cluster}', and Sweepboard is set up for '{name}'.")
    return scheduler


def detection_of(config: SlurmConfig, cluster: ClusterConfig) -> Detection:
    """Return the adapter for one of several clusters; ``Permanent`` where Slurm is not at hand for it.

    A cluster that somebody named is never replaced by this machine's own processes.
    """
    found = detection(config.adapter, cluster.conf)
    if found.kind == "local":
        raise Permanent(f"The cluster '{cluster.name}' cannot be reached. {found.reason}")
    if found.kind == "pyslurm" and not cluster.conf:
        return Detection(
            "slurm_cli", "Slurm's clients are used: pyslurm cannot ask a cluster by its name; set its conf."
        )
    return found


def adapters_in_words() -> str:
    """Return which adapter every cluster has and why, for whoever starts Sweepboard."""
    config = current_config().slurm
    if not config.cluster:
        found = detection(config.adapter)
        return f"{found.kind}: {found.reason}"
    named = ((cluster.name, detection_of(config, cluster)) for cluster in config.cluster)
    return "; ".join(f"{name} by {found.kind}: {found.reason}" for name, found in named)


def _made(kind: str, **options: Any) -> Scheduler:
    scheduler: Scheduler = import_string(settings.SCHEDULERS[kind])(**options)
    return scheduler


def _configured(config: SlurmConfig, name: str) -> ClusterConfig:
    for cluster in config.cluster:
        if cluster.name == name:
            return cluster
    known = ", ".join(cluster.name for cluster in config.cluster) or "none"
    raise Permanent(f"No cluster '{name}' is configured under [[slurm.cluster]]; configured are: {known}.")


def local_folder() -> Path:
    """Where the local scheduler keeps its jobs."""
    return Path(settings.HOME) / "local-jobs"
