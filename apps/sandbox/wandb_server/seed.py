"""Many made-up runs at once, for benchmarks and for a board that is not empty."""

import random
from typing import Any

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.registry import Node
from apps.sandbox.wandb_server.resolvers.projects import ensure_project
from apps.sandbox.wandb_server.values import dump_json

STATES = ("finished", "finished", "finished", "failed", "crashed", "running")
LINES = 100
INSERT = """INSERT INTO runs (project_id, name, display_name, state, exitcode, sweep, tags, config, summary,
            history_keys, created_at, heartbeat_at, history_lines) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"""


def seed(context: Context, given: dict[str, Any]) -> Node:
    """Insert `runs` made-up runs into `project`, one a minute up to now, and return their number.

    `sweep`, `state`, `prefix` (of the names) and `ended_hours_ago` (the last one's end) are optional; the same
    request always makes the same runs.
    """
    project = ensure_project(context, given.get("entity"), given.get("project"))
    count = int(given.get("runs", 100))
    generator = random.Random(count)  # noqa: S311 (made-up runs)
    with context.store.transaction():
        rows = [_row(context, project["id"], place, count, given, generator) for place in range(count)]
        context.store.execute_many(INSERT, rows)
    return {"runs": count}


def beat(context: Context, given: dict[str, Any]) -> Node:
    """Let every running run of `project` log once more: its summary moves on and its heart beats."""
    project = ensure_project(context, given.get("entity"), given.get("project"))
    changed = context.store.execute(
        """UPDATE runs SET heartbeat_at = ?, summary = json_set(summary, '$.global_step', ?)
           WHERE project_id = ? AND state = 'running'""",
        [context.now, round(context.now), project["id"]],
    )
    return {"runs": changed}


def _row(
    context: Context, project: int, place: int, count: int, given: dict[str, Any], generator: random.Random
) -> tuple[Any, ...]:
    state = given.get("state") or generator.choice(STATES)
    name = f"{given.get('prefix', 'seed')}{place:06d}"
    created = context.now - 3600.0 * float(given.get("ended_hours_ago") or 0) - 60.0 * (count - place)
    latest = context.now - 3600.0 * float(given.get("ended_hours_ago") or 0)
    heartbeat = context.now if state == "running" else min(latest, created + generator.uniform(60, 3600))
    exitcode = {"finished": 0, "failed": 1}.get(state)
    facts = (project, name, name, state, exitcode, given.get("sweep"))
    return (*facts, *_documents(generator), created, heartbeat, LINES)


def _documents(generator: random.Random) -> list[str]:
    """Return the JSON of a run's tags, config, summary and history keys."""
    config, summary = _config(generator), _summary(generator)
    keys = {"sets": [], "lastStep": LINES - 1, "keys": {key: _counted(LINES) for key in summary}}
    return [dump_json(value) for value in (["seed"], config, summary, keys)]


def _counted(count: int) -> Node:
    return {"typeCounts": [{"type": "number", "count": count}], "monotonic": False}


def _config(generator: random.Random) -> Node:
    values: Node = {f"option_{number}": generator.randint(0, 9) for number in range(16)}
    values |= {"lr": generator.choice([0.1, 0.01, 0.001]), "seed": generator.randint(0, 4), "model": "mlp"}
    return {name: {"value": value} for name, value in values.items()}


def _summary(generator: random.Random) -> Node:
    values: Node = {f"metric_{number}": generator.random() for number in range(12)}
    return values | {
        "loss": generator.random(),
        "epoch": 10,
        "global_step": 990,
        "_step": 99,
        "_runtime": 600,
    }
