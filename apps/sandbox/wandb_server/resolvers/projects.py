"""Projects: found by entity and name, created on first use."""

from typing import Any

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.registry import Node, connection, resolves
from apps.sandbox.wandb_server.resolvers.viewer import user_node
from apps.sandbox.wandb_server.store import Row
from apps.sandbox.wandb_server.values import global_id, iso, offset_of


def project_node(context: Context, row: Row) -> Node:
    """Return a project as the schema names its fields; `_id` is its row number."""
    return {
        "_id": row["id"],
        "id": global_id("Project", row["id"]),
        "internalId": str(row["id"]),
        "name": row["name"],
        "entityName": row["entity"],
        "entity": {"id": f"entity-{row['entity']}", "name": row["entity"]},
        "createdAt": iso(row["created_at"]),
        "isBenchmark": False,
        "readOnly": False,
        "description": row["description"],
        "access": "USER_READ",
        "views": "{}",
        "user": user_node(context.options.entity),
    }


def find_project(context: Context, entity: str | None, name: str | None) -> Row | None:
    """Return the project's row; no entity means the viewer's own."""
    values = [entity or context.options.entity, name]
    return context.store.row("SELECT * FROM projects WHERE entity = ? AND name = ?", values)


def ensure_project(context: Context, entity: str | None, name: str | None) -> Row:
    """Return the project's row, creating it when nobody used the name before."""
    with context.store.transaction():
        name = name or "uncategorized"
        found = find_project(context, entity, name)
        if found is None:
            columns = {"entity": entity or context.options.entity, "name": name, "created_at": context.now}
            context.store.insert("projects", columns)
            found = find_project(context, entity, name)
    assert found is not None  # noqa: S101 (inserted above)
    return found


def project_by_number(context: Context, number: int) -> Node:
    """Return the project that a run or a sweep belongs to."""
    row = context.store.row("SELECT * FROM projects WHERE id = ?", [number])
    assert row is not None  # noqa: S101 (projects are never deleted)
    return project_node(context, row)


@resolves("Query", "project")
@resolves("Query", "model")
def project(context: Context, _source: object, name: str | None = None, entity_name: str | None = None) -> Node | None:
    """Return one project, or null."""
    row = find_project(context, entity_name, name)
    return project_node(context, row) if row else None


@resolves("Query", "models")
def projects(
    context: Context,
    _source: object,
    entity_name: str | None = None,
    after: str | None = None,
    first: int | None = None,
) -> Node:
    """Return a page of an entity's projects, the newest first."""
    start, size = offset_of(after), first or 50
    sql = "SELECT * FROM projects WHERE entity = ? ORDER BY id DESC LIMIT ? OFFSET ?"
    rows = context.store.rows(sql, [entity_name or context.options.entity, size + 1, start])
    nodes = [project_node(context, row) for row in rows[:size]]
    return connection(nodes, start, more=len(rows) > size)


@resolves("Mutation", "upsertModel")
def upsert_model(context: Context, _source: object, input: dict[str, Any]) -> Node:
    """Create a project, or describe the one that is there."""
    existed = find_project(context, input.get("entity_name"), input["name"]) is not None
    row = ensure_project(context, input.get("entity_name"), input["name"])
    if input.get("description") is not None:
        context.store.update("projects", row["id"], {"description": input["description"]})
    node = project_by_number(context, row["id"])
    return {"project": node, "model": node, "inserted": not existed}
