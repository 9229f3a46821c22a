"""MCP over HTTP: a token is asked for before the SDK sees anything; answers are JSON, and no session is kept."""

from typing import TYPE_CHECKING, Any, cast

import anyio.to_thread
from django.conf import settings
from django.db import connections
from django.http.request import validate_host
from mcp.server.context import ServerRequestContext
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager

from apps.api.callers import Caller, caller_of
from apps.api.domain.problems import Kind, Problem
from apps.api.http.door import LARGEST, as_response, failed
from apps.api.mcp.server import make_server
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError

if TYPE_CHECKING:
    from starlette.types import Receive, Scope, Send

CALLER = "sweepboard.caller"


class McpDoor:
    """An ASGI application for one path. Any process answers any request, since none keeps a session."""

    def __init__(self) -> None:
        self.manager = StreamableHTTPSessionManager(
            make_server(_asker), json_response=True, stateless=True, max_request_body_size=LARGEST
        )

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        refusal, caller = await anyio.to_thread.run_sync(_let_in, scope)
        if refusal is not None:
            await _answer(refusal, send)
            return
        await self.manager.handle_request({**scope, CALLER: caller}, receive, send)


def _asker(ctx: "ServerRequestContext[Any, Any]") -> Caller:
    """Return who asks, as the door let them in: the SDK hands the request on with each message."""
    if ctx.request is None:
        raise Problem(Kind.NO_TOKEN, "This request came without a token.")
    return cast("Caller", ctx.request.scope[CALLER])


def _let_in(scope: "Scope") -> tuple[Any, Caller | None]:
    """Return a refusal, or who asks."""
    try:
        return None, _caller(scope)
    except SweepboardError as error:
        return as_response(error if isinstance(error, Problem) else Problem(Kind.SILENT, str(error))), None
    except Exception as error:
        return failed(error), None
    finally:
        connections.close_all()


def _caller(scope: "Scope") -> Caller:
    headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
    host = headers.get("host", "").rpartition(":")[0] or headers.get("host", "")
    if not validate_host(host.lower(), settings.ALLOWED_HOSTS):
        raise Problem(Kind.INVALID, "This is no name of this Sweepboard; SWEEPBOARD_HOSTS lists them.")
    if scope["method"] != "POST":
        raise Problem(Kind.WRONG_METHOD, "MCP is spoken here by POST: no session is kept and no stream is opened.")
    return caller_of(headers.get("authorization", ""), utcnow())


async def _answer(response: Any, send: "Send") -> None:
    headers = [(name.lower().encode(), value.encode()) for name, value in response.items()]
    if response.status_code == Kind.WRONG_METHOD.status:
        headers.append((b"allow", b"POST"))
    await send({"type": "http.response.start", "status": response.status_code, "headers": headers})
    await send({"type": "http.response.body", "body": response.content})
