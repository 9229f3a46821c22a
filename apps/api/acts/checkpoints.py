"""Reading what checkpoints a run has, and having one verified."""

from django.db import transaction

from apps.api.acts.registry import Told, act
from apps.api.acts.runs import run_of
from apps.api.callers import Caller
from apps.api.domain.problems import Kind, Problem
from apps.api.domain.tokens import Scope
from apps.api.schemas.training import ProofWish, RunWish
from apps.checkpoints.models import Verification
from apps.checkpoints.ports import FoundCheckpoint
from apps.checkpoints.services import checkpoints_now
from apps.checkpoints.tasks import send_proof
from apps.checkpoints.verifying import ask_for_proof
from apps.checkpoints.wiring import checkpoint_store
from apps.core.clock import utcnow
from apps.core.errors import AlreadyDone
from apps.sweeps.models import Run

MOST = 100


@act(Scope.READ)
def list_checkpoints(caller: Caller, wish: RunWish) -> Told:
    """List a run's checkpoints as they lie there now, the newest first, each with its proof."""
    run = run_of(wish)
    found, problem = checkpoints_now(run=run, store=checkpoint_store())
    proofs = _proofs(run)
    told = [_told(one, proofs.get(str(one.path))) for one in found[:MOST]]
    good = next((one["path"] for one in told if one["sound"] == "pass"), None)
    return {"run": run.run_id, "project": run.project_path, "checkpoints": told, "total": len(found),
            "newest_good": good, "problem": problem}  # fmt: skip


@act(Scope.RESUME, writes=True)
def verify_checkpoint(caller: Caller, wish: ProofWish) -> Told:
    """Tell whether a checkpoint is sound: by the proof that holds for it as it is, else by reading every byte now.

    Nothing is unpickled. While it is read the state is ``being-verified``: ask again.
    """
    run = run_of(wish)
    found, problem = checkpoints_now(run=run, store=checkpoint_store())
    one = next((one for one in found if wish.path in ("", str(one.path))), None)
    if one is None:
        said = problem or ("The run has no checkpoint." if not wish.path else f"No checkpoint lies at {wish.path}.")
        raise Problem(Kind.SILENT if problem else Kind.NOT_FOUND, said, retry_after=30 if problem else None)
    proof = _proofs(run).get(str(one.path))
    if proof is None or not _holds(proof, one) or proof.sound == "unknown":
        proof = _asked(run, one, caller)
    return _proven(run, one, proof)


def _asked(run: Run, one: FoundCheckpoint, caller: Caller) -> Verification:
    try:
        asked = ask_for_proof(run=run, found=one, actor=caller.name, now=utcnow())
        transaction.on_commit(lambda: send_proof(asked))
    except AlreadyDone:  # under way, or proven at this very moment
        return Verification.objects.get(path=str(one.path))
    return asked


def _proven(run: Run, one: FoundCheckpoint, proof: Verification) -> Told:
    told = _told(one, proof)
    if proof.is_open:
        said = "Every byte of it is being read; ask again in a few seconds."
        return {"run": run.run_id, "state": "being-verified", "checkpoint": told, "said": said}
    return {"run": run.run_id, "state": "proven", "checkpoint": told, "said": told["reason"] or told["sound"]}


def _proofs(run: Run) -> dict[str, Verification]:
    return {one.path: one for one in Verification.objects.filter(run=run)}


def _holds(proof: Verification, one: FoundCheckpoint) -> bool:
    return (proof.bytes, proof.modified_at) == (one.bytes, one.modified_at)


def _told(one: FoundCheckpoint, proof: Verification | None) -> Told:
    holds = proof is not None and _holds(proof, one) and bool(proof.sound)
    return {
        "path": str(one.path),
        "kind": one.kind,
        "step": one.step,
        "epoch": one.epoch,
        "bytes": one.bytes,
        "modified_at": one.modified_at,
        "sound": proof.sound if proof and holds else "unknown",
        "reason": proof.reason if proof and holds else "Nothing was proven of it as it is.",
        "checked_at": proof.checked_at if proof and holds else None,
        "being_verified": proof is not None and proof.is_open,
    }
