"""Following a log line by line, cut by run. Pure."""

import math
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from apps.joblogs.parsers import MAX_LINE, cause_in, progress_in, run_in, sweep_in

MAX_EVIDENCE = 8


@dataclass
class Trace:
    """What one log says of one run; ``run_id`` is empty for lines before any run is named.

    ``starts`` counts how often the run began in this log; evidence is of its last start only, because
    requeued jobs append to the log of the attempt that was preempted.
    """

    run_id: str
    sweep_id: str = ""
    epoch: float | None = None
    step: int | None = None
    target_epochs: float | None = None
    loss: float | None = None
    loss_is_finite: bool = True
    starts: int = 0
    evidence: list[dict[str, Any]] = field(default_factory=list)


@dataclass
class LogState:
    """How far a log was read, and what it said until there."""

    line: int = 0
    run_id: str = ""
    sweep_id: str = ""
    rest: str = ""
    traces: dict[str, Trace] = field(default_factory=dict)


def follow(state: LogState, text: str, *, last: bool = False) -> set[str]:
    """Read on and return the run ids whose traces changed.

    ``text`` is what was appended; an unfinished last line waits in ``state.rest``, unless ``last``;
    of a very long one its beginning waits, because no more of it would be looked at either.
    A carriage return ends a line as well: that is how progress bars redraw themselves.
    """
    lines = (state.rest + text).replace("\r", "\n").split("\n")
    state.rest = "" if last else lines.pop()[:MAX_LINE]
    return {run_id for line in lines if (run_id := _read_line(state, line[:MAX_LINE])) is not None}


def _read_line(state: LogState, line: str) -> str | None:
    state.line += 1
    if sweep_id := sweep_in(line):
        state.sweep_id = sweep_id
    if run_id := run_in(line):
        return _start_run(state, run_id)
    trace = state.traces.setdefault(state.run_id, Trace(state.run_id, state.sweep_id))
    changed = _note_progress(trace, line) | _note_cause(trace, state.line, line)
    return state.run_id if changed else None


def _start_run(state: LogState, run_id: str) -> str:
    state.run_id = run_id
    trace = state.traces.setdefault(run_id, Trace(run_id))
    trace.sweep_id = state.sweep_id
    trace.starts += 1
    trace.evidence = []
    return run_id


def _note_progress(trace: Trace, line: str) -> bool:
    found = progress_in(line)
    if found is None:
        return False
    for name in ("epoch", "step", "target_epochs"):
        value = getattr(found, name)
        if value is not None:
            setattr(trace, name, value)
    if found.loss is not None:
        trace.loss_is_finite = math.isfinite(found.loss)
        trace.loss = found.loss if trace.loss_is_finite else None
    return True


def _note_cause(trace: Trace, number: int, line: str) -> bool:
    slug = cause_in(line)
    if slug is None or len(trace.evidence) >= MAX_EVIDENCE:
        return False
    trace.evidence.append({"class": slug, "line": number, "text": line.strip()[:300]})
    return True


def dump_state(state: LogState) -> dict[str, Any]:
    """Return the state without its traces as JSON; they have rows of their own."""
    return {"line": state.line, "run_id": state.run_id, "sweep_id": state.sweep_id, "rest": state.rest}


def trace_values(trace: Trace) -> dict[str, Any]:
    return asdict(trace)


def restore_state(dumped: dict[str, Any], traces: Iterable[Trace]) -> LogState:
    return LogState(
        line=int(dumped.get("line", 0)),
        run_id=str(dumped.get("run_id", "")),
        sweep_id=str(dumped.get("sweep_id", "")),
        rest=str(dumped.get("rest", "")),
        traces={trace.run_id: trace for trace in traces},
    )
