"""States over time as bars: both sides of one run on one axis, and the attempts of many runs. Pure."""

from collections.abc import Sequence
from datetime import datetime

import plotly.graph_objects as go

from apps.core.units import count, duration
from apps.pages.domain.runlife import HEARD, NO_JOB, PENDING, SLURM, UNKNOWN, WANDB, RunLife, Span, endings, spans_of
from apps.pages.figures.chart import Chart, Look, Table, figure, plain, stamp

STRIPED = {PENDING: "/", NO_JOB: ".", UNKNOWN: "x"}
GOOD = frozenset({"RUNNING", "running", HEARD, "finished", "COMPLETED"})
WAITING = frozenset({PENDING, "pending", "preempting", "preempted", "PREEMPTED", "REQUEUED", "SUSPENDED"})
GREY = frozenset({NO_JOB, UNKNOWN, "offline"})
COLUMNS = ("Run", "Lane", "State", "From (UTC)", "Until (UTC)", "Lasted", "Remark")


def states(life: RunLife, now: datetime, resumes: Sequence[datetime] = (), sources: str = "") -> Chart:
    """W&B's and Slurm's states of one run on one axis of time; ``resumes`` are when somebody had it resumed."""
    spans = spans_of(life, now)
    table = Table(COLUMNS[1:], tuple(_row(one)[1:] for one in spans))
    if not spans:
        told = "Neither W&B nor Slurm told any time of this run, so there is nothing to draw."
        return Chart("states", "States over time", told, table)
    jobs = len({one.job for one in life.attempts})
    attempts = len(life.attempts)
    over = [f"{state} at {when:%Y-%m-%d %H:%M}" for when, state, _ in endings(life)]
    last = f" Attempts ended: {', '.join(over[-3:])}." if over else ""
    none = " No job is known that carries it." if not life.attempts else ""
    held = f"{count(attempts, 'attempt')} in {count(jobs, 'job')}" if attempts else "no attempt"
    earlier = [state for _, state in life.seen][:-1][-3:]
    after = f", after {', '.join(earlier)}" if earlier else ""
    sentence = f"W&B says {life.state}{after}; Slurm knew {held}.{last}{none}"
    return Chart("states", "States over time", sentence, table, lambda look: _bars(look, spans, resumes, now), sources)


def _row(one: Span) -> tuple[object, ...]:
    return (one.run, one.lane, one.state, one.begin, one.end, duration(one.end - one.begin), one.note)


def _bars(look: Look, spans: Sequence[Span], resumes: Sequence[datetime], now: datetime) -> go.Figure:
    traces = [_state(look, state, [one for one in spans if one.state == state]) for state in _in_order(spans)]
    if resumes:
        traces.append(_marks(look, "resumed by Sweepboard", resumes, [SLURM] * len(resumes)))
    lanes = {"categoryorder": "array", "categoryarray": [SLURM, WANDB], "showgrid": False}
    small = {"mode": "hide", "minsize": 10}  # rather no word than one that nobody can read
    time = {"type": "date", "title": "UTC"}
    return figure(look, traces, barmode="overlay", uniformtext=small, height=240, yaxis=lanes, xaxis=time)


def _state(look: Look, state: str, spans: Sequence[Span], by_run: bool = False) -> go.Bar:
    return go.Bar(
        name=state,
        orientation="h",
        base=[stamp(one.begin) for one in spans],
        x=[max(1.0, (one.end - one.begin).total_seconds()) * 1000 for one in spans],
        y=[plain(one.run) if by_run else one.lane for one in spans],
        # Colour is never the only sign: a bar that is wide enough for its state bears it.
        text=None if by_run else [one.state for one in spans],
        textposition="none" if by_run or state in STRIPED else "inside",
        insidetextanchor="middle",
        textangle=0,
        customdata=[[one.state, duration(one.end - one.begin), plain(one.note)] for one in spans],
        hovertemplate="%{y}: %{customdata[0]} for %{customdata[1]}<br>%{customdata[2]}<extra></extra>",
        marker={"color": colour(look, state), "line": {"width": 1, "color": look.text},
                "pattern": {"shape": STRIPED.get(state, ""), "fgcolor": look.text, "fgopacity": 0.5}},
    )  # fmt: skip


def colour(look: Look, state: str) -> str:
    if state in GOOD:
        return look.good
    if state in WAITING:
        return look.warning
    return look.dim if state in GREY else look.critical


def _in_order(spans: Sequence[Span]) -> list[str]:
    return list(dict.fromkeys(one.state for one in spans))


def _marks(
    look: Look, name: str, at: Sequence[datetime], lanes: Sequence[str], symbol: str = "triangle-up"
) -> go.Scatter:
    return go.Scatter(
        name=name, mode="markers", x=[stamp(one) for one in at], y=list(lanes),
        marker={"symbol": symbol, "size": 13, "color": look.text, "line": {"width": 1, "color": look.good}},
        hovertemplate="%{y}: " + name + " at %{x}<extra></extra>",
    )  # fmt: skip


def timeline(lives: Sequence[RunLife], now: datetime, resumes: Sequence[tuple[str, datetime]], *, total: int) -> Chart:
    """Every run's attempts over time, W&B's line thin above Slurm's, with preemptions and resumes marked.

    ``resumes`` names the run of each resume by Sweepboard; ``total`` counts the runs of which ``lives`` are the newest.
    """
    spans = [span for life in lives for span in spans_of(life, now)]
    table = Table(COLUMNS, tuple(_row(one) for one in spans))
    if not spans:
        return Chart("timeline", "Timeline of attempts", "No run of this sweep has a time yet.", table)
    ends = [(when, state, life.name) for life in lives for when, state, _ in endings(life)]
    lost = [(when, name) for when, state, name in ends if state == "PREEMPTED"]
    more = sum(max(0, len(life.attempts) - 1) for life in lives)
    part = f"The newest {len(lives)} of {count(total, 'run')}" if total > len(lives) else count(len(lives), "run")
    sentence = (
        f"{part}: {count(sum(len(life.attempts) for life in lives), 'attempt')}, {count(len(lost), 'preemption')}, "
        f"{more} that followed an earlier one, {count(len(resumes), 'resume')} by Sweepboard."
    )
    unlinked = sum(not life.attempts for life in lives)
    names = [life.name for life in lives]
    told = f"Of {count(unlinked, 'run')} no job is known: their Slurm side is unknown and not drawn."
    note = told if unlinked else ""
    return Chart(
        "timeline", "Timeline of attempts", sentence, table,
        lambda look: _gantt(look, spans, lost, resumes, names), note,
    )  # fmt: skip


def _gantt(
    look: Look,
    spans: Sequence[Span],
    lost: Sequence[tuple[datetime, str]],
    resumes: Sequence[tuple[str, datetime]],
    names: Sequence[str],
) -> go.Figure:
    slurm = [one for one in spans if one.lane == SLURM]
    heard = [one for one in spans if one.lane == WANDB and one.state == HEARD]
    traces: list[object] = [_state(look, state, [one for one in slurm if one.state == state], by_run=True)
                            for state in _in_order(slurm)]  # fmt: skip
    traces.append(_heard(look, heard))
    if lost:
        traces.append(_marks(look, "preempted", [at for at, _ in lost], [plain(name) for _, name in lost], "x"))
    if resumes:
        traces.append(
            _marks(look, "resumed by Sweepboard", [at for _, at in resumes], [plain(name) for name, _ in resumes])
        )
    names = [plain(name) for name in names]
    rows = {"categoryorder": "array", "categoryarray": list(reversed(names)), "showgrid": False,
            "tickmode": "array", "tickvals": list(names), "ticktext": [name[:24] for name in names]}  # fmt: skip
    height = max(240, 90 + 22 * len(names))
    return figure(look, traces, barmode="overlay", height=height, yaxis=rows, xaxis={"type": "date", "title": "UTC"})


def _heard(look: Look, spans: Sequence[Span]) -> go.Scatter:
    """W&B's span of each run as one thin line on its row."""
    x: list[str | None] = []
    y: list[str | None] = []
    for one in spans:
        x += [stamp(one.begin), stamp(one.end), None]
        y += [plain(one.run), plain(one.run), None]
    return go.Scatter(
        name="W&B heard of it", mode="lines+markers", x=x, y=y, line={"width": 3, "color": look.palette[0]},
        marker={"size": 5}, hovertemplate="%{y}: W&B heard of it at %{x}<extra></extra>",
    )  # fmt: skip
