"""Reading the board: its sweeps, and the reports as Markdown."""

from apps.api.acts.paging import slice_of
from apps.api.acts.registry import Told, act
from apps.api.callers import Caller
from apps.api.domain.problems import not_found
from apps.api.domain.tokens import Scope
from apps.api.schemas.training import ReportWish, StatusWish, SweepsWish, SweepWish
from apps.audit.selectors import freshness
from apps.board.domain import BoardRow
from apps.board.report import active_sweeps_markdown, sweep_status_markdown
from apps.board.selectors import active_rows, followed, rows_of
from apps.board.view import BoardView
from apps.core.clock import utcnow
from apps.core.errors import Permanent
from apps.sweeps.models import Sweep
from apps.sweeps.selectors import sweep_named
from apps.workspaces.selectors import active_workspaces


@act(Scope.READ)
def list_sweeps(caller: Caller, wish: SweepsWish) -> Told:
    """List the sweeps that are alive or have something critical open, as the board shows them."""
    view = BoardView.from_query(wish.model_dump(exclude={"limit", "cursor"}))
    rows = [row for row in active_rows(followed(freshness())) if view.wants(row)]
    page, after = slice_of(rows, wish, "sweeps", lambda row: (-row.pk,), int)
    return {"sweeps": [_sweep_told(row) for row in page], "next": after}


@act(Scope.READ)
def show_sweep(caller: Caller, wish: SweepWish) -> Told:
    """Show one sweep, alive or not."""
    return _sweep_told(rows_of([sweep_of(wish)], followed(freshness()))[0])


def sweep_of(wish: SweepWish) -> Sweep:
    try:
        return sweep_named(wish.sweep, wish.project)
    except Permanent as error:
        raise not_found(error) from error


def _sweep_told(row: BoardRow) -> Told:
    health = row.agents
    figures = {"active": health.active, "expected": health.expected, "zombies": health.zombies, "stale": health.stale}
    same = ("name", "project", "url", "workspace", "method", "state", "runs", "expected_runs", "epoch", "target_epochs",
            "step", "percent", "metric_value", "checkpoint_step", "checkpoint_at", "gpu_hours", "heartbeat_at",
            "source_ok", "purpose")  # fmt: skip
    return {
        **{name: getattr(row, name) for name in same},
        "sweep": row.sweep_id,
        "owners": list(row.owners),
        "agents": {**figures, "status": health.status},
        "runs_by_state": dict(row.runs_by_state),
        "metric": row.metric_name,
        "flags": [
            {name: getattr(badge, name) for name in ("rule", "severity", "count", "evidence", "action", "uncertain")}
            for badge in row.badges
        ],
    }


@act(Scope.READ)
def active_sweeps(caller: Caller, wish: ReportWish) -> Told:
    """Return ACTIVE_SWEEPS.md of one workspace, or of all, as Markdown."""
    if wish.workspace and wish.workspace not in {one.name for one in active_workspaces()}:
        raise not_found(f"There is no workspace '{wish.workspace}'.")
    return {"markdown": active_sweeps_markdown(wish.workspace, utcnow())}


@act(Scope.READ)
def sweep_status(caller: Caller, wish: StatusWish) -> Told:
    """Return the same as one table for a chat, of one sweep or of all that are active."""
    try:
        return {"markdown": sweep_status_markdown(wish.sweep)}
    except Permanent as error:
        raise not_found(error) from error
