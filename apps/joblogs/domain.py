"""Following a log line by line, cut by run and by start. Pure."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

from apps.joblogs.parsers import (
    MAX_LINE,
    SIGNS,
    WANTED,
    Context,
    LineProgress,
    Sign,
    clean,
    closes_start,
    context_in,
    follows_a_signal,
    frame_in,
    is_fatal,
    progress_in,
    redraws,
    run_in,
    says_caught,
    sign_in,
    sweep_in,
)
from apps.joblogs.progress import Counters, note_progress
from apps.joblogs.trace import Trace, begin_start, note_caught, note_cause, note_going_on, note_loss, waits_for_error

MARK = 16  # bytes before the offset, by which a log is known again
_WHOLE_AT = (b"]", b"}")
_PLAIN = ("line", "run_id", "sweep_id", "closed", "said", "torn", "numbered", "gap_at", "context", "rest_at")


@dataclass
class LogState:
    """How far a log was read, and what it said until there.

    ``rest`` is the unfinished last line, of which no more than the longest line is kept. ``mark`` is what stood
    just before the offset. ``closed`` says that Slurm took the job away: what follows is the run's next start;
    ``said`` that the present start has said anything yet. After a gap the first line is ``torn`` and lines are no
    longer ``numbered``; ``gap_at`` is the offset at which a gap is to be left. ``context`` is what was
    said of the error that the next lines tell. ``rest_at`` is the byte of the file at which ``rest`` begins; None where
    nobody said where the reading is.
    """

    line: int = 0
    run_id: str = ""
    sweep_id: str = ""
    rest: bytes = b""
    mark: bytes = b""
    closed: bool = False
    said: bool = False
    torn: bool = False
    numbered: bool = True
    gap_at: int | None = None
    context: str = Context.NONE.value
    rest_at: int | None = None
    counters: Counters = field(default_factory=Counters)
    traces: dict[str, Trace] = field(default_factory=dict)

    @property
    def trace(self) -> Trace:
        return self.traces.setdefault(self.run_id, Trace(self.run_id, self.sweep_id))


def follow(
    state: LogState,
    chunk: bytes,
    *,
    at: datetime | None = None,
    max_line: int = MAX_LINE,
    last: bool = False,
    offset: int | None = None,
) -> set[str]:
    """Read on and return the run ids whose traces changed.

    ``chunk`` is what was appended and may end anywhere, even inside a character; an unfinished last line waits in
    ``state.rest``, unless ``last``. Of a line longer than ``max_line`` bytes only the beginning is looked at. A
    carriage return ends a line as well, because that is how progress bars redraw themselves, but lines are
    numbered as an editor does. ``at`` is when the file was written, kept with the progress. ``offset`` is the byte of
    the file at which ``chunk`` begins: with it, evidence is kept with the byte at which its line begins.
    """
    state.mark = (state.mark + chunk[-MARK:])[-MARK:]
    data = _mended(state, state.rest + chunk)
    end = len(data) if last else max(data.rfind(b"\n"), data.rfind(b"\r")) + 1
    places = _Places(state.rest_at, None if offset is None else offset + len(chunk) - len(data))
    state.rest = data[end:][:max_line]
    changed: set[str] = set()
    counted = 0
    for start, stop in _newest_frames(data, _lines_that_matter(data[:end])):
        state.line += data.count(b"\n", counted, start)
        counted = start
        line = data[start : min(stop, start + max_line)]
        run_id = _read_line(state, clean(line), at, fatal=is_fatal(line))
        if run_id is not None:
            changed.add(run_id)
            _place_evidence(state, places.of(start))
    state.line += data.count(b"\n", counted, end)
    state.rest_at = places.of(end)
    return changed


@dataclass(frozen=True, slots=True)
class _Places:
    """Where the data of one reading lies in the file; what is left of a long line is shorter than that line was."""

    first: int | None
    zero: int | None

    def of(self, start: int) -> int | None:
        if start == 0 and self.first is not None:
            return self.first
        return None if self.zero is None else self.zero + start


def _place_evidence(state: LogState, byte: int | None) -> None:
    """Note at which byte the line begins whose evidence was just kept."""
    number, trace = _number(state), state.trace
    if byte is not None and trace.evidence:
        trace.evidence = [
            item if "byte" in item or item["line"] != number else item | {"byte": byte} for item in trace.evidence
        ]


def _mended(state: LogState, data: bytes) -> bytes:
    """Drop what is left of the line in which a gap ended."""
    if not state.torn:
        return data
    ends = [index for index in (data.find(b"\n"), data.find(b"\r")) if index >= 0]
    if not ends:
        return b""
    state.torn = False
    return data[min(ends) + 1 :]


def _lines_that_matter(data: bytes) -> Iterator[tuple[int, int]]:
    """Yield (start, stop) of the lines that any parser may know: most lines cost no more than this search."""
    flat = data.replace(b"\r", b"\n")
    stop = 0
    while found := WANTED.search(flat, stop):
        start = flat.rfind(b"\n", stop, found.start()) + 1 or stop
        stop = flat.find(b"\n", found.start())
        stop = len(flat) if stop < 0 else stop
        yield start, stop


def _newest_frames(data: bytes, lines: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Leave out the frames of a bar that its next frame redraws: a log may be nothing but such frames."""
    held, old = None, None
    for line in lines:
        new = frame_in(data, *line)
        if held is not None and not (new and old and redraws(new, old)):
            yield held
        held, old = line, new
    if held is not None:
        yield held


def peek(state: LogState, *, at: datetime | None = None) -> set[str]:
    """Read the figures of the unfinished last line, if it is whole in itself; return as ``follow`` does.

    A bar ends its frame only when it draws the next one, so that the last one never ends.
    """
    if not state.rest.rstrip().endswith(_WHOLE_AT) or state.torn or state.closed:
        return set()
    found = progress_in(clean(state.rest)) if WANTED.search(state.rest) else None
    if found is None or not note_progress(state.trace, state.counters, found, at):
        return set()
    state.said = True
    return {state.run_id}


def _read_line(state: LogState, line: str, at: datetime | None, *, fatal: bool) -> str | None:
    if sweep_id := sweep_in(line):
        state.sweep_id = sweep_id
    if run_id := run_in(line):
        return _name_run(state, run_id)
    if closes_start(line):
        note_cause(state.trace, sign_in(line), _number(state), line)
        state.closed = True
        return state.run_id
    return _read_figures(state, line, at, fatal)


def _number(state: LogState) -> int:
    return state.line + 1 if state.numbered else 0


def _read_figures(state: LogState, line: str, at: datetime | None, fatal: bool) -> str | None:
    found, sign = progress_in(line), _sign_of(state, line)  # a bar's last frame ends no line: Slurm's word follows it
    if state.closed and found is None and (sign is None or sign in SIGNS or follows_a_signal(line)):
        return None  # the last words of what Slurm is ending
    caught = found is None and sign is None and says_caught(line)
    if found is None and sign is None and not caught:
        return None
    if state.closed:
        _begin(state, state.trace)
    changed = caught and _note_caught(state, line)
    changed |= found is not None and _go_on(state, found, line, at)
    changed |= sign is not None and _note_sign(state, sign, line, fatal)
    state.said |= changed
    return state.run_id if changed else None


def _note_caught(state: LogState, line: str) -> bool:
    """The error itself may stand in the job's other log: then the words are kept."""
    if state.numbered and note_caught(state.trace, _number(state)):
        return True
    told = any(item["class"] == Sign.CAUGHT for item in state.trace.evidence)
    return not told and note_cause(state.trace, Sign.CAUGHT.value, _number(state), line)


def _note_sign(state: LogState, sign: str, line: str, fatal: bool) -> bool:
    chained = state.context == Context.CHAINED
    if sign != Sign.TRACEBACK:
        state.context = Context.NONE.value
    return note_cause(state.trace, sign, _number(state), line, fatal=fatal, chained=chained)


def _sign_of(state: LogState, line: str) -> str | None:
    """Return what a line is evidence or a sign of, by what was said before it.

    An error that Python ignores is none, nor one that is told with what is done about it. In torchrun's table the first
    failure's own error is indented by two.
    """
    if (context := context_in(line)) is not None:
        state.context = context.value
        return None
    if state.context == Context.ROOT and line.startswith("  ") and not line.startswith("   "):
        return sign_in(line[2:])
    sign = sign_in(line)
    if sign is not None and says_caught(line) and not waits_for_error(state.trace):
        return None
    if sign is None or state.context != Context.IGNORED:
        return sign
    state.context = state.context if sign == Sign.TRACEBACK else Context.NONE.value
    return None


def _go_on(state: LogState, found: LineProgress, line: str, at: datetime | None) -> bool:
    trace = state.trace
    if not note_progress(trace, state.counters, found, at):
        return False
    state.context = Context.NONE.value
    if found.loss is not None and "train_loss'" not in line:  # the Trainer's last word is an average
        note_loss(trace, trace.loss_is_finite, _number(state), line)
    if trace.evidence:
        is_bar = "%|" in line or "━" in line
        note_going_on(trace, bar_seconds=1 / (trace.steps_per_second or 1.0) if is_bar else None)
    return True


def _name_run(state: LogState, run_id: str) -> str:
    """A start is named by the script and by the client too: it is one start until something else was said."""
    same = run_id == state.run_id and not state.closed and not state.said
    state.run_id = run_id
    trace = state.trace
    trace.sweep_id = state.sweep_id
    if not (same and trace.starts):
        _begin(state, trace)
    return run_id


def _begin(state: LogState, trace: Trace) -> None:
    begin_start(trace)
    state.counters = Counters()
    state.context = Context.NONE.value
    state.closed = state.said = False


def leave_gap(state: LogState) -> None:
    """Go on behind a part that is not read: no line there is known, so neither is the run that it speaks of."""
    state.run_id, state.rest, state.mark, state.rest_at = "", b"", b"", None
    state.closed = state.said = state.numbered = False
    state.torn = True
    state.gap_at = None
    state.context = Context.NONE.value
    state.counters = Counters()


def begin_again(state: LogState, *, same_run: bool) -> None:
    """Go on at the beginning of a file whose content was replaced.

    ``same_run`` where the file is the same one, cut short: then what follows is the next start of the run that was
    under way, whose progress is kept. Otherwise nobody knows whose lines follow until one names a run.
    """
    state.line, state.rest, state.mark, state.gap_at, state.rest_at = 0, b"", b"", None, None
    state.torn, state.numbered = False, True
    state.run_id = state.run_id if same_run else ""
    state.closed = state.run_id in state.traces


def dump_state(state: LogState) -> dict[str, Any]:
    """Return the state without its traces as JSON; they have rows of their own.

    Bytes are kept as the text of the same numbers; PostgreSQL takes no NUL, and no parser misses one.
    """
    dumped = {name: getattr(state, name) for name in _PLAIN}
    return dumped | {
        "rest": state.rest.replace(b"\x00", b"").decode("latin-1"),
        "mark": state.mark.hex(),
        "counters": asdict(state.counters),
    }


def restore_state(dumped: dict[str, Any], traces: Iterable[Trace]) -> LogState:
    state = LogState(traces={trace.run_id: trace for trace in traces})
    for name in _PLAIN:
        setattr(state, name, dumped.get(name, getattr(state, name)))
    state.rest = str(dumped.get("rest", "")).encode("latin-1", errors="ignore")
    state.mark = bytes.fromhex(str(dumped.get("mark", "")))
    state.counters = Counters(**dumped.get("counters", {}))
    return state


def trace_values(trace: Trace) -> dict[str, Any]:
    return asdict(trace)
