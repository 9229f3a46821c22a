"""The executable schema: the SDL joined with the resolvers, and a cache of checked documents."""

import re
from functools import lru_cache
from pathlib import Path
from typing import Any, cast

from graphql import (
    DocumentNode,
    GraphQLError,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLScalarType,
    GraphQLSchema,
    build_schema,
    execute_sync,
    parse,
    validate,
)

from apps.sandbox.wandb_server.context import Context
from apps.sandbox.wandb_server.errors import Refused
from apps.sandbox.wandb_server.projection import project_edges
from apps.sandbox.wandb_server.registry import RESOLVERS
from apps.sandbox.wandb_server.resolvers import (  # noqa: F401 (importing them registers them)
    agents,
    files,
    history,
    projects,
    run_writes,
    runs,
    sweeps,
    viewer,
)

SDL = Path(__file__).with_name("schema.graphql")
Answer = tuple[int, dict[str, Any]]


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


@lru_cache(maxsize=1)
def public_schema() -> GraphQLSchema:
    """Return the schema that queries are validated against; the client sends no directives."""
    built = build_schema(SDL.read_text())
    built.directives = ()
    return built


@lru_cache(maxsize=1)
def schema() -> GraphQLSchema:
    """Return the schema that executes; arguments and input fields arrive at resolvers in snake_case."""
    built = build_schema(SDL.read_text())
    for kind in built.type_map.values():
        if isinstance(kind, GraphQLInputObjectType):
            for name, field in kind.fields.items():
                field.out_name = _snake(name)
        elif isinstance(kind, GraphQLObjectType) and not kind.name.startswith("__"):
            _attach(kind)
    _shorten(built)
    return built


def _attach(kind: GraphQLObjectType) -> None:
    for name, field in kind.fields.items():
        field.resolve = RESOLVERS.get((kind.name, name))
        for argument_name, argument in field.args.items():
            argument.out_name = _snake(argument_name)


def _shorten(built: GraphQLSchema) -> None:
    """Make the edges of a page of runs a leaf for the executor, which is then done with them at once."""
    edges = cast(GraphQLObjectType, built.type_map["RunConnection"]).fields["edges"]
    edge = cast(GraphQLObjectType, built.type_map["RunEdge"])
    edges.type = cast(GraphQLScalarType, built.type_map["JSON"])
    edges.resolve = lambda source, info: project_edges(edge, source, info)


@lru_cache(maxsize=512)
def checked(query: str) -> tuple[DocumentNode | None, tuple[str, ...]]:
    """Return the parsed query, or None and why it does not fit the schema; the client repeats few queries."""
    try:
        document = parse(query, no_location=True)
    except GraphQLError as error:
        return None, (error.message,)
    errors = tuple(error.message for error in validate(public_schema(), document))
    return (None if errors else document), errors


def operation_name(query: str) -> str:
    """Return the name of the first operation in a query, empty when it has none."""
    found = re.search(r"\b(?:query|mutation)\s+(\w+)", query)
    return found.group(1) if found else ""


def answer(context: Context, query: str, variables: dict[str, Any], name: str | None = None) -> Answer:
    """Execute a query and return the HTTP status and the body, errors in GraphQL's shape."""
    document, errors = checked(query)
    if document is None:
        return 400, failure(*errors)
    result = execute_sync(schema(), document, None, context, variables, name)
    if not result.errors:
        return 200, {"data": result.data}
    cause = result.errors[0].original_error
    if cause is not None and not isinstance(cause, Refused):
        raise cause
    # An error without a cause is a variable that does not fit its type.
    status = cause.status if isinstance(cause, Refused) else 400
    return status, failure(*(error.message for error in result.errors)) | {"data": result.data}


def failure(*messages: str) -> dict[str, Any]:
    """Return an error body as W&B's API words it."""
    return {"errors": [{"message": message} for message in messages]}
