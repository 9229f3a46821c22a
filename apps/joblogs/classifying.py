"""Reading a job's two logs once, within the limits, and telling why it died. No database."""

import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import structlog

from apps.core.errors import Transient
from apps.joblogs.crashes import decide
from apps.joblogs.domain import LogState, follow, leave_gap
from apps.joblogs.endings import Clue, Decision, Ending, Resume, clue_from
from apps.joblogs.pairs import LogPair
from apps.joblogs.ports import LogStore
from apps.joblogs.reading import CHUNK, Budget
from apps.joblogs.trace import Trace
from apps.workspaces.config import LogsConfig

log = structlog.get_logger(__name__)
_CONTROL = bytes(sorted({*range(32), 127} - {*b"\t\n\r\x08\x0b\x0c\x1b"}))
_MOST_RUBBISH = 0.1  # of the bytes of a log that is text
_LOOKED_AT = 1 << 16  # bytes of each chunk, for telling text from rubbish


@dataclass
class OneLog:
    """What one file says; ``problem`` is a sentence where it could not be read, ``gap`` where not all of it was."""

    path: str
    state: LogState = field(default_factory=LogState)
    problem: str = ""
    gap: str = ""
    looked_at: int = 0
    rubbish: int = 0
    says_anything: bool = False

    @property
    def readable(self) -> bool:
        return self.says_anything and self.rubbish <= _MOST_RUBBISH * self.looked_at


@dataclass(frozen=True, slots=True)
class JobReport:
    """What the two logs of a job say of its last run. ``unread`` says that a file could not be read."""

    pair: LogPair
    decision: Decision
    epoch: float | None = None
    step: int | None = None
    target_epochs: float | None = None
    run_id: str = ""
    unread: bool = False

    def as_json(self) -> dict[str, Any]:
        """Return the report as `classify_logs --json` prints it; ``epoch`` counts epochs trained."""
        return {
            "out": self.pair.out,
            "err": self.pair.err,
            "crash_class": self.decision.crash_class,
            "resumable": self.decision.resumable.value,
            "epoch": self.epoch,
            "step": self.step,
            "target_epochs": self.target_epochs,
            "evidence": [{"file": one.file, "line": one.line, "text": one.text} for one in self.decision.proof],
            "run_id": self.run_id,
            "reason": self.decision.reason,
        }


@dataclass(frozen=True, slots=True)
class Known:
    """What others say of the job, where somebody asked them; see ``Ending``."""

    job_state: str = ""
    exit_code: int | None = None
    exit_signal: int | None = None
    wandb_state: str = ""


def classify(pair: LogPair, store: LogStore, limits: LogsConfig, known: Known | None = None) -> JobReport:
    """Return why a job died by its logs. Whatever is wrong with them is told in the reason; nothing is raised."""
    try:
        budget = Budget(limits)
        logs = [read_one(path, store, limits, budget) for path in (pair.err, pair.out) if path]
        return _report(pair, logs, known or Known())
    except Exception:
        reference = secrets.token_hex(4)
        log.exception("joblogs.classify.crashed", out=pair.out, err=pair.err, reference=reference)
        reason = f"Sweepboard failed on this log; its own log tells more under {reference}."
        return JobReport(pair, Decision("unknown", Resume.LOOK_FIRST, reason=reason), unread=True)


def read_one(path: str, store: LogStore, limits: LogsConfig, budget: Budget) -> OneLog:
    """Read one file from its beginning; of more than the limits allow, head and tail."""
    one = OneLog(path)
    try:
        stamp = store.stamp(Path(path))
        if stamp is None:
            one.problem = f"{path} is no regular file."
            return one
        _consume(one, stamp.size, store, limits, budget)
    except Transient as error:
        one.problem = str(error)
        log.warning("joblogs.unreadable", path=path, error=str(error))
    return one


def _consume(one: OneLog, size: int, store: LogStore, limits: LogsConfig, budget: Budget) -> None:
    half = limits.max_bytes_per_log // 2
    head = half if size > limits.max_bytes_per_log else size
    stop = _read_range(one, 0, head, store, limits, budget)
    if head < size:
        tail = max(head, size - (limits.max_bytes_per_log - half))
        one.gap = f"{tail - head} bytes in the middle of {one.path} were not read: it is longer than the limits allow."
        leave_gap(one.state)
        stop = _read_range(one, tail, size, store, limits, budget)
    if stop < size and budget.spent:
        one.gap = f"{size - stop} bytes at the end of {one.path} were not read: the limits were used up."
    follow(one.state, b"", max_line=limits.max_line_bytes, last=True)


def _read_range(one: OneLog, start: int, stop: int, store: LogStore, limits: LogsConfig, budget: Budget) -> int:
    while start < stop and not budget.spent:
        chunk = store.read(Path(one.path), start, min(CHUNK, stop - start))
        if not chunk:
            return start  # it was cut short meanwhile
        budget.spend(len(chunk))
        start += len(chunk)
        _look_at(one, chunk[:_LOOKED_AT])
        follow(one.state, chunk, max_line=limits.max_line_bytes)
    return start


def _look_at(one: OneLog, sample: bytes) -> None:
    one.looked_at += len(sample)
    one.says_anything |= bool(sample.strip())
    control = len(sample) - len(sample.translate(None, _CONTROL))
    one.rubbish += control + sample.decode("utf-8", errors="replace").count("\ufffd")


def _report(pair: LogPair, logs: list[OneLog], known: Known) -> JobReport:
    traces = _last_run(logs)
    epoch, step = (_most(getattr(trace, name) for _, trace in traces) for name in ("epoch", "step"))
    target = _most(trace.target_epochs for _, trace in traces)
    clues = tuple(clue for one, trace in traces for clue in _clues(one.path, trace))
    problems = " ".join(text for one in logs for text in (one.problem, one.gap) if text)
    decision = decide(
        Ending(
            clues=clues,
            job_state=known.job_state,
            exit_code=known.exit_code,
            exit_signal=known.exit_signal,
            wandb_state=known.wandb_state,
            epoch=epoch,
            target_epochs=target,
            readable=bool(clues) or any(one.readable for one in logs),
        )
    )
    if problems:
        decision = _with_doubt(decision, problems)
    run_id = next((trace.run_id for _, trace in traces if trace.run_id), "")
    unread = any(one.problem for one in logs)
    return JobReport(pair, decision, epoch, None if step is None else int(step), target, run_id, unread)


def _with_doubt(decision: Decision, problems: str) -> Decision:
    """What was not read may be the cause: nothing is known to be well, and nothing to be resumable."""
    thin = decision.resumable is Resume.YES or not decision.failed
    crash_class = decision.crash_class if decision.failed else "unknown"
    resumable = Resume.LOOK_FIRST if thin else decision.resumable
    return Decision(crash_class, resumable, decision.proof, f"{decision.reason} {problems}".strip())


def _last_run(logs: list[OneLog]) -> list[tuple[OneLog, Trace]]:
    """Return what each log says of the last run in them.

    A log that names no run speaks of the one that the other log names.
    """
    last = next((one.state.run_id for one in reversed(logs) if one.state.run_id), "")
    found = []
    for one in logs:
        trace = one.state.traces.get(last) or (None if one.state.run_id else one.state.traces.get(""))
        if trace is not None:
            found.append((one, trace))
    return found


def _clues(path: str, trace: Trace) -> list[Clue]:
    trains = trace.epoch is not None or trace.step is not None
    finished = bool(trace.target_epochs) and (trace.epoch or 0) >= (trace.target_epochs or 0)
    return [clue_from(item, path, trains=trains, finished=finished) for item in trace.evidence]


def _most(values: Any) -> float | None:
    known = [value for value in values if value is not None]
    return max(known) if known else None
