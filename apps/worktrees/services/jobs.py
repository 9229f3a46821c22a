"""Which live jobs run from a worktree, asked of every scheduler at that moment."""

import os
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from pathlib import Path, PurePosixPath

from apps.core.errors import SweepboardError
from apps.slurm.ports import JobAttempt, Scheduler
from apps.slurm.wiring import make_schedulers
from apps.worktrees.domain.acts import JobFacts

JobLook = Callable[[Path, datetime], JobFacts]


def is_below(path: str, folder: str) -> bool:
    """Tell whether a path that Slurm told lies in a worktree; both are taken as they are written."""
    return bool(path) and PurePosixPath(path).is_relative_to(PurePosixPath(folder))


def runs_from(folders: Iterable[str], *paths: str) -> bool:
    return any(is_below(path, folder) for path in paths for folder in folders)


def jobs_now(
    path: Path, now: datetime, schedulers: Callable[[], Mapping[str, Scheduler]] = make_schedulers
) -> JobFacts:
    """Ask every cluster's queue which jobs run from ``path``; what does not answer makes it unknown.

    A job that does not say in which folder it runs may run from this one.
    """
    folders = {str(path), str(path.resolve())}
    live: list[str] = []
    unknown: list[str] = []
    try:
        queues = [(name, scheduler.queue()) for name, scheduler in schedulers().items()]
    except SweepboardError as error:
        return JobFacts(unknown=str(error), asked_at=now)
    for name, queue in queues:
        for job in queue:
            if runs_from(folders, *_places(job)):
                live.append(_named(job, name))
            elif not job.work_dir:
                unknown.append(job.job_id)
    said = f"Job {', '.join(unknown[:5])} does not say in which folder it runs." if unknown else ""
    return JobFacts(tuple(live), said, now)


def _places(job: JobAttempt) -> list[str]:
    """What a job says of where it runs and writes, as it is written and with links resolved."""
    told = [one for one in (job.work_dir, job.stdout_path, job.command.split(" ")[0]) if one.startswith("/")]
    return [*told, *(os.path.realpath(one) for one in told)]


def _named(job: JobAttempt, cluster: str) -> str:
    where = f"{cluster}/" if cluster else ""
    return f"{where}{job.job_id} ({job.name or 'no name'}, {job.state})"
