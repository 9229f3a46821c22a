"""`manage.py mcp`: the MCP server over stdin and stdout, for an agent on this machine; see SWEEPBOARD_TOKEN."""

from typing import Any

import anyio
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from mcp.server.stdio import stdio_server

from apps.api.callers import Caller, caller_with
from apps.api.domain.problems import Kind, Problem
from apps.api.mcp.server import make_server
from apps.core.clock import utcnow
from apps.core.commands import database_told

REFUSED, UNKNOWN = 1, 3


class Command(BaseCommand):
    help = (
        "Serve MCP over stdin and stdout until stdin ends. SWEEPBOARD_TOKEN holds the token, as made at /tokens or by "
        "`manage.py token new`. Exit status: 0 done, 1 no or a dead token, 3 the database cannot be read."
    )
    requires_system_checks: list[str] = []

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with database_told(UNKNOWN):
                _caller()
        except Problem as problem:
            raise CommandError(f"SWEEPBOARD_TOKEN: {problem}", returncode=REFUSED) from problem
        anyio.run(_serve)


def _caller(ctx: object = None) -> Caller:
    """Return whose the token is; it is looked at again at every call, so that a revoked one ends at once."""
    if not settings.TOKEN:
        raise Problem(Kind.NO_TOKEN, "It is not set. Make a token at /tokens and put it into your configuration.")
    return caller_with(settings.TOKEN, utcnow())


async def _serve() -> None:
    server = make_server(_caller)
    async with stdio_server() as (reads, writes):
        await server.run(reads, writes, server.create_initialization_options())
