"""The ASGI entry point, for gunicorn with uvicorn's worker: MCP at /mcp, and everything else to Django."""

import os
import warnings
from typing import cast

import anyio
from django.core.asgi import get_asgi_application
from starlette.applications import Starlette
from starlette.routing import Mount, Route
from starlette.types import ASGIApp, Receive, Scope, Send

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "apps.config.settings")
# Static files are read whole before they are sent: they are small, and nothing else is streamed.
warnings.filterwarnings("ignore", message="StreamingHttpResponse must consume synchronous iterators")
_django = get_asgi_application()

from django.db import connections  # noqa: E402 - both need Django's settings

from apps.api.mcp.http import McpDoor  # noqa: E402

AT_ONCE = 40  # requests that Django works on in one process; further ones wait for their turn
# Each request has a thread of its own here, so a connection that is kept would never be used again.
for _alias in connections:
    connections.settings[_alias]["CONN_MAX_AGE"] = 0


class Bounded:
    """Lets so many requests through at once: each takes a thread and a connection to the database."""

    def __init__(self, app: ASGIApp, most: int) -> None:
        self._app, self._turns = app, anyio.CapacityLimiter(most)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self._turns:
            await self._app(scope, receive, send)


def make_application() -> Starlette:
    """Return the whole application; its MCP door serves for one lifespan."""
    door = McpDoor()
    routes = [
        Route("/mcp", endpoint=door),
        Route("/mcp/", endpoint=door),
        Mount("/", app=Bounded(cast("ASGIApp", _django), AT_ONCE)),
    ]
    return Starlette(routes=routes, lifespan=lambda _: door.manager.run())


application = make_application()
