"""The one user of this server, and what the server says about itself."""

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.registry import Node, resolves


def user_node(entity: str) -> Node:
    """Return the user behind every API key, who is a member of the team of the same name."""
    return {
        "id": "VXNlcjp2MTox",
        "name": entity,
        "username": entity,
        "email": f"{entity}@localhost",
        "admin": False,
        "flags": "{}",
        "entity": entity,
        "deletedAt": None,
        "apiKeys": {"edges": []},
        "teams": {"edges": [{"node": {"id": "RW50aXR5OnYxOjE=", "name": entity}}]},
    }


@resolves("Query", "viewer")
def viewer(context: Context, _source: object) -> Node:
    """Return the user whom the key belongs to."""
    return user_node(context.options.entity)


@resolves("Query", "serverInfo")
def server_info(_context: Context, _source: object) -> Node:
    """Return no optional features: the client then uses what every W&B server can do."""
    return {"features": [], "cliVersionInfo": {}}


@resolves("Query", "entity")
def entity(_context: Context, _source: object, name: str) -> Node:
    """Return an entity that belongs to no organization; the client asks at the start of every online run."""
    return {"id": "RW50aXR5OnYxOjE=", "name": name, "organization": None}
