"""Gathering ACTIVE_SWEEPS.md and the chat answer, and writing the file into its workspace."""

from datetime import datetime

import structlog

from apps.audit.selectors import freshness
from apps.board.domain import BoardRow
from apps.board.incidents import (
    Discrepancy,
    Preemption,
    checkpoint_of,
    flagged_discrepancies,
    preemptions,
    unflagged_discrepancies,
)
from apps.board.markdown import Table, active_sweeps, cell, code, link, notes_of, stamp, table, without_stamp
from apps.board.selectors import active_rows, rows_of, runs_of
from apps.checkpoints.models import Checkpoint
from apps.core.errors import Permanent
from apps.core.files import confined, write_atomically
from apps.core.units import DASH, duration, number, percent
from apps.flags.history import Moment
from apps.flags.models import RunStatus
from apps.sweeps.models import Run, Sweep
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
JOBS = 200


def active_sweeps_markdown(workspace: str, now: datetime, notes: str = "") -> str:
    """Return ACTIVE_SWEEPS.md of one workspace, or of all for an empty name."""
    rows = active_rows(freshness(), workspace)
    pks = [row.pk for row in rows]
    runs = list(runs_of(pks)[:JOBS])
    tables = [
        Table("Running Sweeps", SWEEP_HEADINGS, [_sweep_cells(row) for row in rows], "No sweep is active."),
        Table(
            "Agent Health",
            ("Sweep", "Active", "Expected", "Zombies", "Stale", "Status"),
            [_agent_cells(row) for row in rows],
        ),
        Table(
            "Job Details",
            ("Job", "Run", "Epoch", "Step", "Runtime", "W&B", "Slurm"),
            [_job_cells(run, now) for run in runs],
        ),
        Table(
            "Failed Jobs",
            ("Job", "Class", "Resumable", "Checkpoint", "Action"),
            [_failed_cells(run) for run in runs if _failed(run)],
        ),
        Table(
            "Preemption History",
            ("Job", "Run", "Time", "Checkpoint", "Resumed as"),
            [_preemption(one) for one in preemptions(sweeps=pks)],
        ),
        Table("Discrepancy Log", ("Time", "Run", "W&B", "Slurm", "Action taken"), _discrepancies(pks, now)),
        Table("Source Locations", ("Sweep", "Log pattern", "W&B link", "Last verified"), _sources(rows)),
    ]
    return active_sweeps("Active Sweeps" + (f": {workspace}" if workspace else ""), now, tables, notes)


SWEEP_HEADINGS = ("Sweep", "Config", "Agents", "Epoch", "Step", "Progress", "Flags")


def _sweep_cells(row: BoardRow) -> list[str]:
    flags = ", ".join(f"{badge.rule} ×{badge.count}" if badge.count > 1 else badge.rule for badge in row.badges)
    return [
        link(row.sweep_id, row.url),
        cell(row.name),
        f"{row.agents.active}/{row.agents.expected}",
        _epoch(row.epoch, row.target_epochs),
        cell(DASH if row.step is None else row.step),
        percent(row.percent),
        flags or DASH,
    ]


def _epoch(epoch: float | None, target: float | None) -> str:
    return number(epoch) + (f"/{number(target)}" if target and epoch is not None else "")


def _agent_cells(row: BoardRow) -> list[str]:
    health = row.agents
    figures = [health.active, health.expected, health.zombies, health.stale]
    return [link(row.sweep_id, row.url), *(str(figure) for figure in figures), health.status]


def _job_id(run: Run) -> str:
    status = getattr(run, "status", None)
    return status.job.job_id if status and status.job else ""


def _runtime(status: RunStatus, now: datetime) -> float | None:
    """To ten minutes while it grows: a figure that moves with every pass would rewrite the file with every pass."""
    told = status.runtime_at(now)
    return told if told is None or status.ticking_since is None else told // 600 * 600


def _job_cells(run: Run, now: datetime) -> list[str]:
    status = getattr(run, "status", None)
    if status is None:
        return [DASH, link(run.run_id, run.url), DASH, DASH, DASH, cell(run.state), DASH]
    return [
        cell(_job_id(run)),
        link(run.run_id, run.url),
        _epoch(status.epoch, status.target_epochs),
        cell(DASH if status.step is None else status.step),
        duration(_runtime(status, now)),
        cell(run.state),
        cell(status.slurm_state),
    ]


def _failed(run: Run) -> bool:
    status = getattr(run, "status", None)
    return bool(status and status.crash_class)


def _failed_cells(run: Run) -> list[str]:
    name = _job_id(run) or f"run {run.run_id}"
    return [
        cell(name),
        run.status.crash_class,
        run.status.resumable,
        _checkpoint(checkpoint_of(run)),
        cell(run.status.action),
    ]


def _checkpoint(found: Checkpoint | None) -> str:
    if found is None:
        return "none"
    step = f"step {found.step}, " if found.step is not None else ""
    return f"{step}{stamp(found.modified_at)}"


def _preemption(one: Preemption) -> list[str]:
    return [
        cell(one.job.job_id),
        link(one.run.run_id, one.run.url),
        stamp(one.at),
        _checkpoint(one.checkpoint),
        cell(", ".join(part for part in (one.outcome, one.how) if part)),
    ]


def _discrepancies(pks: list[int], now: datetime) -> list[list[str]]:
    every = [*flagged_discrepancies(now, sweeps=pks), *unflagged_discrepancies(sweeps=pks)]
    return [_discrepancy(one) for one in every]


def _discrepancy(one: Discrepancy) -> list[str]:
    return [
        stamp(one.since),
        link(one.run.run_id, one.run.url),
        cell(one.wandb_state),
        cell(one.slurm_state),
        cell("; ".join((*(_deed(moment) for moment in one.done), _state(one)))),
    ]


def _deed(moment: Moment) -> str:
    note = f": {moment.note}" if moment.note else ""
    return f"{moment.what} by {moment.who} {stamp(moment.at)}{note}"


def _state(one: Discrepancy) -> str:
    return f"cleared {stamp(one.until)}" if one.until else f"open ({one.what}): {one.action}"


def _sources(rows: list[BoardRow]) -> list[list[str]]:
    verified = {one.scope: one.good_at for one in freshness() if one.source == "wandb"}
    patterns = {one.name: one.patterns("logs") for one in Workspace.objects.filter(active=True)}
    return [
        [
            link(row.sweep_id, row.url),
            ", ".join(code(pattern) for pattern in patterns.get(row.workspace, [])[:2]) or DASH,
            row.url or DASH,
            # To the hour: a time that moves with every pass would rewrite the file with every pass.
            cell(f"{verified[row.project]:%Y-%m-%d %H}:00 UTC" if verified.get(row.project) else DASH),
        ]
        for row in rows
    ]


def sweep_status_markdown(sweep_id: str = "") -> str:
    """Return the chat answer: `## Sweep Status` and one table, of one sweep or of all that are active."""
    if sweep_id:
        sweeps = list(Sweep.objects.filter(sweep_id=sweep_id).select_related("workspace"))
        if not sweeps:
            raise Permanent(f"No sweep with the id '{sweep_id}' is known; `manage.py sync` reads W&B again.")
        rows = rows_of(sweeps, freshness())
    else:
        rows = active_rows(freshness())
    headings = (*SWEEP_HEADINGS, "Status")
    cells = [[*_sweep_cells(row), row.agents.status] for row in rows]

    return table(Table("Sweep Status", headings, cells, "No sweep is active."))


def write_reports(*, workspaces: list[Workspace], now: datetime) -> list[str]:
    """Write ACTIVE_SWEEPS.md of each workspace where more than its time would change; return the paths.

    The Notes of people are read back from the file first and kept to the letter.
    """
    return [path for workspace in workspaces if (path := _write_report(workspace, now))]


def _write_report(workspace: Workspace, now: datetime) -> str:
    name = workspace.config.get("active_sweeps_file", "ACTIVE_SWEEPS.md")
    if not name or not workspace.path.is_dir():
        return ""
    try:
        path = confined(workspace.path, name)
        present = path.read_bytes().decode() if path.is_file() else ""
        text = active_sweeps_markdown(workspace.name, now, notes_of(present))
        if without_stamp(text) == without_stamp(present):
            return ""
        if present and path.read_bytes().decode() != present:
            return ""  # somebody saved notes just now: the next pass reads them first
        write_atomically(path, text)
    except (OSError, UnicodeDecodeError, Permanent) as error:
        log.warning("board.report.unwritten", workspace=workspace.name, error=str(error))
        return ""
    return str(path)
