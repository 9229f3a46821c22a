"""What one log says of one run, start by start. Pure."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

MAX_EVIDENCE = 8
MAX_EARLIER = 10  # starts that are remembered; a run that was preempted more often keeps the newest


@dataclass
class Trace:
    """What one log says of one run; ``run_id`` is empty for lines before any run is named.

    ``starts`` counts how often the run began in this log. ``evidence`` is of its last start only, because
    requeued jobs append to the log of the attempt that was preempted; how far the starts before it came and what
    ended them is in ``earlier_starts``, oldest first. Progress goes on over all starts. ``zero_based`` is whether
    the run's own first epoch has the number 0; None while that is not known.
    """

    run_id: str
    sweep_id: str = ""
    epoch: float | None = None
    step: int | None = None
    target_epochs: float | None = None
    total_steps: int | None = None
    loss: float | None = None
    loss_is_finite: bool = True
    steps_per_second: float | None = None
    samples_per_second: float | None = None
    zero_based: bool | None = None
    progress_at: datetime | None = None
    starts: int = 0
    evidence: list[dict[str, Any]] = field(default_factory=list)
    earlier_starts: list[dict[str, Any]] = field(default_factory=list)


def begin_start(trace: Trace) -> None:
    """Begin the run's next start; what the one before it said goes into the history.

    Lines before any run is named are a first start, too.
    """
    said = trace.starts or trace.evidence or trace.epoch is not None or trace.step is not None
    if said:
        number = max(1, trace.starts)
        past: dict[str, Any] = {"start": number, "epoch": trace.epoch, "step": trace.step}
        past["evidence"] = [item | {"start": number} for item in trace.evidence]
        trace.earlier_starts = [*trace.earlier_starts, past][-MAX_EARLIER:]
        trace.starts = number
    trace.starts += 1
    trace.evidence = []


def note_cause(trace: Trace, cause: str | None, line: int, text: str) -> bool:
    """Keep a line as evidence of a crash class; ``line`` is its number from 1, 0 behind a gap."""
    if cause is None or len(trace.evidence) >= MAX_EVIDENCE:
        return False
    trace.evidence = [*trace.evidence, {"class": cause, "line": line, "text": text.strip()[:300]}]
    return True
