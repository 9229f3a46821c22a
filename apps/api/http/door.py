"""What every request of the JSON API goes through: who asks, how often, was it asked before, and how it ends."""

import hashlib
import json
import uuid
from collections.abc import Callable
from dataclasses import replace
from functools import wraps
from typing import Any
from urllib.parse import unquote

import structlog
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from apps.api.callers import Caller, acting, caller_of
from apps.api.domain.problems import Kind, Problem, problem_of
from apps.api.limits import check_rate
from apps.api.services.once import Answer, Claim, once
from apps.core.clock import utcnow
from apps.core.errors import SweepboardError
from apps.workspaces.selectors import current_config

log = structlog.get_logger(__name__)
PROBLEM = "application/problem+json"
LARGEST = 1 << 20  # bytes of a body
READS = ("GET", "HEAD", "OPTIONS")
ACCEPTED, COME_AGAIN = 202, 3  # seconds after which something that is being looked at is worth asking for
View = Callable[..., HttpResponseBase]


def guarded(view: View, *, outside: bool = False) -> View:
    """Return a view of the API behind the door; session and CSRF play no part, since only a token opens it.

    ``outside`` says that its POST writes files: see ``services.once``.
    """

    @wraps(view)
    def opened(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        try:
            return _finished(request, _let_in(request, view, args, kwargs, outside=outside))
        except SweepboardError as error:
            return as_response(problem_of(error))
        except Exception as error:
            return failed(error)

    opened.login_required = False  # type: ignore[attr-defined]  # a token is asked for instead of a log-in
    opened.csrf_exempt = True  # type: ignore[attr-defined]  # no cookie opens it
    opened.needs_token = True  # type: ignore[attr-defined]  # what the guard test looks at
    return opened


def _let_in(request: HttpRequest, view: View, args: Any, kwargs: Any, *, outside: bool) -> HttpResponse:
    now = utcnow()
    caller = caller_of(request.headers.get("Authorization", ""), now)
    sort: Any = "reads" if request.method in READS else "writes"
    check_rate(token=caller.token, sort=sort, config=current_config().api, now=now)
    _check_text(request)

    def ask(as_caller: Caller) -> HttpResponse:
        request.caller = as_caller  # type: ignore[attr-defined]  # read by `http.operations.caller_at`
        answer = _asked(view, request, args, kwargs)
        return answer if isinstance(answer, HttpResponse) else HttpResponse(status=500)

    with acting(caller):
        key = request.headers.get("Idempotency-Key")
        if request.method != "POST" or key is None:
            return ask(caller)
        return _once(request, caller, key, ask, outside=outside)


def _asked(view: View, request: HttpRequest, args: Any, kwargs: Any) -> HttpResponseBase:
    """Ask a view; a HEAD is answered as a GET is, and whatever serves it leaves the body out."""
    method = request.method
    request.method = "GET" if method == "HEAD" else method
    try:
        return view(request, *args, **kwargs)
    finally:
        request.method = method


def _check_text(request: HttpRequest) -> None:
    """A database takes no NUL, in an address or in a body; a body has a size."""
    if "\x00" in unquote(request.get_full_path()):
        raise Problem(Kind.INVALID, "The address holds a NUL character: take it out.")
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not (length.isascii() and length.isdigit()):
        raise Problem(Kind.INVALID, "The request's Content-Length is no number.")
    if len(length) > len(str(LARGEST)) or int(length) > LARGEST or len(request.body) > LARGEST:
        raise Problem(Kind.TOO_LARGE, f"A request has {LARGEST} bytes at the most.")


def _once(
    request: HttpRequest, caller: Caller, key: str, ask: Callable[[Caller], HttpResponse], *, outside: bool
) -> HttpResponse:
    parts = (str(request.method).encode(), request.get_full_path().encode(), request.body)
    fingerprint = hashlib.sha256(b"\n".join(parts)).hexdigest()

    made: list[HttpResponse] = []

    def act(claim: Claim) -> Answer:
        response = ask(replace(caller, first_at=claim.first_at, repeated=claim.repeated))
        made.append(response)
        kind, body = response.headers.get("Content-Type", ""), response.content.decode()
        again = response.status_code == ACCEPTED or "Retry-After" in response
        return Answer(response.status_code, body, kind, ask_again=again)

    told = once(token=caller.token, key=key, fingerprint=fingerprint, clock=utcnow, act=act, outside=outside)
    if not told.replayed:
        return made[0]
    response = HttpResponse(told.body, status=told.status, content_type=told.content_type)
    response["Idempotency-Replayed"] = "true"
    return response


def _finished(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """Add what every answer has; a 405 says itself which methods there are."""
    if response.status_code == 405:
        return wrong_method(request, response.headers.get("Allow", ""))
    response["Cache-Control"] = "private, no-cache"
    if response.status_code == ACCEPTED:
        response["Retry-After"] = str(COME_AGAIN)
    if request.method in ("GET", "HEAD") and response.status_code == 200:
        tag = f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
        known = {one.strip().removeprefix("W/") for one in request.headers.get("If-None-Match", "").split(",")}
        if tag in known or "*" in known:
            response = HttpResponse(status=304)
            response["Cache-Control"] = "private, no-cache"
            del response["Content-Type"]
        response["ETag"] = tag
    return response


def wrong_method(request: HttpRequest, allowed: str) -> HttpResponse:
    """Return the refusal of a method that an address does not take; ``allowed`` are those that it does, by commas."""
    refused = as_response(Problem(Kind.WRONG_METHOD, f"This address takes {allowed}, not {request.method}."))
    refused["Allow"] = allowed
    return refused


def as_response(problem: Problem) -> HttpResponse:
    """Return a refusal as RFC 9457 writes it."""
    told = json.dumps(problem.as_json(), default=str)
    response = HttpResponse(told, status=problem.kind.status, content_type=PROBLEM)
    if problem.kind.status == 401:
        response["WWW-Authenticate"] = 'Bearer realm="Sweepboard"'
    if problem.retry_after is not None:
        response["Retry-After"] = str(problem.retry_after)
    return response


def failed(error: Exception) -> HttpResponse:
    """Return the answer to a defect of ours: an id, by which it is found in the log, and nothing else of it."""
    log_id = uuid.uuid4().hex[:12]
    log.error("api.crashed", log_id=log_id, exc_info=error)
    said = f"Sweepboard failed at this request. Nothing is known to be done. Reference: {log_id}."
    return as_response(Problem(Kind.OURS, said, {"log_id": log_id}))
