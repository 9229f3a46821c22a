"""Thin samples of what runs logged, for sparklines: fetched for many runs at once, and only where something is new."""

from collections import defaultdict
from collections.abc import Iterable

from django.db import transaction
from django.db.models import F, Q

from apps.audit.services import sync_pass
from apps.core.upsert import upsert
from apps.sweeps.domain import loss_key
from apps.sweeps.models import Run, RunHistory
from apps.sweeps.ports import Points, SweepSource

SOURCE = "wandb-history"
SAMPLES = 60
RUNS_PER_PASS = 200


def sync_histories(*, project: str, source: SweepSource) -> set[int]:
    """Fetch anew the samples of runs with a newer heartbeat than their sample; return the runs that changed."""
    with sync_pass(source=SOURCE, scope=project) as tally:
        runs = _behind(project)
        tally.seen = len(runs)
        try:
            samples = {key: source.history(project, ids, key, SAMPLES) for key, ids in _asked(runs).items()}
        finally:
            tally.requests = source.requests
        with transaction.atomic():
            result = upsert(RunHistory, key=("run_id",), rows=[_row(run, samples) for run in runs])
        tally.changed = len(result.changed)
        return {history.run_id for history in result.changed}
    return set()


def _behind(project: str) -> list[Run]:
    """Runs of sweeps whose sample is older than their heartbeat, the newest first, a bounded number of them."""
    newer = Q(history=None) | Q(history__beat_at__lt=F("heartbeat_at")) | Q(history__beat_at=None)
    runs = Run.objects.of_project(project).filter(newer, sweep__isnull=False, heartbeat_at__isnull=False, offline=False)
    return list(runs.select_related("sweep").order_by("-heartbeat_at")[:RUNS_PER_PASS])


def _asked(runs: Iterable[Run]) -> dict[str, list[str]]:
    """Return which runs are asked for which key."""
    asked: dict[str, list[str]] = defaultdict(list)
    for run in runs:
        for key in {run.sweep.metric_name if run.sweep else "", loss_key(run.summary)} - {""}:
            asked[key].append(run.run_id)
    return asked


def _row(run: Run, samples: dict[str, dict[str, Points]]) -> dict[str, object]:
    def points(key: str) -> list[list[float]]:
        return [list(pair) for pair in samples.get(key, {}).get(run.run_id, [])]

    metric = run.sweep.metric_name if run.sweep else ""
    return {
        "run_id": run.pk,
        "metric": points(metric),
        "loss": points(loss_key(run.summary)),
        "beat_at": run.heartbeat_at,
    }
