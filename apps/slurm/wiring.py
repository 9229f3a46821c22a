"""Which scheduler is in force, and why."""

from functools import lru_cache
from pathlib import Path

from django.conf import settings
from django.utils.module_loading import import_string

from apps.slurm.detect import Detection, detect
from apps.slurm.ports import Scheduler
from apps.workspaces.selectors import current_config


@lru_cache(maxsize=4)
def detection(setting: str) -> Detection:
    """Return which adapter the setting leads to on this machine; asked once in a process."""
    return detect(setting)


def make_scheduler() -> Scheduler:
    """Return the scheduler that the configuration names, or the one that was found."""
    config = current_config().slurm
    return scheduler_of_kind(detection(config.adapter).kind, slots=config.local_slots)


def scheduler_of_kind(kind: str, *, slots: int = 0) -> Scheduler:
    factory = import_string(settings.SCHEDULERS[kind])
    made: Scheduler = factory(folder=local_folder(), slots=slots or None) if kind == "local" else factory()
    return made


def local_folder() -> Path:
    """Where the local scheduler keeps its jobs."""
    return Path(settings.HOME) / "local-jobs"
