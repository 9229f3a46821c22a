"""Which files a workspace's patterns give to which job. Pure."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_TOKENS = re.compile(r"(\{\w+\}|\*\*/?|\*|\?|\[[^\]]+\])")
_NUMBER = re.compile(r"\d+")
_WILD = {"*": "[^/]*", "**": ".*", "**/": "(?:.*/)?", "?": "[^/]", "{run_id}": "[^/]*", "{sweep_id}": "[^/]*"}


@dataclass(frozen=True, slots=True)
class JobNumbers:
    """A job as file names tell it: ``job`` is the array's id for a task, ``task`` is None for a whole job."""

    job: str
    task: str | None
    name: str = ""


def numbers_in(text: str) -> list[str]:
    return _NUMBER.findall(text)


def patterns_for(patterns: Iterable[str], task: str | None) -> list[str]:
    """Return the patterns that may name such a job's log: a task's are those that say ``{task_id}``."""
    return [pattern for pattern in patterns if ("{task_id}" in pattern) == (task is not None)]


def in_its_own_folder(pattern: str) -> bool:
    """Tell whether the job's number is in the folder's name, so that every job has a folder to itself."""
    return any(name in pattern.rpartition("/")[0] for name in ("{job_id}", "{task_id}"))


def any_job(pattern: str) -> str:
    """Return the pattern as a glob that finds the logs of all jobs."""
    return re.sub(r"\{\w+\}", "*", pattern)


def filled(pattern: str, job: JobNumbers) -> str:
    """Return the pattern as a glob for one job."""
    return any_job(pattern.replace("{job_id}", job.job).replace("{task_id}", job.task or ""))


def belongs(path: str, pattern: str, job: JobNumbers) -> bool:
    """Tell whether ``path``, relative to the workspace, is by ``pattern`` the log of this job.

    Numbers count whole: ``logs/*_12.out`` gives job 12 neither ``x_112.out`` nor ``x_99_12.out``, which is task 12
    of array 99, unless the job itself is called ``x_99``.
    """
    if re.fullmatch(_regex(pattern, job, strict=True), path):
        return True
    named = bool(job.name) and f"{job.name}_{job.job}" in path
    return named and re.fullmatch(_regex(pattern, job, strict=False), path) is not None


def _regex(pattern: str, job: JobNumbers, *, strict: bool) -> str:
    made, before = "", ""
    for piece in _TOKENS.split(pattern):
        if piece == "{job_id}":
            # A wildcard may have taken an array's number, which only the text after it can tell.
            guard = r"(?<!\d_)" if strict and job.task is None and before in ("*", "*_") else ""
            made += rf"{guard}(?<!\d){re.escape(job.job)}(?!\d)" + ("" if job.task else r"(?!_\d)")
        elif piece == "{task_id}":
            made += rf"(?<!\d){re.escape(job.task or '')}(?!\d)"
        elif piece.startswith("["):
            made += piece.replace("[!", "[^", 1)
        else:
            made += _WILD.get(piece, re.escape(piece))
        before = "*" if piece in _WILD else before + piece
    return made
