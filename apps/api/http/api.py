"""The JSON API as one object: its operations, its OpenAPI document, and how each refusal is written."""

from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.openapi.schema import OpenAPISchema

from apps.api.domain.problems import Kind, Problem, problem_of
from apps.api.http import training, working
from apps.api.http.door import PROBLEM, as_response, failed
from apps.api.schemas.base import ProblemTold
from apps.core.errors import SweepboardError

PREFIX = "/api/v1/"
DESCRIPTION = """Sweepboard for scripts and agents. Send a token with every request: `Authorization: Bearer swb_…`.

Refusals are RFC 9457 problems. Lists are paged by `next`, which is sent back as `cursor`. Answers to GET have an ETag.

A POST may carry an `Idempotency-Key`: the same key with the same request returns the first answer, for 24 hours."""
_REFUSALS = {
    "401": "The token is missing, unknown, expired or revoked",
    "403": "The token lacks the scope",
    "404": "There is no such thing",
    "409": "Its state does not allow this, or the gate is shut",
    "413": "The request is too large",
    "422": "The request cannot be used",
    "429": "Too many requests; Retry-After says when",
    "500": "Sweepboard failed; log_id finds it in the log",
    "503": "Something does not answer; Retry-After says when",
}
_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "the same key with the same request does it once",
    "schema": {"type": "string", "minLength": 1, "maxLength": 200, "pattern": "^[\\x21-\\x7e]+$"},
}


class Api(NinjaAPI):
    """Adds to the document what every operation has: the token, the refusals, and the key of a POST."""

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        document = super().get_openapi_schema(path_prefix=PREFIX)
        parts = document["components"]
        parts["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer", "bearerFormat": "swb_…"}}
        parts["schemas"]["Problem"] = ProblemTold.model_json_schema()
        document["security"] = [{"token": []}]
        for methods in document["paths"].values():
            for method, operation in methods.items():
                _complete(method, operation)
        return document


def _complete(method: str, operation: dict[str, Any]) -> None:
    body = {PROBLEM: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for status, said in _REFUSALS.items():
        operation["responses"][status] = {"description": said, "content": body}
    if method == "post":
        operation.setdefault("parameters", []).append(_KEY)


api = Api(
    title="Sweepboard",
    version="1",
    description=DESCRIPTION,
    urls_namespace="api-v1",
    openapi_url=None,  # served by our own view, beside a page without foreign scripts
    docs_url=None,
)
api.add_router("", training.router)
api.add_router("", working.router)


@api.exception_handler(SweepboardError)
def _refused(request: HttpRequest, error: SweepboardError) -> HttpResponse:
    return as_response(problem_of(error))


@api.exception_handler(ValidationError)
def _invalid(request: HttpRequest, error: ValidationError) -> HttpResponse:
    return as_response(invalid([(tuple(one["loc"]), str(one["msg"])) for one in error.errors]))


def invalid(errors: list[tuple[tuple[Any, ...], str]]) -> Problem:
    """Return how fields are refused that are missing, unknown or of the wrong kind."""
    told = [{"field": _field(place), "said": said.removeprefix("Value error, ")} for place, said in errors[:20]]
    first = told[0]
    return Problem(Kind.INVALID, f"'{first['field']}': {first['said']}.", {"errors": told})


def _field(place: tuple[Any, ...]) -> str:
    return ".".join(str(part) for part in place if part not in ("body", "query", "path", "wish")) or "the request"


@api.exception_handler(Http404)
def _missing(request: HttpRequest, error: Http404) -> HttpResponse:
    return as_response(Problem(Kind.NOT_FOUND, "There is no such thing."))


@api.exception_handler(HttpError)
def _http(request: HttpRequest, error: HttpError) -> HttpResponse:
    said = "The body is no JSON." if error.status_code == 400 else str(error)
    return as_response(Problem(Kind.INVALID, said))


@api.exception_handler(Exception)
def _failed(request: HttpRequest, error: Exception) -> HttpResponse:
    return failed(error)
