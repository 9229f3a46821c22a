"""Earlier runs that were the same as one that lives: what should have been resumed. Three queries at most.

Runs of sweeps are told apart by the stored hash of what their sweep chose. Runs outside of sweeps have none: their
configs are compared here, of the newest ``MOST`` that got somewhere, because which keys may differ is the policy's.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    searches = {pk: _search_of(sweep) for pk, sweep in known.items()}
    furthest = _furthest_first(told, {one.pk: one.parameters_hash for one in told})
    found = {}
    for run in live:
        best = next((one for one in furthest.get(run.parameters_hash, ()) if _same_search(one, run, searches)), None)
        if best is not None:
            elsewhere = known[best.sweep_id].sweep_id if best.sweep_id not in (None, run.sweep_id) else ""
            found[run.pk] = Twin(best.run_id, best.state, best.status.epoch or 0.0, sweep_id=elsewhere)
    return found


@dataclass(frozen=True, slots=True)
class _Search:
    project: str
    workspace: int | None
    space: str


def _search_of(sweep: Sweep) -> _Search:
    space = json.dumps([sweep.config.get(key) for key in SPACE], sort_keys=True, default=str)
    return _Search(sweep.project_path, sweep.workspace_id, space)


def _same_search(one: Run, run: Run, searches: Mapping[int | None, _Search]) -> bool:
    if one.sweep_id == run.sweep_id:
        return _began_before(one, run)
    here, there = searches.get(run.sweep_id), searches.get(one.sweep_id)
    if here is None or there is None or here.space != there.space:
        return False
    near = here.project == there.project or (here.workspace is not None and here.workspace == there.workspace)
    return near and _was_over(one, run)


def _outside(live: Sequence[Run], workspaces: Mapping[str, Workspace]) -> dict[int, Twin]:
    if not live:
        return {}
    told = _got_somewhere(Q(sweep=None) & _projects(live), with_config=True)
    may_differ = {path: policy_of(workspaces.get(path)).may_differ for path in {run.project_path for run in live}}
    hashes = {one.pk: config_hash(one.config, may_differ[one.project_path]) for one in (*told, *live)}
    furthest = _furthest_first(told, hashes)
    found = {}
    for run in live:
        same = furthest.get(hashes[run.pk], ()) if hashes[run.pk] else ()
        best = next((one for one in same if one.project_path == run.project_path and _was_over(one, run)), None)
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


def _furthest_first(told: Iterable[Run], hashes: Mapping[int, str]) -> dict[str, list[Run]]:
    found: dict[str, list[Run]] = defaultdict(list)
    for one in sorted(told, key=lambda one: one.status.epoch or 0.0, reverse=True):
        found[hashes[one.pk]].append(one)
    return found


def _began_before(one: Run, run: Run) -> bool:
    return one.created_at is not None and run.created_at is not None and one.created_at < run.created_at


def _was_over(one: Run, run: Run) -> bool:
    """Two that trained side by side, such as the ranks of one job, repeat nothing of each other."""
    ended = one.ended_at
    return _began_before(one, run) and (ended is None or (run.created_at is not None and ended <= run.created_at))


def config_hash(config: Mapping[str, Any], may_differ: Collection[str]) -> str:
    """Return a hash of a whole config without what belongs to one start alone; empty where nothing is left."""
    usual = OF_ONE_START | set(may_differ)
    kept = {
        key: value for key, value in leaves(config) if not usual & {key, key.partition(".")[0], key.rpartition(".")[2]}
    }
    if not kept:
        return ""
    return hashlib.sha256(json.dumps(kept, sort_keys=True, default=str).encode()).hexdigest()[:16]
