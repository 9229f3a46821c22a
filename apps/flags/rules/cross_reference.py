"""W&B against Slurm: which side lies about being alive. Pure."""

from datetime import timedelta

from apps.core.units import age_mark, duration
from apps.flags.domain import Finding, RunFacts, Severity
from apps.flags.rules.registry import run_rule
from apps.links.states import MOVED_ON, NO_JOB, Pair

# The flags that say of a run that its sources do not tell one story: the discrepancy log is made of them.
DISCREPANCIES = ("zombie", "wandb-dead-job-alive", "state-mismatch", "stale-heartbeat", "stuck-running-unpopulated")


@run_rule(
    "zombie",
    Severity.CRITICAL,
    needs=("wandb", "slurm"),
    example="W&B says running, but job 4711 ended COMPLETED 10 min ago; last heartbeat 11 min ago.",
)
def zombie(facts: RunFacts) -> Finding | None:
    """W&B says running, and no Slurm job runs it.

    Practice: 'Cross-reference W&B with Slurm', detect zombie agents (W&B running, no Slurm job).
    Threshold: policy.dead_job_grace_minutes after the job's end, because W&B notices late.
    """
    if facts.meaning.pair is not Pair.ZOMBIE or not _beyond_grace(facts):
        return None
    beat = f"last heartbeat {age_mark(facts.heartbeat_at)}" if facts.heartbeat_at is not None else "no heartbeat ever"
    who = "The run's folder" if facts.offline else "W&B"
    return Finding(f"{who} says running, but {_slurm_side(facts)}; {beat}.", facts.meaning.action)


def _slurm_side(facts: RunFacts) -> str:
    if facts.slurm_state == NO_JOB:
        return "Slurm, which answered, knows no job of this run"
    job = facts.job
    if job is None:
        return "no job carries it"
    if facts.slurm_state == MOVED_ON:
        return f"its agent's job {job.job_id} went on to run {facts.next_run}"
    ended = f" {age_mark(job.end_at)}" if job.end_at else ""
    return f"job {job.job_id} ended {facts.slurm_state}{ended}"


def _beyond_grace(facts: RunFacts) -> bool:
    if facts.slurm_state in (NO_JOB, MOVED_ON) or facts.job is None or facts.job.end_at is None:
        since = facts.heartbeat_at or facts.created_at
    else:
        since = facts.job.end_at
    return since is None or facts.now - since >= timedelta(minutes=facts.policy.dead_job_grace_minutes)


@run_rule(
    "stale-heartbeat",
    Severity.WARNING,
    needs=("wandb",),
    example="The last heartbeat came 45 min ago (limit 30 min); job 4711 is RUNNING.",
)
def stale_heartbeat(facts: RunFacts) -> Finding | None:
    """W&B says running, but the run's heart has not beaten for a long time.

    Practice: 'Cross-reference W&B with Slurm', check for stale heartbeats (> 30 minutes).
    Threshold: policy.stale_heartbeat_minutes. A job that waits in the queue to come back is no reason, and of
    a run without a job the flag `zombie` says more.
    """
    if facts.wandb_state != "running" or facts.meaning.pair in (Pair.WAITING, Pair.ZOMBIE):
        return None
    last = facts.heartbeat_at or facts.created_at
    limit = timedelta(minutes=facts.policy.stale_heartbeat_minutes)
    if last is None or facts.now - last <= limit:
        return None
    job = f"job {facts.job.job_id} is {facts.slurm_state}" if facts.job else "no job is known"
    return Finding(
        f"The last heartbeat came {age_mark(last)} (limit {duration(limit)}); {job}.",
        "look at the job's log and GPU use: the training may hang",
    )


@run_rule(
    "wandb-dead-job-alive",
    Severity.WARNING,
    needs=("wandb", "slurm"),
    example="W&B says crashed (last heartbeat 8 min ago), but job 4711 is still RUNNING.",
)
def wandb_dead_job_alive(facts: RunFacts) -> Finding | None:
    """W&B says crashed, failed or killed, and the job still runs.

    Practice: 'Cross-reference W&B with Slurm', verify consistency between the two states: W&B calls a run
    crashed about 5 minutes after its last heartbeat, so a broken network looks like a crash.
    Threshold: policy.dead_job_grace_minutes after the last heartbeat.
    """
    if facts.meaning.pair is not Pair.DEAD_BUT_ALIVE or facts.job is None or not _beyond_grace(facts):
        return None
    beat = f"last heartbeat {age_mark(facts.heartbeat_at)}" if facts.heartbeat_at is not None else "no heartbeat"
    return Finding(
        f"W&B says {facts.wandb_state} ({beat}), but job {facts.job.job_id} is still {facts.job.state}.",
        facts.meaning.action,
    )


_MISMATCHES = (Pair.STALE, Pair.WRONGLY_FINISHED, Pair.ENDED_BADLY, Pair.HOST_MEMORY)


@run_rule(
    "state-mismatch",
    Severity.WARNING,
    needs=("wandb", "slurm"),
    example="W&B says finished, Slurm says TIMEOUT: W&B is wrong, probably incomplete.",
)
def state_mismatch(facts: RunFacts) -> Finding | None:
    """W&B and Slurm contradict each other in another way than the flags above say.

    Practice: 'Cross-reference W&B with Slurm', verify consistency between the two states; the table of pairs says
    what each means and what to do next. Threshold: policy.dead_job_grace_minutes after the job's end.
    """
    if facts.meaning.pair not in _MISMATCHES or not _beyond_grace(facts):
        return None
    return Finding(
        f"W&B says {facts.wandb_state}, Slurm says {facts.slurm_state}: {facts.meaning.pair}.", facts.meaning.action
    )


@run_rule(
    "stuck-running-unpopulated",
    Severity.WARNING,
    needs=("wandb",),
    example="It began 5 h 00 min ago and has logged nothing (limit 15 min).",
)
def stuck_running_unpopulated(facts: RunFacts) -> Finding | None:
    """W&B says running, and the run has never logged anything.

    Practice: 'Cross-reference W&B with Slurm': a run that is alive on one side only does not train.
    Threshold: policy.unpopulated_minutes after its beginning.
    """
    limit = timedelta(minutes=facts.policy.unpopulated_minutes)
    silent = facts.wandb_state == "running" and not facts.logged_anything and facts.slurm_state != "PENDING"
    if not silent or facts.created_at is None or facts.now - facts.created_at <= limit:
        return None
    return Finding(
        f"It began {age_mark(facts.created_at)} and has logged nothing (limit {duration(limit)}).",
        "look at the job's log: it may hang before training",
    )


@run_rule(
    "job-pending-too-long",
    Severity.NOTE,
    needs=("slurm",),
    example="Job 4711 is pending; it was submitted 3 h 00 min ago. Slurm's reason: Priority.",
)
def job_pending_too_long(facts: RunFacts) -> Finding | None:
    """The run's job waits in the queue for long.

    Practice: 'Cross-reference W&B with Slurm': a requeued run that does not come back is forgotten.
    Threshold: policy.pending_minutes since it was submitted.
    """
    job, limit = facts.job, timedelta(minutes=facts.policy.pending_minutes)
    if job is None or job.state != "PENDING" or job.submit_at is None or facts.now - job.submit_at <= limit:
        return None
    why = f" Slurm's reason: {job.reason}." if job.reason else ""
    return Finding(
        f"Job {job.job_id} is pending; it was submitted {age_mark(job.submit_at)}.{why}", "wait, or ask for less"
    )
