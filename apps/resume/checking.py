"""Looking at a run's gate: a row first, driven by the workers, because reading a checkpoint takes its time."""

import uuid
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

import structlog
from django.db import IntegrityError, transaction
from django.db.models import Q

from apps.checkpoints.verifying import Teller
from apps.core.errors import SweepboardError
from apps.core.units import size
from apps.resume.domain import CheckpointFact, GateFacts, GateLine
from apps.resume.fresh import Tools, gate_facts
from apps.resume.gate import gate_lines
from apps.resume.models import GateCheck
from apps.resume.places import placed
from apps.sweeps.models import Run
from apps.workspaces.selectors import workspace_by_project

log = structlog.get_logger(__name__)
LEASE = timedelta(minutes=3)  # longer than it takes to ask every source; renewed while a checkpoint is read
KEPT = 20  # looks at one run that are kept
Clock = Callable[[], datetime]


def new_key() -> str:
    """Draw the key by which one press is told from every other."""
    return uuid.uuid4().hex[:16]


def ask_for_check(*, run: Run, actor: str, now: datetime) -> GateCheck:
    """Note that the gate of ``run`` is to be looked at; a look that is under way is not doubled."""
    under_way = GateCheck.objects.filter(run=run, state="queued").first()
    if under_way is not None:
        return under_way
    try:
        with transaction.atomic():
            return GateCheck.objects.create(run=run, key=new_key(), asked_by=actor[:150], asked_at=now)
    except IntegrityError:
        return GateCheck.objects.filter(run=run).latest("pk")


def unfinished_checks(now: datetime) -> list[int]:
    """Return the looks that nobody takes: waiting, or begun by a worker that was heard of no more."""
    return list(GateCheck.objects.filter(_free(now)).order_by("pk").values_list("pk", flat=True))


def _free(now: datetime) -> Q:
    return Q(state="queued") & (Q(claimed_at=None) | Q(claimed_at__lt=now - LEASE))


def drive_check(*, check_pk: int, tools: Tools, clock: Clock) -> str:
    """Look at the gate, unless somebody else does; return the state of the check, ``gone`` where there is none."""
    now = clock()
    if GateCheck.objects.filter(_free(now), pk=check_pk).update(claimed_at=now) != 1:
        return GateCheck.objects.filter(pk=check_pk).values_list("state", flat=True).first() or "gone"
    check = GateCheck.objects.select_related("run__sweep").get(pk=check_pk)
    try:
        # How much of the checkpoint is read is said as it goes on, which renews the claim as well.
        facts = gate_facts(tools, check.run, now, heard=Teller(lambda read: _read_on(check_pk, read, clock())).heard)
        values = {"lines": lines_as_json(gate_lines(facts)), "found": _found(tools, check.run, facts), "said": ""}
    except SweepboardError as error:
        values = {"said": str(error)}
    except Exception as error:
        error_id = uuid.uuid4().hex[:12]
        log.exception("resume.check.crashed", check=check_pk, error_id=error_id)
        values = {"said": f"Sweepboard failed to look at the gate ({type(error).__name__}, {error_id})."}
    GateCheck.objects.filter(pk=check_pk, state="queued").update(state="done", checked_at=clock(), **values)
    _forget_old(check.run_id)
    return "done"


def _read_on(check_pk: int, read: int, now: datetime) -> None:
    said = f"{size(read)} of the checkpoint are read."
    GateCheck.objects.filter(pk=check_pk, state="queued").update(claimed_at=now, said=said)


def _forget_old(run_pk: int) -> None:
    kept = GateCheck.objects.filter(run=run_pk).values_list("pk", flat=True)[:KEPT]
    GateCheck.objects.filter(run=run_pk).exclude(pk__in=list(kept)).delete()


def _found(tools: Tools, run: Run, facts: GateFacts) -> dict[str, Any]:
    """What a submission will need, and the checkpoint as it was read."""
    workspace = workspace_by_project().get(run.project_path)
    told: dict[str, Any] = {"config_path": facts.config_path}
    if facts.newest is not None:
        told["checkpoint"] = _checkpoint_as_json(facts.newest)
    if workspace is not None and not facts.lacks:
        place = placed(tools.schedulers(), run, workspace)
        told |= {"cluster": place.cluster, "place": place.name}
    return told


def _checkpoint_as_json(one: CheckpointFact) -> dict[str, Any]:
    return {**asdict(one), "modified_at": one.modified_at.isoformat()}


def checkpoint_from(told: dict[str, Any]) -> CheckpointFact | None:
    """Return the checkpoint that a check found; None where it found none."""
    held = told.get("checkpoint")
    return CheckpointFact(**{**held, "modified_at": datetime.fromisoformat(held["modified_at"])}) if held else None


def lines_as_json(lines: list[GateLine]) -> list[dict[str, Any]]:
    return [asdict(line) for line in lines]
