"""Finding the logs of many jobs: one look at each path, one listing of each folder."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from apps.core.errors import Transient
from apps.joblogs.patterns import JobNumbers, any_job, belongs, filled, in_its_own_folder, numbers_in, patterns_for
from apps.joblogs.ports import FileStamp, LogStore
from apps.slurm.models import Job
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
Key = tuple[str, str]
LONGEST_PATH = 1000  # as many characters as the column has


@dataclass
class Found:
    """A log that jobs name; ``stamp`` is None where no such file is, ``problem`` says why it cannot be known.

    ``ended`` says that no job that writes to it lives any more.
    """

    stamp: FileStamp | None
    owners: list[Key] = field(default_factory=list)
    ended: bool = True
    problem: str = ""


class Finder:
    """What one pass looks at, so that it looks once. ``problems`` collects sentences for people."""

    def __init__(self, store: LogStore, workspaces: Iterable[Workspace]) -> None:
        self.store = store
        self.workspaces = list(workspaces)
        self.logs: dict[Path, Found] = {}
        self.problems: dict[Path, str] = {}
        self._folders: dict[Path, bool | Transient] = {}
        self._inodes: dict[Path, dict[int, list[str]]] = {}

    def find(self, jobs: Iterable[Job]) -> dict[Path, Found]:
        """Return the logs of these jobs: the paths that Slurm tells, else those that the patterns find."""
        unnamed = [job for job in jobs if not self._find_named(job)]
        for workspace in self.workspaces:
            if self._answers(workspace.path):
                self._find_by_patterns(workspace, unnamed)
        return self.logs

    def renamed(self, path: Path, inode: int) -> Path | None:
        """Return the file that had this path, by its inode, if it is still beside it under a longer name."""
        if path.parent not in self._inodes:
            by_inode: dict[int, list[str]] = defaultdict(list)
            for name, number in self.store.inodes(path.parent).items():
                by_inode[number].append(name)
            self._inodes[path.parent] = by_inode
        names = self._inodes[path.parent].get(inode, [])
        return next((path.with_name(name) for name in names if name != path.name and name.startswith(path.name)), None)

    def _find_named(self, job: Job) -> bool:
        """Note the paths that the job itself names; return whether one of them is there or cannot be known."""
        paths = [Path(path) for path in dict.fromkeys([job.stdout_path, job.stderr_path]) if path]
        noted = [self._note(path, job) for path in paths if len(str(path)) <= LONGEST_PATH]
        return any(found.stamp is not None or found.problem for found in noted)

    def _note(self, path: Path, job: Job) -> Found:
        if path not in self.logs:
            self.logs[path] = self._look(path)
        found = self.logs[path]
        if (job.cluster, job.job_id) not in found.owners:
            found.owners.append((job.cluster, job.job_id))
        found.ended &= job.ended
        return found

    def _look(self, path: Path) -> Found:
        try:
            return Found(self.store.stamp(path) if self._there(path.parent) else None)
        except Transient as error:
            self._tell(path, error)
            return Found(None, problem=str(error))

    def _there(self, folder: Path) -> bool:
        """Tell whether the folder is there; ``Transient`` where its filesystem does not answer."""
        if folder not in self._folders:
            try:
                self._folders[folder] = self.store.check(folder)
            except Transient as error:
                self._folders[folder] = error
        said = self._folders[folder]
        if isinstance(said, Transient):
            raise said
        return said

    def is_deleted(self, path: Path) -> bool:
        """Tell whether a log is gone for good: its folder is there and answers."""
        return self.logs[path].stamp is None and not self.logs[path].problem and self._there(path.parent)

    def _answers(self, root: Path) -> bool:
        """Tell whether a workspace can be looked through; one that is not there is told as a problem."""
        try:
            if self._there(root):
                return True
            self._tell(root, Transient(f"{root} is not there. Is its filesystem mounted? Its logs stay as last read."))
        except Transient as error:
            self._tell(root, error)
        return False

    def _tell(self, path: Path, error: Transient) -> None:
        self.problems.setdefault(path, str(error))
        log.warning("joblogs.unreadable", path=str(path), error=str(error))

    def _find_by_patterns(self, workspace: Workspace, jobs: list[Job]) -> None:
        patterns = workspace.patterns("logs")
        shared = [pattern for pattern in patterns if not in_its_own_folder(pattern)]
        own = [pattern for pattern in patterns if in_its_own_folder(pattern)]
        numbers = {number for job in jobs for number in numbers_in(_numbers_of(job).job)}
        try:
            root = workspace.path.resolve()
            by_number: dict[str, list[Path]] = defaultdict(list)
            if numbers and shared:
                for path in self.store.find(
                    workspace.path, [any_job(pattern) for pattern in shared], numbers, workspace.links_into
                ):
                    for number in set(numbers_in(path.name)):
                        by_number[number].append(path)
            for job in jobs:
                for path in self._logs_of(job, root, workspace, shared, own, by_number):
                    self._note(path, job)
        except Transient as error:
            self._tell(workspace.path, error)

    def _logs_of(
        self,
        job: Job,
        root: Path,
        workspace: Workspace,
        shared: list[str],
        own: list[str],
        by_number: dict[str, list[Path]],
    ) -> list[Path]:
        """Return the job's logs among those that were listed, and those in a folder of its own."""
        numbers = _numbers_of(job)
        fitting = patterns_for(shared, numbers.task)
        candidates = [path for number in numbers_in(numbers.job) for path in by_number[number]]
        listed = [
            path
            for path in dict.fromkeys(candidates)
            if any(belongs(str(path.relative_to(root)), pattern, numbers) for pattern in fitting)
        ]
        apart = [filled(pattern, numbers) for pattern in patterns_for(own, numbers.task)]
        return listed + (self.store.find(workspace.path, apart, None, workspace.links_into) if apart else [])


def _numbers_of(job: Job) -> JobNumbers:
    if job.array_job_id is None:
        return JobNumbers(job.job_id, None, job.name)
    return JobNumbers(str(job.array_job_id), None if job.array_task_id is None else str(job.array_task_id), job.name)
