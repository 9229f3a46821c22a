"""Compile the client's Mongo-like run filters, and its order keys, into SQL over the table `runs`."""

import json
from collections.abc import Callable
from typing import Any

from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.values import load_json, seconds_of

Clause = tuple[str, list[Any]]
EVERYTHING: Clause = ("1", [])
COLUMNS = {
    "name": "name",
    "displayName": "display_name",
    "display_name": "display_name",
    "state": "state",
    "sweep": "sweep",
    "group": "group_name",
    "jobType": "job_type",
    "job_type": "job_type",
    "host": "host",
    "notes": "notes",
    "createdAt": "created_at",
    "created_at": "created_at",
    "heartbeatAt": "heartbeat_at",
    "heartbeat_at": "heartbeat_at",
}
TIMES = {"created_at", "heartbeat_at"}
DOCUMENTS = {"config": "config", "summary_metrics": "summary", "summaryMetrics": "summary"}
COMPARISONS = {"$gt": ">", "$gte": ">=", "$lt": "<", "$lte": "<="}


def compile_filters(text: str | None) -> Clause:
    """Return a WHERE clause and its values; unknown keys and operators are refused (400)."""
    if not text:
        return EVERYTHING
    try:
        parsed = load_json(text)
    except ValueError:
        raise Refused("filters are not JSON", 400) from None
    return _mapping(parsed or {})


def compile_order(text: str | None) -> str:
    """Return an ORDER BY list for `+created_at`, `-summary_metrics.loss`, …; ties go by row number."""
    key = text or "+created_at"
    direction = "DESC" if key.startswith("-") else "ASC"
    return f"{_expression(key.lstrip('+-'))} {direction}, id {direction}"


def _mapping(filters: Any) -> Clause:
    if not isinstance(filters, dict):
        raise Refused("a filter must be an object", 400)
    return _join(" AND ", [_entry(key, value) for key, value in filters.items()])


def _join(word: str, clauses: list[Clause]) -> Clause:
    if not clauses:
        return EVERYTHING
    return f"({word.join(sql for sql, _ in clauses)})", [value for _, values in clauses for value in values]


def _entry(key: str, value: Any) -> Clause:
    if key in ("$and", "$or", "$nor"):
        joined = _join(" AND " if key == "$and" else " OR ", [_mapping(part) for part in value])
        return (f"NOT {joined[0]}", joined[1]) if key == "$nor" else joined
    if key == "$not":
        sql, values = _mapping(value)
        return f"NOT {sql}", values
    if key == "tags":
        return _tags(value)
    return _field(key, value)


def _field(key: str, value: Any) -> Clause:
    expression = _expression(key)
    convert: Callable[[Any], Any] = seconds_of if expression in TIMES else _plain
    if isinstance(value, dict) and any(operator.startswith("$") for operator in value):
        parts = [_condition(expression, operator, operand, convert) for operator, operand in value.items()]
        return _join(" AND ", parts)
    return f"{expression} IS ?", [None if value is None else convert(value)]


def _condition(expression: str, operator: str, operand: Any, convert: Callable[[Any], Any]) -> Clause:
    if operator in COMPARISONS:
        value = convert(operand)
        # SQLite sorts every text behind every number, so that "NaN" would pass as larger than 3.
        same = f" AND typeof({expression}) <> 'text'" if isinstance(value, int | float) else ""
        return f"({expression} {COMPARISONS[operator]} ?{same})", [value]
    if operator in ("$in", "$nin"):
        marks = ", ".join("?" * len(operand))
        inside = f"({expression} IS NOT NULL AND {expression} IN ({marks}))"
        return (inside if operator == "$in" else f"NOT {inside}"), [convert(item) for item in operand]
    if operator in ("$eq", "$ne"):
        word = "IS" if operator == "$eq" else "IS NOT"
        return f"{expression} {word} ?", [None if operand is None else convert(operand)]
    if operator == "$regex":
        return f"{expression} REGEXP ?", [str(operand)]
    if operator == "$exists":
        return f"{expression} IS {'NOT ' if operand else ''}NULL", []
    raise Refused(f"unknown filter operator {operator}", 400)


def _tags(value: Any) -> Clause:
    if value is None:
        return "json_array_length(tags) = 0", []
    if not isinstance(value, dict):
        value = {"$in": [value]}
    parts = [_tag_condition(operator, operand) for operator, operand in value.items()]
    return _join(" AND ", parts)


def _tag_condition(operator: str, operand: Any) -> Clause:
    wanted = operand if isinstance(operand, list) else [operand]
    marks = ", ".join("?" * len(wanted))
    inside = f"EXISTS (SELECT 1 FROM json_each(tags) WHERE value IN ({marks}))"  # noqa: S608 (only marks)
    if operator in ("$in", "$eq"):
        return inside, wanted
    if operator in ("$nin", "$ne"):
        return f"NOT {inside}", wanted
    raise Refused(f"unknown filter operator {operator} for tags", 400)


def _expression(key: str) -> str:
    if key in COLUMNS:
        return COLUMNS[key]
    document, _, path = key.partition(".")
    if document not in DOCUMENTS or not path or "'" in path or '"' in path:
        raise Refused(f"unknown run field {key!r}", 400)
    if document != "config":
        return _extract(DOCUMENTS[document], [path], path.split("."))
    steps = path.removesuffix(".value").split(".")
    # A config entry is stored as {"value": …}; what follows the first name is a path inside that value.
    return _extract("config", [steps[0], "value", *steps[1:]], [path.removesuffix(".value"), "value"])


def _extract(column: str, *paths: list[str]) -> str:
    """Return the first of several JSON paths that leads to a value; a metric's name may itself hold dots."""
    unique = list({json.dumps(path): path for path in paths}.values())
    found = [f"json_extract({column}, '$.{'.'.join(json.dumps(step) for step in path)}')" for path in unique]
    return found[0] if len(found) == 1 else f"coalesce({', '.join(found)})"


def _plain(value: Any) -> Any:
    if isinstance(value, dict | list):
        raise Refused("a filter compares with a plain value", 400)
    return value
