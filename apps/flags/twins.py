"""Earlier runs that were the same as one that lives: what should have been resumed. Three queries at most.

Runs of sweeps are told apart by the stored hash of what their sweep chose. Runs outside of sweeps have none: their
configs are compared here, of the newest ``MOST`` that got somewhere, because which keys may differ is the policy's.
"""

import hashlib
import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db.models import Q

from apps.flags.domain import Twin
from apps.flags.reading import OF_ONE_START, leaves
from apps.sweeps.models import Run, Sweep
from apps.sweeps.ports import LIVE_RUN_STATES
from apps.workspaces.models import Workspace
from apps.workspaces.selectors import policy_of

LEAST_EPOCHS = 1.0
MOST = 1000  # runs outside of sweeps whose configs are read
# What must be the same of two sweeps: a space that another program searches is another one.
SPACE = ("parameters", "program", "command")


def twins_of(runs: Iterable[Run], workspaces: Mapping[str, Workspace]) -> dict[int, Twin]:
    """Return for each live run the furthest earlier run that was the same.

    Only one that got somewhere and did not finish counts: it is what should have been resumed.
    """
    live = [run for run in runs if run.state in LIVE_RUN_STATES and run.created_at]
    found = _in_sweeps([run for run in live if run.sweep_id and run.parameters_hash])
    return found | _outside([run for run in live if run.sweep_id is None and run.config], workspaces)


def _in_sweeps(live: Sequence[Run]) -> dict[int, Twin]:
    if not live:
        return {}
    sweeps = {run.sweep_id: run.sweep for run in live if run.sweep}
    places = Q(sweep__in=sweeps) | _projects(live, "sweep__")
    if spaces := {sweep.workspace_id for sweep in sweeps.values() if sweep.workspace_id}:
        places |= Q(sweep__workspace__in=spaces)
    told = _got_somewhere(Q(parameters_hash__in={run.parameters_hash for run in live}) & places)
    others = {one.sweep_id for one in told} - sweeps.keys()
    known = sweeps | (Sweep.objects.defer("purpose", "description").in_bulk(others) if others else {})
    found = {}
    for run in live:
        before = [one for one in told if one.parameters_hash == run.parameters_hash and _same_search(one, run, known)]
        best = _furthest(before)
        if best is not None:
            elsewhere = known[best.sweep_id].sweep_id if best.sweep_id not in (None, run.sweep_id) else ""
            found[run.pk] = Twin(best.run_id, best.state, best.status.epoch or 0.0, sweep_id=elsewhere)
    return found


def _same_search(one: Run, run: Run, known: Mapping[int | None, Sweep]) -> bool:
    if one.sweep_id == run.sweep_id:
        return _began_before(one, run)
    here, there = known.get(run.sweep_id), known.get(one.sweep_id)
    if here is None or there is None or not _was_over(one, run):
        return False
    near = here.project_path == there.project_path or (here.workspace_id or 0) == there.workspace_id
    return near and all(here.config.get(key) == there.config.get(key) for key in SPACE)


def _outside(live: Sequence[Run], workspaces: Mapping[str, Workspace]) -> dict[int, Twin]:
    if not live:
        return {}
    told = _got_somewhere(Q(sweep=None) & _projects(live), with_config=True)
    hashes = {one.pk: _config_hash(one, workspaces) for one in (*told, *live)}
    found = {}
    for run in live:
        same = [one for one in told if hashes[run.pk] and hashes[one.pk] == hashes[run.pk]]
        best = _furthest(one for one in same if one.project_path == run.project_path and _was_over(one, run))
        if best is not None:
            found[run.pk] = Twin(best.run_id, best.state, best.status.epoch or 0.0, same="config")
    return found


def _projects(live: Iterable[Run], prefix: str = "") -> Q:
    found = Q()
    for entity, project in sorted({(run.entity, run.project) for run in live}):
        found |= Q(**{f"{prefix}entity": entity, f"{prefix}project": project})
    return found


def _got_somewhere(wanted: Q, *, with_config: bool = False) -> list[Run]:
    ended = Run.objects.filter(wanted, status__epoch__gte=LEAST_EPOCHS).exclude(
        state__in=["finished", "deleted", "moved", *LIVE_RUN_STATES]
    )
    rows = ended.select_related("status").defer("summary", "status__chain")
    if with_config:
        return list(rows.order_by("-pk")[:MOST])
    return list(rows.defer("config", "summary", "status__chain"))


def _furthest(runs: Iterable[Run]) -> Run | None:
    return max(runs, key=lambda one: one.status.epoch or 0.0, default=None)


def _began_before(one: Run, run: Run) -> bool:
    return one.created_at is not None and run.created_at is not None and one.created_at < run.created_at


def _was_over(one: Run, run: Run) -> bool:
    """Two that trained side by side, such as the ranks of one job, repeat nothing of each other."""
    ended = one.ended_at
    return _began_before(one, run) and (ended is None or (run.created_at is not None and ended <= run.created_at))


def _config_hash(run: Run, workspaces: Mapping[str, Workspace]) -> str:
    return config_hash(run.config, policy_of(workspaces.get(run.project_path)).may_differ)


def config_hash(config: Mapping[str, Any], may_differ: Collection[str]) -> str:
    """Return a hash of a whole config without what belongs to one start alone; empty where nothing is left."""
    usual = OF_ONE_START | set(may_differ)
    kept = {
        key: value for key, value in leaves(config) if not usual & {key, key.partition(".")[0], key.rpartition(".")[2]}
    }
    if not kept:
        return ""
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]
