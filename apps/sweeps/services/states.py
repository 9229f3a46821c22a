"""What W&B said of a run's state, one after the other: W&B keeps only the last one."""

from collections.abc import Iterable
from datetime import datetime

from apps.core.upsert import Upserted
from apps.sweeps.models import Run, RunStateChange
from apps.sweeps.ports import LIVE_RUN_STATES


def note_states(result: Upserted[Run], now: datetime) -> None:
    """Keep the states that an upsert changed, and those of new runs that live; call it in the same transaction."""
    begun = [run for run in result.created if run.state in LIVE_RUN_STATES]
    moved = [run for run in result.updated if "state" in result.before[run.pk]]
    _keep([(run.pk, run.state) for run in (*begun, *moved)], now)


def set_state(run_pks: Iterable[int], state: str, now: datetime) -> None:
    """Give runs a state that no source tells, such as ``deleted``, and keep since when."""
    pks = set(run_pks)
    if pks:
        Run.objects.filter(pk__in=pks).update(state=state)
        _keep([(pk, state) for pk in sorted(pks)], now)


def _keep(states: list[tuple[int, str]], now: datetime) -> None:
    if states:
        RunStateChange.objects.bulk_create(RunStateChange(run_id=pk, state=state, seen_at=now) for pk, state in states)
