"""Numbers and texts inside JSON columns, as SQLite and PostgreSQL read them: to sort and to filter by."""

import json
from collections.abc import Iterable
from typing import Any

from django.db.models import F, FloatField, Func, Q, TextField, Value
from django.db.models.functions import Coalesce
from django.db.models.sql.compiler import SQLCompiler

from apps.pages.domain.tables import CONFIG, meant_by, paths_of
from apps.sweeps.domain import finite
from apps.sweeps.models import RunQuerySet

LARGEST = "1.7976931348623157e308"  # of what a float holds


class _JsonValue(Func):
    """The value at a path of a JSON column where it is of the wanted kind; NULL for any other and for none."""

    sqlite_kinds = ""
    postgres_kinds = ""
    postgres_cast = "text"
    arity = 1

    def __init__(self, expression: Any, path: list[str] | None = None, **extra: Any) -> None:
        super().__init__(expression, **extra)
        self.path = path or []

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, tuple[str | int, ...]]:
        column, params = compiler.compile(self.source_expressions[0])
        path = _path(self.path)
        sql = f"CASE WHEN JSON_TYPE({column}, %s) IN ({self.sqlite_kinds}) THEN JSON_EXTRACT({column}, %s) END"
        return sql, (*params, path, *params, path)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:
        column, params = compiler.compile(self.source_expressions[0])
        sql = (
            f"CASE WHEN jsonb_typeof({column} #> %s::text[]) IN ({self.postgres_kinds}) THEN "
            f"({column} #>> %s::text[])::{self.postgres_cast} END"
        )
        return sql, [*params, self.path, *params, self.path]


def _path(parts: list[str]) -> str:
    return "$" + "".join(f".{json.dumps(part)}" for part in parts)


class JsonNumber(_JsonValue):
    sqlite_kinds = "'integer', 'real'"
    postgres_kinds = "'number'"
    postgres_cast = "double precision"
    output_field = FloatField()

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, list[Any]]:
        """PostgreSQL refuses the whole query for one number that no float holds: such a one is no number here."""
        sql, params = super().as_postgresql(compiler, connection, **extra)
        column, own = compiler.compile(self.source_expressions[0])
        written = f"(CASE WHEN jsonb_typeof({column} #> %s::text[]) = 'number' THEN {column} #>> %s::text[] END)"
        held = [*own, self.path, *own, self.path]
        return f"CASE WHEN abs({written}::numeric) <= {LARGEST}::numeric THEN {sql} END", [*held, *params]


class JsonText(_JsonValue):
    postgres_kinds = "'string', 'boolean'"
    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, tuple[str | int, ...]]:
        """SQLite reads JSON's true as 1: its word is told instead."""
        column, params = compiler.compile(self.source_expressions[0])
        path = _path(self.path)
        sql = (
            f"CASE JSON_TYPE({column}, %s) WHEN 'true' THEN 'true' WHEN 'false' THEN 'false' "
            f"WHEN 'text' THEN JSON_EXTRACT({column}, %s) END"
        )
        return sql, (*params, path, *params, path)


class JsonTree(_JsonValue):
    """A list or an object as the database itself writes it, to be held against ``JsonWritten``."""

    sqlite_kinds = "'array', 'object'"
    postgres_kinds = "'array', 'object'"
    output_field = TextField()


class JsonWritten(Func):
    """JSON as the database itself writes it: every one spaces it in its own way, and spells numbers so."""

    output_field = TextField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="JSON_EXTRACT(%(expressions)s, '$')", **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="((%(expressions)s)::jsonb)::text", **extra)


class Seconds(Func):
    """A duration as seconds."""

    output_field = FloatField()

    def as_sqlite(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="((%(expressions)s) / 1000000.0)", **extra)

    def as_postgresql(self, compiler: SQLCompiler, connection: Any, **extra: Any) -> tuple[str, Any]:
        return self.as_sql(compiler, connection, template="EXTRACT(EPOCH FROM (%(expressions)s))", **extra)


def number_at(key: str) -> Any:
    """Return the number in a column of config or summary, for queries over runs."""
    return _first(JsonNumber, key)


def text_at(key: str) -> Any:
    return _first(JsonText, key)


def with_words(rows: RunQuerySet, name: str, key: str, words: Iterable[str]) -> RunQuerySet:
    """Return the runs whose value in a column is one of ``words`` (``word_of``); ``name`` is free in the query.

    A text is its own word; truths, numbers, lists and objects are named by their JSON.
    """
    texts = list(words)
    meant = [value for word in texts if (value := meant_by(word)) is not None]
    numbers = [number for value in meant if (number := finite(value)) is not None]
    trees = [JsonWritten(Value(json.dumps(value))) for value in meant if isinstance(value, list | dict)]
    held = {f"{name}_text": text_at(key), f"{name}_number": number_at(key), f"{name}_tree": _first(JsonTree, key)}
    named = Q(**{f"{name}_text__in": texts}) | Q(**{f"{name}_number__in": numbers})
    return rows.annotate(**held).filter(named | Q(**{f"{name}_tree__in": trees}))


def _first(kind: type[_JsonValue], key: str) -> Any:
    column = "config" if key.startswith(CONFIG) else "summary"
    found = [kind(F(column), path=path) for path in paths_of(key)]
    return Coalesce(*found) if len(found) > 1 else found[0]
