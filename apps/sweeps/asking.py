"""What W&B says of one run at this moment: what is done to a run is not done on stored words."""

from collections.abc import Callable
from datetime import datetime, timedelta

from apps.audit.selectors import held_until
from apps.core.errors import Transient
from apps.sweeps.models import Run
from apps.sweeps.ports import RunRecord, SweepSource

SOON = timedelta(days=1)


def run_now(make_source: Callable[[], SweepSource], run: Run, now: datetime) -> RunRecord | None:
    """Return the run as W&B has it now; None where W&B no longer knows it.

    ``Transient`` while W&B does not answer, or asked to be left alone.
    """
    check_not_held(run.project_path, now)
    source = make_source()
    try:
        # No heartbeat is from tomorrow: only the run that is named is told.
        for record in source.runs(run.project_path, now + SOON, [run.run_id]):
            if record.run_id == run.run_id:
                return record
    finally:
        source.close()
    return None


def check_not_held(project_path: str, now: datetime) -> None:
    """Raise ``Transient`` while W&B wants to be left alone about this project."""
    held = held_until("wandb", project_path)
    if held is not None and held > now:
        raise Transient(f"W&B asked to be left alone until {held:%H:%M:%S} UTC.")
