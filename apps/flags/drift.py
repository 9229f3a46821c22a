"""Which configs are not what was intended: against the disk, and against the sweep's space. One query at most."""

from collections.abc import Callable, Collection, Iterable

from apps.audit.models import AuditEvent
from apps.flags.reading import differences
from apps.flags.spaces import Bounds, outside, space_of
from apps.sweeps.models import Run

MayDiffer = Callable[[Run], Collection[str]]
_RESUMED = "resume.request.requested"


def drifts_of(runs: Iterable[Run], may_differ: MayDiffer = lambda run: ()) -> dict[int, tuple[str, ...]]:
    """Return in which keys the config of each run differs from what was intended.

    What a resume changed on purpose stands in the audit trail, which is asked only for runs where something differs;
    so is ``may_differ``, which tells the keys in which the disk may differ from W&B.
    """
    spaces: dict[int | None, tuple[Bounds, ...]] = {}  # of each sweep once: many runs share one
    found = {}
    for run in runs:
        if _drift(run, spaces) and (said := _drift(run, spaces, allowed=may_differ(run))):
            found[run.pk] = (run, said)
    changed = _changed_by_resumes([run.run_id for run, _ in found.values()])
    for pk, (run, _) in list(found.items()):
        if run.run_id in changed:
            found[pk] = (run, _drift(run, spaces, changed[run.run_id], may_differ(run)))
    return {pk: said for pk, (_, said) in found.items() if said}


def _drift(
    run: Run,
    spaces: dict[int | None, tuple[Bounds, ...]],
    changed: Collection[str] = (),
    allowed: Collection[str] = (),
) -> tuple[str, ...]:
    if not run.config:
        return ()
    if run.sweep_id not in spaces:
        parameters = run.sweep.config.get("parameters") if run.sweep else None
        spaces[run.sweep_id] = space_of(parameters) if isinstance(parameters, dict) else ()
    disk = getattr(run, "disk_config", None)
    found = differences(disk.values, run.config, {*changed, *allowed}) if disk is not None else ()
    return found + outside(run.config, spaces[run.sweep_id], changed)


def _changed_by_resumes(run_ids: Collection[str]) -> dict[str, set[str]]:
    """Return the keys that resumes of these runs changed, which are noted as ``batch_size = 8, lr = 0.05``."""
    if not run_ids:
        return {}
    subjects = {f"run {run_id}": run_id for run_id in run_ids}
    events = AuditEvent.objects.filter(type=_RESUMED, subject__in=subjects).order_by()
    found: dict[str, set[str]] = {}
    for subject, detail in events.values_list("subject", "detail"):
        said = (detail.get("plan") or {}).get("changes") or ()
        keys = {part.partition(" = ")[0].strip() for one in said for part in str(one).split(", ") if " = " in part}
        found.setdefault(subjects[subject], set()).update(keys)
    return found
