"""What W&B tells, as a test's source holds it."""

import itertools
from typing import Any

from apps.sweeps.ports import AgentRecord, RunRecord, SweepRecord
from tests.factories.moments import before

_numbers = itertools.count(1)


def sweep_record(sweep_id: str = "swp1", **values: Any) -> SweepRecord:
    told: dict[str, Any] = {
        "name": f"search {sweep_id}",
        "method": "bayes",
        "state": "RUNNING",
        "config": {"method": "bayes", "metric": {"name": "loss", "goal": "minimize"}},
        "url": f"https://wandb.ai/team/glue/sweeps/{sweep_id}",
        "created_at": before(days=1),
    }
    return SweepRecord(sweep_id, **{**told, **values})


def run_record(run_id: str = "", **values: Any) -> RunRecord:
    name = run_id or f"rec{next(_numbers):05d}"
    told: dict[str, Any] = {
        "name": f"calm-{name}",
        "state": "running",
        "url": f"https://wandb.ai/team/glue/runs/{name}",
        "sweep_id": "swp1",
        "user": "mia",
        "config": {"epochs": 10, "seed": 7, "versions": {"torch": "2.9.1"}},
        "gpu_memory_percent": 40.0,
        "summary": {"loss": 0.5, "epoch": 3},
        "created_at": before(hours=5),
        "heartbeat_at": before(seconds=20),
    }
    return RunRecord(name, **{**told, **values})


def agent_record(agent_id: str = "agent1", **values: Any) -> AgentRecord:
    told: dict[str, Any] = {"name": "g01-1", "host": "g01", "state": "RUNNING", "total_runs": 2}
    return AgentRecord(agent_id, **{"heartbeat_at": before(seconds=20), **told, **values})
