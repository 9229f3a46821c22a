"""Agents: they register, send a heartbeat every few seconds, and are told what to run, resume or stop."""

from typing import Any

from apps.sandbox.wandb_server import search
from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.registry import Node, connection, resolves
from apps.sandbox.wandb_server.resolvers.projects import find_project
from apps.sandbox.wandb_server.resolvers.runs import run_page
from apps.sandbox.wandb_server.resolvers.sweeps import find_sweep, finish_if_done, sweep_config
from apps.sandbox.wandb_server.store import Row
from apps.sandbox.wandb_server.values import (
    dump_json,
    global_id,
    iso,
    load_dict,
    new_name,
    number_of,
)

Command = dict[str, Any]
EXIT: Command = {"type": "exit"}


def agent_node(context: Context, row: Row) -> Node:
    """Return an agent as the schema names its fields; `_id` is its row number."""
    return {
        "_id": row["id"],
        "id": global_id("Agent", row["id"]),
        "name": row["name"],
        "host": row["host"],
        "state": row["state"],
        "totalRuns": context.store.number("SELECT count(*) FROM runs WHERE agent_id = ?", [row["id"]]),
        "createdAt": iso(row["created_at"]),
        "heartbeatAt": iso(row["heartbeat_at"]),
    }


@resolves("Sweep", "agents")
def agents(context: Context, source: Node) -> Node:
    """Return every agent that ever registered with a sweep."""
    rows = context.store.rows("SELECT * FROM agents WHERE sweep_id = ? ORDER BY id", [source["_id"]])
    return connection([agent_node(context, row) for row in rows])


@resolves("Sweep", "agent")
def agent(context: Context, source: Node, agent_name: str) -> Node | None:
    """Return one agent by its name or id, or null."""
    for row in context.store.rows("SELECT * FROM agents WHERE sweep_id = ?", [source["_id"]]):
        if agent_name in (row["name"], global_id("Agent", row["id"])):
            return agent_node(context, row)
    return None


@resolves("Agent", "runs")
def agent_runs(
    context: Context,
    source: Node,
    after: str | None = None,
    before: str | None = None,
    first: int | None = None,
    last: int | None = None,
    order: str | None = None,
) -> Node:
    """Return a page of the runs that an agent was last told to run."""
    return run_page(context, "agent_id = ?", [source["_id"]], order, after, first)


@resolves("Mutation", "createAgent")
def create_agent(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Register an agent; the first one starts the sweep."""
    with context.store.transaction():
        project = find_project(context, input.get("entity_name"), input.get("project_name"))
        sweep = find_sweep(context, project["id"], input["sweep"]) if project else None
        if sweep is None:
            raise Refused(f"no such sweep: {input['sweep']}", 404)
        if sweep["state"] == "PENDING":
            context.store.update("sweeps", sweep["id"], {"state": "RUNNING"})
        fixed = {"sweep_id": sweep["id"], "name": new_name(), "host": input["host"], "state": "RUNNING"}
        number = context.store.insert("agents", fixed | {"created_at": context.now, "heartbeat_at": context.now})
    return {"agent": agent_node(context, _agent(context, number))}


@resolves("Mutation", "agentHeartbeat")
def agent_heartbeat(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Note that an agent lives and answer its next commands, a JSON list."""
    number = number_of("Agent", input["id"])
    with context.store.transaction():
        row = _agent(context, number)
        sweep = context.store.row("SELECT * FROM sweeps WHERE id = ?", [row["sweep_id"]])
        if sweep is None:
            raise Refused("the sweep was deleted", 404)
        commands = _commands(context, sweep, number, list(load_dict(input.get("run_state"))))
        state = "FINISHED" if EXIT in commands else "RUNNING"
        context.store.update("agents", number, {"state": state, "heartbeat_at": context.now})
    return {"agent": agent_node(context, row), "commands": dump_json(commands)}


def _agent(context: Context, number: int) -> Row:
    row = context.store.row("SELECT * FROM agents WHERE id = ?", [number])
    if row is None:
        raise Refused("no such agent", 404)
    return row


def _commands(context: Context, sweep: Row, agent: int, alive: list[str]) -> list[Command]:
    if sweep["state"] == "CANCELED":
        return [EXIT]
    if alive:
        return _stops(context, sweep, alive)
    if sweep["state"] == "FINISHED":
        return [EXIT]
    if sweep["state"] == "PAUSED":
        return []
    return [_resumed(context, sweep, agent) or _next_run(context, sweep, agent) or _nothing_left(context, sweep)]


def _stops(context: Context, sweep: Row, alive: list[str]) -> list[Command]:
    marks = ", ".join("?" * len(alive))
    sql = f"SELECT name FROM runs WHERE project_id = ? AND stop_requested AND name IN ({marks})"  # noqa: S608
    rows = context.store.rows(sql, [sweep["project_id"], *alive])
    return [{"type": "stop", "run_id": row["name"]} for row in rows]


def _resumed(context: Context, sweep: Row, agent: int) -> Command | None:
    """Hand a preempted run to the agent, the longest waiting first."""
    sql = """SELECT * FROM runs WHERE project_id = ? AND sweep = ? AND state = 'preempted'
             ORDER BY heartbeat_at LIMIT 1"""
    run = context.store.row(sql, [sweep["project_id"], sweep["name"]])
    if run is None:
        return None
    handed = {"agent_id": agent, "state": "running", "heartbeat_at": context.now, "exitcode": None}
    context.store.update("runs", run["id"], handed)
    searched = sweep_config(sweep).get("parameters", {})
    config = {key: value for key, value in load_dict(run["config"]).items() if key in searched}
    return _command("resume", run["name"], config, sweep)


def _next_run(context: Context, sweep: Row, agent: int) -> Command | None:
    """Create the search's next run; None when the search is exhausted."""
    config = sweep_config(sweep)
    expected = search.expected_runs(config)
    if expected is not None and sweep["issued"] >= expected:
        return None
    chosen = search.draw(config, sweep["issued"], sweep["name"])
    arguments = {name: {"value": value} for name, value in chosen.items()}
    name = _create_run(context, sweep, agent, dump_json(arguments))
    context.store.update("sweeps", sweep["id"], {"issued": sweep["issued"] + 1, "updated_at": context.now})
    return _command("run", name, arguments, sweep)


def _create_run(context: Context, sweep: Row, agent: int, config: str) -> str:
    """Create a run that no process has joined yet, so that it is seen as crashed if none ever does."""
    run = {
        "project_id": sweep["project_id"],
        "name": new_name(),
        "display_name": f"{sweep['name']}-{sweep['issued'] + 1}",
        "state": "running",
        "sweep": sweep["name"],
        "agent_id": agent,
        "config": config,
        "created_at": context.now,
        "heartbeat_at": context.now,
        "started": 0,
    }
    context.store.insert("runs", run)
    return str(run["name"])


def _command(kind: str, run: str, arguments: Node, sweep: Row) -> Command:
    program = sweep_config(sweep).get("program")
    return {"id": new_name(), "type": kind, "run_id": run, "args": arguments, "program": program, "logs": []}


def _nothing_left(context: Context, sweep: Row) -> Command:
    """Send the agent home: the search is exhausted, whether or not other agents still run."""
    finish_if_done(context, sweep["project_id"], sweep["name"])
    return EXIT
