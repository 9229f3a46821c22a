"""How a function becomes the resolver of one field of the schema."""

from collections.abc import Callable
from typing import Any

from graphql import GraphQLResolveInfo

from apps.sandbox.wandb_server.values import cursor

Node = dict[str, Any]
Resolver = Callable[..., Any]
RESOLVERS: dict[tuple[str, str], Resolver] = {}


def resolves(kind: str, name: str) -> Callable[[Resolver], Resolver]:
    """Register a function `(context, source, **arguments)` for the field `name` of the type `kind`.

    Arguments arrive in snake_case. Fields without a resolver are looked up in the source, a plain dict.
    """

    def register(function: Resolver) -> Resolver:
        def call(source: Any, info: GraphQLResolveInfo[Any], **arguments: Any) -> Any:
            return function(info.context, source, **arguments)

        RESOLVERS[kind, name] = call
        return function

    return register


def connection(nodes: list[Node], start: int = 0, more: bool = False) -> Node:
    """Return a page in the shape of a connection, whose first node stands at the offset `start`."""
    edges = [{"node": node, "cursor": cursor(start + place)} for place, node in enumerate(nodes)]
    end = edges[-1]["cursor"] if edges else None
    return {"edges": edges, "pageInfo": {"endCursor": end, "hasNextPage": more}}
