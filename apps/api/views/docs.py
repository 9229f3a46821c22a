"""The OpenAPI document, a page of our own that shows it (no foreign script), and what is at no address."""

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from apps.api.domain.problems import Kind, Problem
from apps.api.http.api import PREFIX, api
from apps.api.http.door import guarded, wrong_method
from apps.core.pages import render_page
from apps.core.permissions import Permission, requires


@lru_cache(maxsize=1)
def document() -> str:
    """Return the OpenAPI document as JSON; it is the same for everybody and holds no data."""
    return json.dumps(api.get_openapi_schema())


@csrf_exempt  # a POST is told what the address takes, and does nothing
@login_not_required
def openapi(request: HttpRequest) -> HttpResponse:
    """Answer the OpenAPI document, without a token: whoever writes a client needs it first."""
    if request.method not in ("GET", "HEAD"):
        return wrong_method(request, "GET, HEAD")
    return HttpResponse(document(), content_type="application/json")


@require_safe
@requires(Permission.VIEW_BOARD)
def docs_page(request: HttpRequest) -> HttpResponse:
    """Show every operation with its scope, what it takes, and what can go wrong."""
    told = json.loads(document())
    context = {"operations": list(_operations(told)), "kinds": list(Kind), "about": told["info"]["description"]}
    return render_page(request, "api/docs.html", context)


def _operations(told: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for path, methods in told["paths"].items():
        for method, one in methods.items():
            body = one.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema", {})
            yield {
                "path": path,
                "method": method.upper(),
                "id": one["operationId"],
                "summary": one["summary"],
                "scope": one["x-scope"],
                "parameters": [_parameter(part) for part in one.get("parameters", [])],
                "body": list(_fields(told, body)),
            }


def _parameter(part: dict[str, Any]) -> dict[str, Any]:
    told = part["schema"].get("description") or part.get("description", "")
    return {"name": part["name"], "required": part.get("required", False), "said": told}


def _fields(told: dict[str, Any], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The fields of a body; those of a shape that has a name of its own."""
    if name := schema.get("$ref", "").rpartition("/")[2]:
        schema = told["components"]["schemas"][name]
    for field, held in schema.get("properties", {}).items():
        yield {"name": field, "required": field in schema.get("required", []), "said": held.get("description", "")}


@guarded
def missing(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Say that there is nothing at an address of the API."""
    raise Problem(Kind.NOT_FOUND, f"The API has nothing at '{rest[:200]}'; {PREFIX}openapi.json lists what it has.")
