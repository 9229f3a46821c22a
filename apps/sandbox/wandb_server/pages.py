"""Very plain pages, so that a link to a run or a sweep is not a dead link."""

import json
from html import escape

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.resolvers.projects import find_project
from apps.sandbox.wandb_server.resolvers.runs import find_run
from apps.sandbox.wandb_server.resolvers.sweeps import find_sweep
from apps.sandbox.wandb_server.values import iso, load_dict

FRAME = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>
<body><h1>{title}</h1><p>This is the sandbox's own page; it stands where W&amp;B's would.</p>
{body}</body></html>
"""


def page(context: Context, entity: str, project: str, kind: str, name: str) -> str:
    """Return the page of a run or a sweep; an unknown one is refused with 404."""
    found = find_project(context, entity, project)
    if found is None:
        raise Refused("no such project", 404)
    return (_run if kind == "runs" else _sweep)(context, found["id"], name)


def _run(context: Context, project: int, name: str) -> str:
    row = find_run(context, project, name)
    if row is None:
        raise Refused("no such run", 404)
    facts = {
        "State": row["state"],
        "Sweep": row["sweep"] or "none",
        "Last heartbeat": iso(row["heartbeat_at"]),
    }
    summary = json.dumps(load_dict(row["summary"]), indent=2)
    title = f"Run {row['display_name'] or name}"
    return _framed(title, f"{_table(facts)}<h2>Summary</h2><pre>{escape(summary)}</pre>")


def _sweep(context: Context, project: int, name: str) -> str:
    row = find_sweep(context, project, name)
    if row is None:
        raise Refused("no such sweep", 404)
    sql = "SELECT name, state FROM runs WHERE project_id = ? AND sweep = ? ORDER BY created_at LIMIT 200"
    runs = {run["name"]: run["state"] for run in context.store.rows(sql, [project, name])}
    body = f"{_table({'State': row['state']})}<h2>Runs</h2>{_table(runs)}<pre>{escape(row['config'])}</pre>"
    return _framed(f"Sweep {row['display_name'] or name}", body)


def _table(facts: dict[str, str | None]) -> str:
    lines = [f"<tr><th>{escape(name)}</th><td>{escape(str(value))}</td></tr>" for name, value in facts.items()]
    return f"<table>{''.join(lines)}</table>"


def _framed(title: str, body: str) -> str:
    return FRAME.format(title=escape(title), body=body)
