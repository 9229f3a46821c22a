"""What a run logged, line by line: whole, in ranges of steps, and sampled."""

from typing import Any

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.registry import Node, resolves
from apps.sandbox.wandb_server.values import dump_json, load_dict, load_json

SAMPLES = 500


def thin(items: list[Any], limit: int) -> list[Any]:
    """Return at most `limit` items, evenly spread, the first and the last among them."""
    if len(items) <= limit or limit < 1:
        return items
    if limit == 1:
        return items[-1:]
    stride = (len(items) - 1) / (limit - 1)
    return [items[round(place * stride)] for place in range(limit)]


def _bodies(context: Context, source: Node, stream: str) -> list[str]:
    sql = "SELECT body FROM lines WHERE run_id = ? AND stream = ? ORDER BY number"
    return [row["body"] for row in context.store.rows(sql, [source["_id"], stream])]


@resolves("Run", "history")
def history(
    context: Context,
    source: Node,
    min_step: int | None = None,
    max_step: int | None = None,
    samples: int | None = None,
) -> list[str]:
    """Return lines of JSON: all rows of min_step <= _step < max_step, or a sample of everything."""
    if min_step is None and max_step is None:
        return thin(_bodies(context, source, "history"), samples or SAMPLES)
    sql = """SELECT body FROM lines WHERE run_id = ? AND stream = 'history'
             AND step >= ? AND step < ? ORDER BY number"""
    rows = context.store.rows(sql, [source["_id"], min_step or 0, 2**62 if max_step is None else max_step])
    return [row["body"] for row in rows]


@resolves("Run", "events")
def events(context: Context, source: Node, samples: int | None = None) -> list[str]:
    """Return lines of JSON with the machine's measurements."""
    return thin(_bodies(context, source, "events"), samples or SAMPLES)


@resolves("Run", "sampledHistory")
def sampled_history(context: Context, source: Node, specs: list[str]) -> list[list[Node]]:
    """Return one list of rows per spec; a row must have every key.

    A spec is `{"keys": […], "samples": n}`, with `minStep` and `maxStep` where it pages: here both inclusive.
    """
    wanted = [load_dict(spec) for spec in specs]
    if not any(spec.get("keys") for spec in wanted):
        return [[] for _ in wanted]
    rows = [load_json(body) for body in _bodies(context, source, "history")]
    return [_sample(rows, spec) for spec in wanted]


def _sample(rows: list[Node], spec: dict[str, Any]) -> list[Node]:
    keys = spec.get("keys", [])
    low, high = spec.get("minStep", 0), spec.get("maxStep", 2**62)
    inside = [row for row in rows if low <= row.get("_step", 0) <= high]
    chosen = [{key: row[key] for key in keys} for row in inside if all(key in row for key in keys)]
    return thin(chosen, spec.get("samples", SAMPLES))


@resolves("Run", "parquetHistory")
def parquet_history(_context: Context, _source: Node, live_keys: list[str]) -> Node:
    """Return that nothing was exported to Parquet: the client then pages through `history`."""
    return {"parquetUrls": [], "liveData": None}


@resolves("Run", "historyKeys")
def history_keys(_context: Context, source: Node) -> Node | None:
    """Return which keys were logged and the last step; null before the first line."""
    return load_dict(source["historyKeys"]) if source["historyKeys"] else None


@resolves("Run", "historyTail")
def history_tail(context: Context, source: Node) -> str:
    """Return a JSON list with the last line of the history, from which a resumed run continues."""
    return _tail(context, source, "history")


@resolves("Run", "eventsTail")
def events_tail(context: Context, source: Node) -> str:
    """Return a JSON list with the last line of measurements."""
    return _tail(context, source, "events")


def _tail(context: Context, source: Node, stream: str) -> str:
    sql = "SELECT body FROM lines WHERE run_id = ? AND stream = ? ORDER BY number DESC LIMIT 1"
    body = context.store.number(sql, [source["_id"], stream])
    return dump_json([body] if body else [])
