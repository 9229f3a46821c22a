"""The logs of a run, and windows of one of them, read through the port and never as a whole."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db.models import Q

from apps.core.errors import Transient
from apps.joblogs.models import LogFile, LogSharer, LogTrace
from apps.joblogs.ports import FileStamp, LogStore
from apps.joblogs.selectors import traces_by_run
from apps.links.selectors import LinkedJob
from apps.pages.domain.logwindow import (
    CHUNK,
    MOST_HITS,
    SEARCHED_AT_ONCE,
    WINDOW,
    Hit,
    Window,
    hits,
    is_beyond,
    longest,
    read_from,
    start_of,
    window,
)
from apps.sweeps.models import Run

MOST_LOGS = 40


@dataclass(frozen=True)
class RunLog:
    """A log of one of the run's jobs; ``evidence`` are the lines of the run's last start that say why it ended."""

    log: LogFile
    evidence: tuple[dict[str, Any], ...]
    starts: int

    @property
    def name(self) -> str:
        return self.log.path.rpartition("/")[2]


def logs_of(run: Run, attempts: Iterable[LinkedJob]) -> tuple[list[RunLog], list[LogTrace]]:
    """Return the logs of a run's jobs, the newest first, and what they say of the run; three queries.

    A log that names another run of the same id only belongs to no job of this one, and is left out.
    """
    keys = {(one.job.cluster, one.job.job_id) for one in attempts}
    ids = {job_id for _, job_id in keys}
    shared = LogSharer.objects.filter(job_id__in=ids).values_list("log", "cluster", "job_id")
    pks = {pk for pk, cluster, job_id in shared if (cluster, job_id) in keys}
    files = LogFile.objects.filter(Q(job_id__in=ids) | Q(pk__in=pks)).defer("carry").order_by("-modified_at", "-pk")
    own = [one for one in files if (one.cluster, one.job_id) in keys or one.pk in pks][:MOST_LOGS]
    known = {one.pk for one in own}
    traces = [one for one in traces_by_run([run.run_id])[run.run_id] if one.log_id in known]
    said = {one.log_id: one for one in traces}
    return [_run_log(one, said.get(one.pk)) for one in own], traces


def _run_log(log: LogFile, trace: LogTrace | None) -> RunLog:
    return RunLog(log, tuple(trace.evidence) if trace else (), trace.starts if trace else 0)


@dataclass(frozen=True)
class Look:
    """A look into a log: its window, or the sentence why there is none. ``away`` says that this may pass.

    ``missing`` is the byte that was asked for where the log has none such; its tail is shown instead.
    """

    window: Window | None = None
    missing: int | None = None
    problem: str = ""
    away: bool = False


def look_into(
    store: LogStore, path: Path, at: int | None, marks: Iterable[int] = (), *, line: int | None = None
) -> Look:
    """Read one window of a log: around byte ``line``, else from byte ``at`` on, else its tail."""
    found, look = _stamp(store, path)
    if found is None:
        return look
    begin = start_of(found.size, at, line)
    first = read_from(begin)
    try:
        content = store.read(path, first, WINDOW + begin - first)
    except Transient as error:
        return Look(problem=str(error), away=True)
    asked = at if line is None else line
    missing = asked if is_beyond(found.size, asked) else None
    return Look(window(content, first, found.size, marks, line), missing)


def _stamp(store: LogStore, path: Path) -> tuple[FileStamp | None, Look]:
    try:
        found = store.stamp(path) if store.check(path.parent) else None
    except Transient as error:
        return None, Look(problem=str(error), away=True)
    gone = f"{path} is not there any more: it was deleted, or moved. What was read of it before is kept above."
    return found, Look(problem="" if found else gone)


@dataclass(frozen=True)
class Found:
    """What a search found from byte ``begin`` on; ``further`` is where the next one begins, None at the log's end."""

    hits: tuple[Hit, ...] = ()
    begin: int = 0
    end: int = 0
    size: int = 0
    further: int | None = None
    problem: str = ""


def search_in(store: LogStore, path: Path, sought: str, begin: int) -> Found:
    """Look for words in at most ``SEARCHED_AT_ONCE`` bytes of a log, a chunk at a time."""
    found, look = _stamp(store, path)
    if found is None:
        return Found(problem=look.problem)
    at = max(0, min(begin, found.size))
    told: list[Hit] = []
    stop, kept, kept_at = min(found.size, at + SEARCHED_AT_ONCE), b"", at
    overlap = longest(sought) - 1
    try:
        while at < stop and len(told) < MOST_HITS:
            chunk = store.read(path, at, min(CHUNK, stop - at))
            if not chunk:
                break
            at += len(chunk)
            data = kept + chunk
            end, on = _searched(data, overlap, ended=at >= found.size)
            behind = told[-1].byte if told else -1
            more = hits(data[:end], kept_at, sought, most=MOST_HITS - len(told))
            told += [one for one in more if one.byte > behind]
            kept, kept_at = data[on:], kept_at + on
    except Transient as error:
        return Found(tuple(told), begin, at, found.size, problem=str(error))
    reached = min(told[-1].end, kept_at) if len(told) >= MOST_HITS else kept_at
    return Found(tuple(told), begin, reached, found.size, reached if reached < found.size else None)


def _searched(data: bytes, overlap: int, *, ended: bool) -> tuple[int, int]:
    """Return up to which place of ``data`` is searched, and from which on it is kept for what is read next.

    That is behind its last whole line; in a longer one as much is kept as a word may lack.
    """
    if ended:
        return len(data), len(data)
    lines = data.rfind(b"\n") + 1
    return (lines, lines) if lines else (len(data), max(0, len(data) - overlap))
