"""The stream in which a running process sends its history, summary, console output, and its end."""

from typing import Any

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.lifecycle import end_state
from apps.sandbox.wandb_server.registry import Node
from apps.sandbox.wandb_server.resolvers.projects import find_project
from apps.sandbox.wandb_server.resolvers.runs import LIVE, find_run
from apps.sandbox.wandb_server.resolvers.sweeps import finish_if_done
from apps.sandbox.wandb_server.store import Row
from apps.sandbox.wandb_server.values import dump_json, load_dict

STREAMS = {
    "wandb-history.jsonl": ("history", "history_lines"),
    "wandb-events.jsonl": ("events", "event_lines"),
    "output.log": ("output", "log_lines"),
}
NUMBERS = (int, float)


def receive(context: Context, entity: str, project: str, name: str, message: dict[str, Any]) -> Node:
    """Keep one transmission and answer whether the run should stop; any transmission is a heartbeat."""
    with context.store.transaction():
        found = find_project(context, entity, project)
        run = find_run(context, found["id"], name) if found else None
        if run is None:
            raise Refused(f"no such run: {entity}/{project}/{name}", 404)
        columns: dict[str, Any] = {"heartbeat_at": context.now}
        for file, chunk in (message.get("files") or {}).items():
            columns |= _keep(context, run, file, chunk)
        columns |= _state_after(run, message)
        context.store.update("runs", run["id"], columns)
        if run["sweep"] and message.get("complete"):
            finish_if_done(context, run["project_id"], run["sweep"])
    return {"exitcode": None, "limits": {}, "stopped": bool(run["stop_requested"])}


def _state_after(run: Row, message: dict[str, Any]) -> dict[str, Any]:
    """Return the state columns after a message; a process that speaks is alive, whatever we thought."""
    state = run["state"] if run["state"] in LIVE else "running"
    if message.get("preempting"):
        state = "preempting"
    if not message.get("complete"):
        return {"state": state}
    exitcode = int(message.get("exitcode") or 0)
    return {"state": end_state(exitcode, state, bool(run["stop_requested"])), "exitcode": exitcode}


def _keep(context: Context, run: Row, file: str, chunk: dict[str, Any]) -> dict[str, Any]:
    """Store the lines of one file and return the columns of the run that follow from them."""
    lines = chunk.get("content") or []
    if file == "wandb-summary.json":
        return {"summary": dump_json(load_dict(lines[-1]))} if lines else {}
    if file not in STREAMS or not lines:
        return {}
    stream, counter = STREAMS[file]
    offset = int(chunk.get("offset") or 0)
    rows = [load_dict(line) for line in lines] if stream != "output" else []
    bodies = [dump_json(row) for row in rows] or lines
    steps = [row.get("_step") for row in rows] or [None] * len(lines)
    sql = "INSERT OR REPLACE INTO lines (run_id, stream, number, step, body) VALUES (?, ?, ?, ?, ?)"
    numbered = enumerate(zip(steps, bodies, strict=True), start=offset)
    context.store.execute_many(
        sql, [(run["id"], stream, number, step, body) for number, (step, body) in numbered]
    )
    return {counter: max(run[counter], offset + len(lines))} | _derived(run, stream, rows)


def _derived(run: Row, stream: str, rows: list[Node]) -> dict[str, Any]:
    if stream == "events":
        measured = load_dict(run["system"])
        for row in rows:
            measured |= row
        return {"system": dump_json(measured)}
    if stream == "history":
        return {"history_keys": dump_json(_key_counts(load_dict(run["history_keys"]), rows))}
    return {}


def _key_counts(known: Node, rows: list[Node]) -> Node:
    """Return W&B's account of which keys were logged how often and with which type."""
    keys = known.get("keys", {})
    last = known.get("lastStep", -1)
    for row in rows:
        last = max(last, int(row.get("_step") or 0))
        for key, value in row.items():
            _count(keys.setdefault(key, {"typeCounts": [], "monotonic": False}), value)
    return {"sets": [], "keys": keys, "lastStep": last}


def _count(entry: Node, value: object) -> None:
    kind = "number" if isinstance(value, NUMBERS) and not isinstance(value, bool) else type(value).__name__
    kind = {"str": "string", "dict": "map", "bool": "boolean", "NoneType": "nil"}.get(kind, kind)
    for counted in entry["typeCounts"]:
        if counted["type"] == kind:
            counted["count"] += 1
            return
    entry["typeCounts"].append({"type": kind, "count": 1})
