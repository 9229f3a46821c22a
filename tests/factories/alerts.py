"""Rows of alerts, and the flags that make them."""

from typing import Any

from apps.alerts.models import AlertChannel
from apps.alerts.sealing import seal
from apps.flags.models import Flag
from tests.factories.moments import before
from tests.factories.rows import FlagFactory, JobFactory, RunFactory, RunStatusFactory, SweepFactory

SECRET = "hunter2-very-secret"
ADDRESS = f"json://mia:{SECRET}@hooks.example.org/{SECRET}"


def channel(name: str = "ops", address: str = ADDRESS, **values: Any) -> AlertChannel:
    """A channel that hears of everything from warnings on."""
    given = {"hint": "JSON (json://hooks.example.org)", "made_by": "mia", "made_at": before(days=1), **values}
    return AlertChannel.objects.create(name=name, sealed=seal(address), **given)


def flagged(
    *, node: str = "g07", crash_class: str = "node-failure", sweep: Any = None, workspace: Any = None, **values: Any
) -> Flag:
    """An open flag on a run whose job died on ``node``."""
    sweep = sweep or SweepFactory(**({"workspace": workspace} if workspace else {}))
    run = RunFactory(sweep=sweep)
    RunStatusFactory(run=run, job=JobFactory(nodes=node), crash_class=crash_class)
    return FlagFactory(run=run, sweep=sweep, **values)
