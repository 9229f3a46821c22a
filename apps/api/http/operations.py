"""What the operations of the JSON API share: who asks, which act, and how both stand in the OpenAPI document."""

from typing import Any, cast

from django.http import HttpRequest
from pydantic import BaseModel

from apps.api.acts.registry import Act, Told
from apps.api.callers import Caller
from apps.api.domain.problems import Kind, Problem


def caller_at(request: HttpRequest) -> Caller:
    """Return who asks, as the door let them in."""
    return cast("Caller", request.caller)  # type: ignore[attr-defined]  # set by `http.door`


def ask(request: HttpRequest, act: Act, wish: BaseModel) -> Told:
    """Carry out one act for whoever asks."""
    return act(caller_at(request), wish)


def asked_for(request: HttpRequest, wish: BaseModel) -> BaseModel:
    """Return the filters; ``Problem`` 422 for one that there is not, because it would show everything."""
    if unknown := set(request.GET) - set(type(wish).model_fields):
        known = ", ".join(type(wish).model_fields)
        raise Problem(Kind.INVALID, f"There is no filter '{min(unknown)[:40]}'; known are {known}.")
    return wish


def about(act: Act) -> dict[str, Any]:
    """Return how an act stands in the OpenAPI document: its name, its sentence, and the scope that it needs."""
    said = (act.run.__doc__ or "").strip()
    return {
        "operation_id": act.name,
        "url_name": act.name,
        "summary": said.partition("\n")[0],
        "description": f"{said}\n\nScope: `{act.scope}`.",
        "openapi_extra": {"x-scope": act.scope.value, "x-writes": act.writes},
    }
