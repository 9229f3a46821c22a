"""The agents' door: the pages of tokens, the JSON API, and what answers where MCP is not served."""

from django.urls import URLPattern, path, register_converter
from django.urls.converters import StringConverter

from apps.api.acts.registry import ACTS
from apps.api.http.api import api
from apps.api.http.door import guarded
from apps.api.views import docs, mcp_absent, tokens

app_name = "tokens"


class Anything(StringConverter):
    """Whatever an address may hold, line breaks too."""

    regex = r"[\s\S]+"


register_converter(Anything, "anything")


def _operations() -> list[URLPattern]:
    """The API's operations, each behind the door, where tokens are checked; an address has one POST at the most."""
    found = [one for one in api.urls[0] if isinstance(one, URLPattern) and one.name != "api-root"]
    outside = {str(one.pattern) for one in found if one.name in ACTS and ACTS[one.name].outside}
    for pattern in found:
        pattern.callback = guarded(pattern.callback, outside=str(pattern.pattern) in outside)
    return [path(f"api/v1/{one.pattern}", one.callback, name=f"api-{one.name}") for one in found]


urlpatterns = [
    path("tokens", tokens.tokens_page, name="tokens"),
    path("tokens/<int:pk>/revoke", tokens.revoke, name="revoke"),
    path("api/v1/openapi.json", docs.openapi, name="openapi"),
    path("api/v1/docs", docs.docs_page, name="docs"),
    *_operations(),
    path("api/v1", docs.missing),
    path("api/v1/", docs.missing),
    path("api/v1/<anything:rest>", docs.missing, name="missing"),
    path("mcp", mcp_absent.needs_asgi, name="mcp"),
    path("mcp/", mcp_absent.needs_asgi),
]
