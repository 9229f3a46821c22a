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

KINDS = {"int": "number", "float": "number", "str": "string", "dict": "map", "bool": "boolean"}


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
    offset = int(chunk.get("offset") or 0)
    if not lines:
        return {}
    if file == "wandb-summary.json":
        return {"summary": dump_json(load_dict(lines[-1]))}
    if file == "wandb-history.jsonl":
        return _keep_history(context, run, [load_dict(line) for line in lines])
    if file == "wandb-events.jsonl":
        return _keep_events(context, run, offset, [load_dict(line) for line in lines])
    if file == "output.log":
        _write(context, run, "output", offset, [(None, line) for line in lines])
        return {"log_lines": offset + len(lines)}
    return {}


def _keep_events(context: Context, run: Row, offset: int, rows: list[Node]) -> dict[str, Any]:
    """Store the machine's measurements; the latest of each kind are the run's system metrics."""
    _write(context, run, "events", offset, [(None, dump_json(row)) for row in rows])
    latest = load_dict(run["system"])
    for row in rows:
        latest |= row
    return {"event_lines": offset + len(rows), "system": dump_json(latest)}


def _keep_history(context: Context, run: Row, rows: list[Node]) -> dict[str, Any]:
    """Append rows of history; what was there from the first row's step on is overwritten.

    A process that starts again without resuming sends step 0 at the offset where the old history ended, and
    a repeated transmission sends what is known already: in both cases the steps tell, the offset does not.
    """
    known = load_dict(run["history_keys"])
    first = rows[0].get("_step")
    if first is not None and first <= known.get("lastStep", -1):
        sql = "DELETE FROM lines WHERE run_id = ? AND stream = 'history' AND step >= ?"
        context.store.execute(sql, [run["id"], first])
    sql = "SELECT count(*), max(number) FROM lines WHERE run_id = ? AND stream = 'history'"
    held = context.store.rows(sql, [run["id"]])[0]
    start = 0 if held[1] is None else held[1] + 1
    _write(context, run, "history", start, [(row.get("_step"), dump_json(row)) for row in rows])
    return {"history_lines": held[0] + len(rows), "history_keys": dump_json(_key_counts(known, rows))}


def _write(context: Context, run: Row, stream: str, start: int, lines: list[tuple[int | None, str]]) -> None:
    sql = "INSERT OR REPLACE INTO lines (run_id, stream, number, step, body) VALUES (?, ?, ?, ?, ?)"
    rows = [(run["id"], stream, start + place, step, body) for place, (step, body) in enumerate(lines)]
    context.store.execute_many(sql, rows)


def _key_counts(known: Node, rows: list[Node]) -> Node:
    """Return W&B's account of which keys were logged how often and with which type."""
    keys = known.get("keys", {})
    last = rows[-1].get("_step", known.get("lastStep", -1))
    for row in rows:
        for key, value in row.items():
            _count(keys.setdefault(key, {"typeCounts": [], "monotonic": False}), value)
    return {"sets": [], "keys": keys, "lastStep": last}


def _count(entry: Node, value: object) -> None:
    name = type(value).__name__
    kind = KINDS.get(name, name)
    for counted in entry["typeCounts"]:
        if counted["type"] == kind:
            counted["count"] += 1
            return
    entry["typeCounts"].append({"type": kind, "count": 1})
