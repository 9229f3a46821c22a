"""Proving checkpoints: a wish is a row first, is driven until it is done, and nothing is read twice."""

import hashlib
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import structlog
from django.db import transaction
from django.db.models import Q

from apps.audit.services import record
from apps.checkpoints.domain import newest_first
from apps.checkpoints.models import Checkpoint, Verification
from apps.checkpoints.ports import FoundCheckpoint, Proof
from apps.checkpoints.proof.files import stamp_of, watched
from apps.checkpoints.proof.folders import files_of
from apps.checkpoints.proof.look import prove
from apps.checkpoints.proof.outcome import NotSound
from apps.core.errors import AlreadyDone
from apps.core.units import whole
from apps.sweeps.models import Run

log = structlog.get_logger(__name__)
LEASE = timedelta(seconds=60)  # renewed while it reads; a dead worker's claim ends with it
TOLD_EVERY = 2.0  # seconds
NIGHTLY = timedelta(hours=24)
MACHINE = "sweepboard"
Clock = Callable[[], datetime]


def ask_for_proof(*, run: Run, found: FoundCheckpoint, actor: str, now: datetime) -> Verification:
    """Note the wish that a checkpoint be proven; ``AlreadyDone`` where it is proven as it is, or under way."""
    values = {"kind": found.kind, "step": found.step, "epoch": found.epoch, "bytes": found.bytes}
    listed = {**values, "run": run, "modified_at": found.modified_at}
    asked = {"asked_by": actor, "asked_at": now, "state": "queued", "claimed_at": None, "read_bytes": 0}
    with transaction.atomic():
        one, created = Verification.objects.get_or_create(path=str(found.path), defaults={**listed, **asked})
        if not created:
            _ask_again(one, {**listed, **asked}, now)
        if actor != MACHINE:
            record(type="checkpoint.verify.requested", actor=actor, subject=f"run {run.run_id}", path=str(found.path))
    return Verification.objects.get(pk=one.pk)


def _ask_again(one: Verification, values: dict[str, object], now: datetime) -> None:
    if one.is_open and not (one.state == "running" and one.claimed_at and one.claimed_at < now - LEASE):
        raise AlreadyDone("This checkpoint is being proven already.")
    if one.state == "done" and one.sound != "unknown" and one.stamp == whole_stamp(Path(one.path)):
        raise AlreadyDone("This checkpoint is proven as it is: nothing of it changed since.")
    Verification.objects.filter(pk=one.pk).update(**values)


def whole_stamp(path: Path) -> str:
    """Return a digest of size, time and inode of every file of a checkpoint; empty where it cannot be listed."""
    try:
        files = files_of(path) if path.is_dir() else [path]
    except (OSError, NotSound):
        return ""
    lines = "\n".join(f"{file.name} {stamp_of(file)}" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest()


def unfinished_proofs(now: datetime) -> list[int]:
    """Return those that nobody drives: never begun, or begun by a worker that was heard of no more."""
    return list(Verification.objects.filter(_free(now)).order_by("asked_at", "pk").values_list("pk", flat=True))


def _free(now: datetime) -> Q:
    return Q(state="queued") | Q(state="running", claimed_at__lt=now - LEASE)


def drive_proof(*, verification_pk: int, roots: Iterable[Path], clock: Clock) -> str:
    """Prove one checkpoint, unless somebody else does; return what it is taken for, empty where nothing was done."""
    claimed = Verification.objects.filter(_free(clock()), pk=verification_pk).update(
        state="running", claimed_at=clock(), read_bytes=0
    )
    if not claimed:
        return ""
    one = Verification.objects.get(pk=verification_pk)
    path, stamp = Path(one.path), whole_stamp(Path(one.path))
    mine = Verification.objects.filter(pk=one.pk, state="running")
    # Written down as it goes on, which renews the claim as well.
    with watched(Teller(lambda read: mine.update(read_bytes=read, claimed_at=clock())).heard):
        proof = prove(path, roots=roots)
    values = {"sound": proof.sound.value, "reason": proof.reason[:500], "seconds": proof.seconds, "stamp": stamp}
    if proof.step is not None:
        values["step"] = proof.step
    ended = {"state": "done", "checked_at": clock(), "judged": False, "epoch": proof.epoch}
    ended["parameters"] = whole(proof.parameters)
    mine.update(**values, **ended)
    log.info("checkpoints.proven", run=one.run_id, path=one.path, sound=proof.sound.value, reason=proof.reason)
    return proof.sound.value


def keep_proof(*, run: Run, found: FoundCheckpoint, proof: Proof, stamp: str, now: datetime) -> None:
    """Keep what was proven beside a press, so that nobody reads it again, and the run's flags hear of it.

    ``stamp`` is ``whole_stamp`` from before it was read. What a worker proves just now is left to that worker.
    """
    held = Verification.objects.filter(path=str(found.path)).first()
    if not stamp or proof.sound == "unknown" or (held is not None and (held.is_open or held.stamp == stamp)):
        return
    listed = {"run": run, "kind": found.kind, "bytes": found.bytes, "modified_at": found.modified_at}
    told = {"step": found.step if found.step is not None else proof.step, "epoch": proof.epoch, "stamp": stamp}
    ended = {"state": "done", "sound": proof.sound, "reason": proof.reason[:500], "checked_at": now, "judged": False}
    asked = {"asked_by": MACHINE, "asked_at": now, "seconds": None, "parameters": None}
    Verification.objects.update_or_create(path=str(found.path), defaults={**listed, **told, **ended, **asked})


@dataclass
class Teller:
    """Hears of bytes that are read, and tells how many they are by now, every few seconds."""

    tell: Callable[[int], object]
    read: int = 0
    told: float = 0.0

    def heard(self, amount: int) -> None:
        self.read += amount
        now = time.monotonic()
        if now - self.told >= TOLD_EVERY:
            self.told = now
            self.tell(self.read)


def ask_for_newest(*, now: datetime) -> list[int]:
    """Ask that the newest checkpoint of every live run be proven, unless one of the run was within a day."""
    lately = Q(checked_at__gte=now - NIGHTLY) | Q(state__in=Verification.OPEN)
    done = Verification.objects.filter(lately).values("run")
    newest = Checkpoint.objects.filter(run__in=Run.objects.live()).exclude(run__in=done).select_related("run")
    asked = []
    for one in newest:
        found = FoundCheckpoint(Path(one.path), one.kind, one.step, one.epoch, one.bytes, one.modified_at)
        try:
            asked.append(ask_for_proof(run=one.run, found=found, actor=MACHINE, now=now).pk)
        except AlreadyDone:
            continue
    return asked


def ask_for_older(*, bad: Verification, found: Iterable[FoundCheckpoint], now: datetime) -> Verification | None:
    """Ask that the next older checkpoint of the run be proven, so that the newest good one gets known.

    None where one of them passed already, or there is none that was not looked at.
    """
    proofs = {one.path: one for one in Verification.objects.filter(run=bad.run_id)}
    older = False
    for one in newest_first(found):
        known = proofs.get(str(one.path))
        if known is not None and (known.sound == "pass" or known.is_open):
            return None
        if known is None and older:
            return ask_for_proof(run=bad.run, found=one, actor=MACHINE, now=now)
        older |= str(one.path) == bad.path
    return None


def runs_newly_proven() -> set[int]:
    """Return the runs of which something was proven that their flags do not know of."""
    return set(Verification.objects.filter(judged=False).values_list("run_id", flat=True))


def mark_judged(*, run_pks: Iterable[int], before: datetime) -> None:
    """Say that the flags of these runs know what was proven until ``before``."""
    Verification.objects.filter(judged=False, run__in=set(run_pks), checked_at__lte=before).update(judged=True)
