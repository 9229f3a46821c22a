"""Finding out why a sweep runs: its YAML file in the workspace says so, in its head comments and its description."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import structlog

from apps.core.files import is_inside
from apps.sweeps.domain import Written, describes, written_purpose
from apps.sweeps.models import Sweep
from apps.workspaces.models import Workspace

log = structlog.get_logger(__name__)
MOST_BYTES = 256 << 10
MOST_FILES = 500


def find_purposes(*, sweep_pks: Iterable[int]) -> set[int]:
    """Look for the YAML files of these sweeps; return those whose purpose changed.

    A file belongs to a sweep when both name the same, or when method and parameters are the same. Without a
    file the description in W&B is the purpose.
    """
    changed: set[int] = set()
    sweeps = Sweep.objects.filter(pk__in=set(sweep_pks)).select_related("workspace")
    read: dict[int, list[tuple[Path, Written]]] = {}
    for sweep in sweeps:
        files = read.setdefault(sweep.workspace_id or 0, list(_written(sweep.workspace) if sweep.workspace else ()))
        path, written = max(
            ((path, one) for path, one in files if describes(one, sweep.name, sweep.config)),
            key=lambda found: describes(found[1], sweep.name, sweep.config),
            default=(None, None),
        )
        purpose, described = written.purpose if written else "", sweep.description.strip()
        if described not in purpose:  # W&B mostly has it from the file
            purpose = f"{purpose}\n{described}".strip()
        values = {"purpose": purpose, "purpose_file": str(path or "")[:1000]}
        if any(getattr(sweep, name) != value for name, value in values.items()):
            Sweep.objects.filter(pk=sweep.pk).update(**values)
            changed.add(sweep.pk)
    return changed


def _written(workspace: Workspace) -> Iterator[tuple[Path, Written]]:
    """Yield what each sweep file of a workspace says; what cannot be read is no sweep file."""
    try:
        root = workspace.path.resolve(strict=True)
        paths = sorted({path for pattern in workspace.patterns("sweep_files") for path in root.glob(pattern)})
    except OSError as error:
        log.warning("sweeps.files.unlistable", workspace=workspace.name, error=str(error))
        return
    for path in paths[:MOST_FILES]:
        try:
            if not is_inside(root, path) or not path.is_file() or path.stat().st_size > MOST_BYTES:
                continue
            written = written_purpose(path.read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        if written is not None:
            yield path, written
