"""`manage.py tool NAME [FIELD=VALUE …]`: every tool of MCP for a shell, with the same token, scopes and audit trail."""

import json
import sys
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from apps.api.callers import Caller, caller_with
from apps.api.domain.problems import Kind, Problem
from apps.api.mcp.calling import called, problem_from
from apps.api.mcp.tools import BY_NAME, TOOLS, next_step
from apps.core.clock import utcnow
from apps.core.commands import as_text, database_told

DONE, REFUSED, USAGE, UNKNOWN = 0, 1, 2, 3


class Command(BaseCommand):
    help = (
        "Call a tool of MCP: `tool list` shows them, `tool run_verdict run=8x2kq0ab` calls one, `tool create_plan -` "
        "reads its arguments as JSON from the standard input. A VALUE that is JSON is read as such. SWEEPBOARD_TOKEN "
        "holds the token. The result is one JSON line. Exit status: 0 done, 1 refused, 2 wrong arguments, 3 the "
        "database cannot be read, or something does not answer."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("tool", help="its name, or 'list'")
        parser.add_argument("fields", nargs="*", type=as_text, metavar="FIELD=VALUE|-")

    def handle(self, *args: Any, **options: Any) -> None:
        if options["tool"] == "list":
            for one in TOOLS:
                self.stdout.write(f"{one.name:20} {one.description}")
            return
        arguments = _arguments(options["tool"], options["fields"])
        try:
            with database_told(UNKNOWN):
                told = called(_caller(), options["tool"], arguments)
        except CommandError:
            raise
        except Exception as error:
            self._refuse(problem_from(error))
        else:
            self.stdout.write(json.dumps(told))

    def _refuse(self, problem: Problem) -> None:
        self.stdout.write(json.dumps(problem.as_json(), default=str))
        status = UNKNOWN if problem.kind in (Kind.SILENT, Kind.OURS) else REFUSED
        raise CommandError(f"{problem.detail}\nNext: {next_step(problem)}", returncode=status)


def _caller() -> Caller:
    if not settings.TOKEN:
        raise Problem(Kind.NO_TOKEN, "SWEEPBOARD_TOKEN is not set. Make one at /tokens or by `manage.py token new`.")
    return caller_with(settings.TOKEN, utcnow())


def _arguments(name: str, fields: list[str]) -> dict[str, Any]:
    if fields == ["-"]:
        try:
            told = _json(sys.stdin.read())
        except UnicodeDecodeError as error:
            raise CommandError("The standard input holds bytes that are no UTF-8.", returncode=USAGE) from error
        if not isinstance(told, dict):
            raise CommandError("The standard input holds no JSON object.", returncode=USAGE)
        return told
    properties = BY_NAME[name].input_schema["properties"] if name in BY_NAME else {}
    texts = {field for field, schema in properties.items() if schema.get("type") == "string"}
    return dict(_parted(field, texts) for field in fields)


def _parted(field: str, texts: set[str]) -> tuple[str, Any]:
    """Part a field from its value; what the tool takes as a text stays one, also where it looks like a number."""
    name, equals, value = field.partition("=")
    if not equals or not name:
        raise CommandError(f"'{field[:60]}' is not of the form FIELD=VALUE.", returncode=USAGE)
    told = None if name in texts else _json(value)
    return name, value if told is None else told


def _json(text: str) -> Any:
    """Return what JSON says, None for what is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None
