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


def note_cause(trace: Trace, cause: str | None, line: int, text: str, **marks: bool) -> bool:
    """Keep a line as evidence of a crash class or as a sign of one; ``line`` is its number from 1, 0 behind a gap.

    With it is kept how far training had come, by which a later line shows whether it went on. A traceback waits for
    the line that names its exception. ``marks`` that are true are kept: ``fatal`` where no other process's progress
    clears it, ``chained`` where it was raised while the one before it was handled, ``loss`` where a loss says it.
    """
    if cause is None:
        return False
    item: dict[str, Any] = {"class": cause, "line": line, "text": text.strip()[:300]}
    item |= {name: value for name, value in (("epoch", trace.epoch), ("step", trace.step)) if value is not None}
    kept = list(trace.evidence)
    if kept and _waits(kept[-1], line):
        kept.pop()
    room = _room_for(cause, kept)
    if room is None:
        return False
    trace.evidence = [*room, item | {name: True for name, value in marks.items() if value}]
    return True


def waits_for_error(trace: Trace) -> bool:
    """Tell whether the newest evidence is a traceback whose error's line is still to come."""
    return bool(trace.evidence) and trace.evidence[-1]["class"] == "traceback" and "went_on" not in trace.evidence[-1]


def _waits(item: dict[str, Any], line: int) -> bool:
    """A traceback waits for its error's line, and an error without words for the words that stand below it."""
    wordless = item["class"] == "python-error" and item["text"].endswith(":") and 0 < line - item["line"] <= 2
    return "went_on" not in item and (item["class"] == "traceback" or wordless)


def _room_for(cause: str, kept: list[dict[str, Any]]) -> list[dict[str, Any]] | None:
    """Return what stays beside a new line: what was overcome goes first, then the last of what was told twice."""
    if len(kept) < MAX_EVIDENCE:
        return kept
    told = [item["class"] for item in kept]
    overcome = next((at for at, item in enumerate(kept) if "went_on" in item), None)
    twice = next((at for at in reversed(range(1, len(kept))) if told[at] in told[:at]), None)
    drop = overcome if overcome is not None else twice if cause not in told else None
    return None if drop is None else kept[:drop] + kept[drop + 1 :]


def note_going_on(trace: Trace, *, bar_seconds: float | None = None) -> None:
    """Mark the evidence after which training went on: it was caught, or another attempt followed.

    A progress bar is drawn once more when its process dies, newer than before by what it had not shown yet. So a
    bar counts when it is full or ``GOES_ON_SECONDS`` further; ``bar_seconds`` is what one of its steps takes, and
    None for lines that are no bars.
    """
    if all("went_on" in item or "fatal" in item or "loss" in item for item in trace.evidence):
        return
    full = trace.total_steps is not None and trace.step == trace.total_steps
    trace.evidence = [_gone_on(item, trace, bar_seconds, full) for item in trace.evidence]


GOES_ON_SECONDS = 60.0


def _gone_on(item: dict[str, Any], trace: Trace, bar_seconds: float | None, full: bool) -> dict[str, Any]:
    if "went_on" in item or "fatal" in item or "loss" in item:
        return item
    steps = (trace.step or 0) - (item.get("step") or 0)
    epochs = (trace.epoch or 0.0) - (item.get("epoch") or 0.0)
    if steps < 0 or epochs < 0:  # another attempt, or one that began again
        return item | {"epoch": trace.epoch, "step": trace.step}
    if bar_seconds is None:
        return item | {"went_on": True} if steps > 0 or epochs > 0 else item
    far = full or steps * bar_seconds >= GOES_ON_SECONDS or epochs >= 1
    return item | {"went_on": True} if far and (steps > 0 or epochs > 0) else item


def note_caught(trace: Trace, line: int) -> bool:
    """Mark the newest evidence where the program says within five lines that it goes on after it."""
    last = trace.evidence[-1] if trace.evidence else None
    if last is None or "went_on" in last or last["class"] == "caught" or not 0 <= line - last["line"] <= CAUGHT_WITHIN:
        return False
    trace.evidence = [*trace.evidence[:-1], last | {"went_on": True}]
    return True


CAUGHT_WITHIN = 5


def note_loss(trace: Trace, finite: bool, line: int, text: str) -> None:
    """Keep the line where the loss stopped being a number, until it is one again."""
    told = any("loss" in item for item in trace.evidence)
    if finite and told:
        trace.evidence = [item for item in trace.evidence if "loss" not in item]
    elif not finite and not told:
        note_cause(trace, "diverged", line, text, loss=True)
