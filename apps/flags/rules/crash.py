"""Why a run died, and whether it can be resumed. Pure.

Practice: 'Favor resumes over restarts' and 'Cross-reference W&B with Slurm'. Slurm's accounting comes first
where its state says the cause, then the log's first cause of the last attempt; without evidence the
answer is 'look first', because a wrong 'yes' is the worst one.
"""

from dataclasses import dataclass

from apps.flags.domain import Evidence, Resumable, RunFacts

RESUMABLE: dict[str, Resumable] = {
    "preemption": Resumable.YES,
    "time-limit": Resumable.YES,
    "node-failure": Resumable.YES,
    "nccl-timeout": Resumable.YES,
    "cuda-oom": Resumable.AFTER_CHANGE,
    "host-oom": Resumable.AFTER_CHANGE,
    "config-error": Resumable.NO,
    "missing-dependency": Resumable.NO,
    "data-error": Resumable.LOOK_FIRST,
    "python-error": Resumable.LOOK_FIRST,
    "unknown": Resumable.LOOK_FIRST,
}
_BY_STATE = {
    "PREEMPTED": "preemption",
    "TIMEOUT": "time-limit",
    "DEADLINE": "time-limit",
    "OUT_OF_MEMORY": "host-oom",
    "NODE_FAIL": "node-failure",
    "BOOT_FAIL": "node-failure",
}
ENDED_BADLY = frozenset({"crashed", "failed", "killed", "preempted"})
BAD_STATES = frozenset({*_BY_STATE, "FAILED", "CANCELLED", "GONE"})


@dataclass(frozen=True, slots=True)
class Failure:
    """``crash_class`` is empty where nothing failed."""

    crash_class: str = ""
    resumable: Resumable | None = None
    proof: Evidence | None = None


def failure_of(facts: RunFacts) -> Failure:
    """Return the crash class of a run that ended badly, with the log line that proves it where there is one."""
    if facts.wandb_state not in ENDED_BADLY and facts.slurm_state not in BAD_STATES:
        return Failure()
    by_state = _BY_STATE.get(facts.slurm_state)
    if by_state is None and facts.wandb_state in ("preempting", "preempted"):
        by_state = "preemption"
    proof = next((one for one in facts.evidence if by_state in (None, one.crash_class)), None)
    crash_class = by_state or (proof.crash_class if proof else "unknown")
    resumable = RESUMABLE[crash_class]
    if resumable is Resumable.YES and facts.checkpoint_at is None:
        resumable = Resumable.LOOK_FIRST  # resumable only with a checkpoint
    return Failure(crash_class, resumable, proof)
