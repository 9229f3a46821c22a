"""Facts for rules, without a database: a healthy run, and whatever a test changes about it."""

from datetime import timedelta
from typing import Any

from apps.flags.domain import ConfigFacts, JobFacts, Progress, ProgressSource, RunFacts, SweepFacts
from apps.links.states import meaning
from apps.workspaces.domain import Policy
from tests.factories.moments import NOW

BOTH = frozenset({"wandb", "slurm"})


def job_facts(**values: Any) -> JobFacts:
    return JobFacts(**{"job_id": "12345", "state": "RUNNING", "start_at": NOW - timedelta(hours=5), **values})


def run_facts(**values: Any) -> RunFacts:
    """A run that has trained for five hours on a job that runs; its meaning follows from the two states."""
    wandb = values.get("wandb_state", "running")
    slurm = values.get("slurm_state", "RUNNING")
    told: dict[str, Any] = {
        "run_id": "8x2kq0",
        "wandb_state": wandb,
        "now": NOW,
        "policy": Policy(),
        "slurm_state": slurm,
        "meaning": meaning(wandb, slurm),
        "progress": Progress(3, 400, 10, ProgressSource.LOG),
        "known": BOTH,
        "created_at": NOW - timedelta(hours=5),
        "heartbeat_at": NOW - timedelta(seconds=20),
        "runtime_seconds": 5 * 3600.0,
        "checkpoint_at": NOW - timedelta(minutes=10),
        "checkpoint_step": 400,
        "checkpoint_epoch": 3.0,
        "gpu_memory_logged": True,
        "sweep_state": "RUNNING",
        "config": ConfigFacts(seeded=frozenset({"any"}), has_versions=True),
        "job": job_facts(state=slurm) if slurm.isupper() and " " not in slurm else None,
    }
    return RunFacts(**{**told, **values})


def sweep_facts(**values: Any) -> SweepFacts:
    told = {
        "sweep_id": "swp1",
        "state": "RUNNING",
        "url": "https://wandb.ai/team/glue/sweeps/swp1",
        "now": NOW,
        "policy": Policy(),
        "known": BOTH,
    }
    return SweepFacts(**{**told, **values})
