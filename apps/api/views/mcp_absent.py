"""What /mcp says where Sweepboard is served by WSGI: the MCP door is asynchronous and needs ASGI."""

from django.http import HttpRequest, HttpResponse

from apps.api.domain.problems import Kind, Problem
from apps.api.http.door import guarded


@guarded
def needs_asgi(request: HttpRequest) -> HttpResponse:
    raise Problem(
        Kind.NO_ASGI,
        "This server runs under WSGI, where MCP is not served. Serve apps.config.asgi:application (see "
        "docs/operations.md), or use `manage.py mcp` over stdio.",
    )
