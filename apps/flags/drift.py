"""Which configs are not what was intended: against the disk, and against the sweep's space. One query at most."""

from collections.abc import Collection, Iterable

from apps.audit.models import AuditEvent
from apps.flags.reading import differences
from apps.flags.spaces import outside
from apps.sweeps.models import Run

_RESUMED = "resume.request.requested"


def drifts_of(runs: Iterable[Run]) -> dict[int, tuple[str, ...]]:
    """Return in which keys the config of each run differs from what was intended.

    What a resume changed on purpose stands in the audit trail, which is asked only for runs where something differs.
    """
    found = {run.pk: (run, said) for run in runs if (said := _drift(run))}
    changed = _changed_by_resumes([run.run_id for run, _ in found.values()])
    told = {
        pk: _drift(run, changed[run.run_id]) if run.run_id in changed else said for pk, (run, said) in found.items()
    }
    return {pk: said for pk, said in told.items() if said}


def _drift(run: Run, changed: Collection[str] = ()) -> tuple[str, ...]:
    if not run.config:
        return ()
    disk, parameters = getattr(run, "disk_config", None), run.sweep.config.get("parameters") if run.sweep else None
    found = differences(disk.values, run.config, changed) if disk is not None else ()
    return found + (outside(run.config, parameters, changed) if isinstance(parameters, dict) else ())


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
